"""Requests that wait at the same time are scored together: a hundred numbers cost an array operation what one does.

Nobody waits for company. A request is scored as soon as the event loop has taken in what had arrived with it; that is
one turn of the loop, and a lone request is scored alone. What is computed for a request does not depend on its
company (`components.ranker.forward`), so neither do its propensities.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

A = TypeVar("A")
B = TypeVar("B")


@dataclass
class MicroBatches(Generic[A, B]):
    """Collects what is asked within a turn of the loop and lets `answer` see all of it; `size` (a) counts its work.

    A batch holds at most `most` of that, so that it cannot hold up the loop. What `answer` raises, everybody of the
    batch gets.
    """

    answer: Callable[[Sequence[A]], Sequence[B]]
    size: Callable[[A], int]
    most: int
    batches: int = 0
    _waiting: list[tuple[A, asyncio.Future[B]]] = field(default_factory=list)

    async def ask(self, one: A) -> B:
        """The answer to `one`."""
        loop = asyncio.get_running_loop()
        if not self._waiting:
            loop.call_soon(self._run)
        told: asyncio.Future[B] = loop.create_future()
        self._waiting.append((one, told))
        return await told

    def _run(self) -> None:
        taken, work = 0, 0
        while taken < len(self._waiting) and (taken == 0 or work + self.size(self._waiting[taken][0]) <= self.most):
            work += self.size(self._waiting[taken][0])
            taken += 1
        batch, self._waiting = self._waiting[:taken], self._waiting[taken:]
        if self._waiting:
            asyncio.get_running_loop().call_soon(self._run)
        self.batches += 1
        try:
            answers = self.answer([one for one, _ in batch])
        except Exception as error:
            for _, told in batch:
                if not told.done():
                    told.set_exception(error)
        else:
            for (_, told), found in zip(batch, answers, strict=True):
                if not told.done():  # who has gone away is not told
                    told.set_result(found)
