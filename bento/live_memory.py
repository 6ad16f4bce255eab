"""The champion's memory, kept live: bundle, or its latest snapshot, + decision log since = memory.

Every process reads the lines of all processes and learns from them in the same steps: an
outcome belongs to the tick ``floor(at / tick)`` of the instant it became known, and a tick
is one write, in order of (instant, impression). So the memory follows from what it started
with and the log alone: processes that started from the same snapshot have the same one, those
that started from different ones know the same outcomes. A line that appears after its tick was
closed is learned in a write of its own.

An impression's reward becomes known when its outcome arrives; where the source has an
attribution window, when that closes, as the largest outcome in time, or 0 without one.
"""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import groupby
from pathlib import Path

import numpy as np

from bento.decision_log import LogTail
from bento.settings import ServiceSettings
from components.domain import DAY, SECOND
from components.ingest.log_lines import OutcomeLine, RequestLine
from components.publish.snapshot import Resumed
from components.serving.served import KnownOutcomes, Served

NO_GRADE = float("nan")


@dataclass(frozen=True, slots=True)
class Impression:
    """What is needed to learn from an impression."""

    user_id: str
    item_id: str
    at: int
    context: Mapping[str, object]


@dataclass(frozen=True, slots=True, order=True)
class Outcome:
    """The first outcome of an impression, by time."""

    at: int
    reward: float
    grade: float = field(compare=False)


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """An impression whose reward is known from `instant` on."""

    instant: int
    impression_id: str


class LiveMemory:
    """Feeds a served generation's memory from the decision log."""

    def __init__(self, start: Resumed, home: Path, settings: ServiceSettings) -> None:
        self.served, self.known_until = start.served, start.known_until
        self.learned = 0
        self._retention = round(settings.retention_days * DAY)
        self._tick = round(settings.tick_seconds * SECOND)
        self._grace = round(settings.grace_seconds * SECOND)
        self._window = _window_of(start.served)
        self._tail = LogTail(home, self.known_until - self._retention)
        self._shown: OrderedDict[str, Impression] = OrderedDict()
        self._outcomes: dict[str, Outcome] = {}
        self._done: set[str] = set()
        self._due: list[Due] = []

    def find(self, impression_id: str) -> Impression | None:
        """The impression, if it was shown within the retention, by any process."""
        if impression_id not in self._shown:
            self.read()
        return self._shown.get(impression_id)

    def outcome_of(self, impression_id: str) -> Outcome | None:
        """The outcome of this impression that counts, told to any process."""
        self.read()
        return self._outcomes.get(impression_id)

    def advance(self, now: int) -> int:
        """Read the log, learn from every tick that is over at `now`; the number of outcomes learned."""
        self.read()
        ready: list[Due] = []
        while self._due and self._end(self._due[0]) + self._grace <= now:
            ready.append(heappop(self._due))
        before = self.learned
        for _, tick in groupby(ready, self._end):
            self._learn(list(tick))
        self._forget(now - self._retention)
        return self.learned - before

    def read(self) -> None:
        """Take in the lines that were written since the last reading, by any process."""
        for line in self._tail.lines():
            if isinstance(line, RequestLine):
                self._take_request(line)
            elif isinstance(line, OutcomeLine):
                self._take_outcome(line)

    def _take_request(self, line: RequestLine) -> None:
        for shown in line.slate:
            if shown.impression_id in self._shown:
                continue
            self._shown[shown.impression_id] = Impression(line.user_id, shown.item_id, line.at, line.context)
            if self._window is not None:
                self._schedule(line.at + self._window, shown.impression_id)

    def _take_outcome(self, line: OutcomeLine) -> None:
        if line.kind != self.served.outcome.kind:
            return
        outcome = Outcome(line.at, line.reward, NO_GRADE if line.grade is None else line.grade)
        known = self._outcomes.get(line.impression_id)
        if known is None or outcome < known:
            self._outcomes[line.impression_id] = outcome
            if self._window is None:
                self._schedule(outcome.at, line.impression_id)

    def _schedule(self, instant: int, impression_id: str) -> None:
        if instant >= self.known_until:
            heappush(self._due, Due(instant, impression_id))

    def _end(self, due: Due) -> int:
        return (due.instant // self._tick + 1) * self._tick

    def _learn(self, tick: list[Due]) -> None:
        first = {d.impression_id: d for d in reversed(tick)}
        rows = [
            d for d in sorted(first.values()) if d.impression_id in self._shown and d.impression_id not in self._done
        ]
        if not rows:
            return
        shown = [self._shown[d.impression_id] for d in rows]
        names = sorted({name for s in shown for name in s.context})
        self.served.learn(
            KnownOutcomes(
                user_id=np.array([s.user_id for s in shown], object),
                item_id=np.array([s.item_id for s in shown], object),
                at=np.array([d.instant for d in rows], np.int64),
                reward=np.array([self._counted(d).reward for d in rows], np.float32),
                grade=np.array([self._counted(d).grade for d in rows], np.float32),
                context={name: column([s.context.get(name) for s in shown]) for name in names},
            )
        )
        self._done.update(d.impression_id for d in rows)
        self.learned += len(rows)

    def _counted(self, due: Due) -> Outcome:
        outcome = self._outcomes.get(due.impression_id)
        return outcome if outcome is not None and outcome.at <= due.instant else Outcome(due.instant, 0.0, NO_GRADE)

    def _forget(self, before: int) -> None:
        while self._shown and next(iter(self._shown.values())).at < before:
            impression_id, _ = self._shown.popitem(last=False)
            self._outcomes.pop(impression_id, None)
            self._done.discard(impression_id)


def _window_of(served: Served) -> int | None:
    attribution = served.outcome.attribution
    return None if attribution is None else round(attribution * SECOND)


def column(values: list[object]) -> np.ndarray:
    """(n,) object array, also of lists."""
    out = np.empty(len(values), object)
    out[:] = values
    return out
