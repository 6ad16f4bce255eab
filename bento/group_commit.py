"""Answers wait until their lines are on the disk, many of them for one and the same fsync.

While one sync runs in a thread, everybody who wrote meanwhile waits for the next: under load a sync serves all
requests of its duration, and a lone request waits for its own alone (group commit: DeWitt, Katz, Olken, Shapiro,
Stonebraker and Wood 1984, "Implementation techniques for main memory database systems", section 5.2).
"""

import asyncio
from collections.abc import Callable


class GroupCommit:
    """Runs `sync`, which blocks, at most once at a time. For one event loop."""

    def __init__(self, sync: Callable[[], None]) -> None:
        self._sync = sync
        self._waiting: asyncio.Future[None] | None = None
        self._running: asyncio.Task[None] | None = None
        self.syncs = 0

    async def durable(self) -> None:
        """Return once everything that was written before the call is on the disk.

        Raises
        ------
        Transient
            If the disk refused: of what was written before the call nothing may be acknowledged.
        """
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().create_future()
        joined = self._waiting
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        await asyncio.shield(joined)  # who is cut off must not cut off the others

    async def _run(self) -> None:
        try:
            while self._waiting is not None:
                batch, self._waiting = self._waiting, None
                try:
                    self.syncs += 1
                    await asyncio.to_thread(self._sync)
                except Exception as error:
                    batch.set_exception(error)
                    batch.exception()  # nobody may be waiting any more
                else:
                    batch.set_result(None)
        finally:
            self._running = None
