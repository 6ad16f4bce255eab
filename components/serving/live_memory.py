"""The champion's memory, kept live: bundle, or its latest snapshot, + decision log since = memory.

Every process reads the lines of all processes and learns from them in the same steps: an
outcome belongs to the tick ``floor(at / tick)`` of the instant it became known, and a tick
is one write, in order of (instant, impression). So the memory follows from what it started
with and the log alone: processes that started from the same snapshot have the same one, those
that started from different ones know the same outcomes. A line that appears after its tick was
closed is learned in a write of its own.

What was shown, or became known, inside a window that is set aside is not learned.

An impression's reward becomes known when its outcome arrives; where the source has an
attribution window, when that closes, as the largest outcome in time, or 0 without one.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import groupby
from pathlib import Path
from sys import intern

import numpy as np
from msgspec import Struct

from components.domain import DAY, SECOND
from components.ingest.log_lines import (
    BriefLine,
    BriefRequest,
    ChangeLine,
    ForgetLine,
    ItemLine,
    OutcomeLine,
    UserLine,
    impression_id_of,
    parse_brief,
    parts_of,
)
from components.ingest.log_tail import LogTail, Tail
from components.serving.aside import Aside
from components.serving.lifted import Lifted
from components.serving.served import KnownOutcomes, Served

NO_GRADE = float("nan")
ALL = -1
NO_CONTEXT: Mapping[str, object] = {}
NOTHING_ASIDE = Aside()
Follow = Callable[[int], Tail[BriefLine]]
"""Begins to follow the decision log from an instant on, microseconds."""


def in_files(home: Path) -> Follow:
    """The log that processes of one machine write below their home."""
    return lambda since: LogTail(home, since, parse_brief)


@dataclass(frozen=True, slots=True)
class Impression:
    """What is needed to learn from an impression."""

    user_id: str
    item_id: str
    at: int
    context: Mapping[str, object]


class Answered(Struct, eq=False, gc=False):
    """A request and what answered it, with the least that learning from it needs.

    `items` stand in the order of their positions; `done` has a bit per position that was learned. No cycle can run
    through it, so the garbage collector need not look at each of a million.
    """

    user_id: str
    at: int
    context: Mapping[str, object]
    items: tuple[str, ...]
    done: int = 0


@dataclass(frozen=True, slots=True, order=True)
class Outcome:
    """The first outcome of an impression, by time."""

    at: int
    reward: float
    grade: float = field(compare=False)


@dataclass(frozen=True, slots=True, order=True)
class Due:
    """What is known from `instant` on: the reward of one position of a request, or of all of them (`ALL`)."""

    instant: int
    request_id: str
    position: int


@dataclass(frozen=True, slots=True)
class Steps:
    """How a process follows the log, all in microseconds: outcomes of one `tick` are one write, which waits `grace`
    for lines of other processes; an impression takes outcomes for `retention`."""

    tick: int
    grace: int
    retention: int

    @classmethod
    def of(cls, tick_seconds: float, grace_seconds: float, retention_days: float) -> "Steps":
        """From seconds and days."""
        return cls(round(tick_seconds * SECOND), round(grace_seconds * SECOND), round(retention_days * DAY))


class LiveMemory:
    """Feeds a served generation's memory from the decision log."""

    def __init__(
        self, served: Served, known_until: int, follow: Follow, steps: Steps, aside: Aside = NOTHING_ASIDE
    ) -> None:
        self.served, self.known_until, self.aside = served, known_until, aside
        self.learned = 0
        self._retention, self._tick, self._grace = steps.retention, steps.tick, steps.grace
        self._window = _window_of(served)
        self._tail = follow(min(self.known_until - self._retention, served.cutoff))
        self.changes = self._seen = 0
        self._heard: set[object] = set()  # the changes that were seen: a stream may hand one out again
        self._changes: list[tuple[int, int, ChangeLine]] = []
        self._answered: dict[str, Answered] = {}
        self._order: deque[str] = deque()  # of the requests, as they were read
        self._outcomes: dict[str, Outcome] = {}
        self._beside: dict[str, dict[str, Outcome]] = {}  # impression -> what is measured of it, by kind
        self._due: list[Due] = []
        self.lifted = Lifted()

    def catch_up(self) -> None:
        """Take in all that the log has by now; blocks where the log is on another machine.

        Raises
        ------
        Transient
            If the log cannot be read.
        """
        self._tail.reach(self.read)
        self.read()

    def reach(self) -> None:
        """Let all that the log has by now be there for the next reading; blocks, any thread.

        Raises
        ------
        Transient
            If the log cannot be read.
        """
        self._tail.reach()

    def close(self) -> None:
        """Follow the log no further."""
        self._tail.close()

    def find(self, impression_id: str) -> Impression | None:
        """The impression, if it was shown within the retention, by any process."""
        found = self._find(impression_id)
        if found is not None:
            return found
        self.read()
        return self._find(impression_id)

    def outcome_of(self, impression_id: str, kind: str) -> Outcome | None:
        """The outcome of this kind that counts of an impression, told to any process."""
        self.read()
        learned = kind == self.served.outcome.kind
        return self._outcomes.get(impression_id) if learned else self._beside.get(impression_id, {}).get(kind)

    def advance(self, now: int) -> int:
        """Read the log, learn from every tick that is over at `now`; the number of outcomes learned."""
        self.read()
        self.change()
        ready: list[Due] = []
        while self._due and self._end(self._due[0]) + self._grace <= now:
            ready.append(heappop(self._due))
        before = self.learned
        for _, tick in groupby(ready, self._end):
            self._learn(list(tick))
        self._forget(now - self._retention)
        return self.learned - before

    def behind(self, now: int) -> int:
        """Microseconds since the oldest outcome that is due and not learned yet; 0 where there is none."""
        return max(now - self._due[0].instant, 0) if self._due else 0

    def change(self, until: int | None = None) -> None:
        """Take in what the log says of items and users, in order of time; all of it, or `until` so many changes."""
        taken: list[ChangeLine] = []
        while self._changes and (until is None or self.changes < until):
            taken.append(heappop(self._changes)[2])
            self.changes += 1
        if taken:
            items = {one.item_id: None if one.hidden else one.attributes for one in taken if isinstance(one, ItemLine)}
            users = {one.user_id: one.attributes for one in taken if isinstance(one, UserLine)}
            gone = {one.user: one.at for one in taken if isinstance(one, ForgetLine)}
            self.served = self.served.changed(items, users) if items or users else self.served
            self.served = self.served.without(gone) if gone else self.served
            self._drop({one.user_id: one.at for one in taken if isinstance(one, ForgetLine)})

    def open_impressions(self, user_id: str) -> int:
        """How many impressions of a user still take outcomes."""
        return sum(len(one.items) for one in self._answered.values() if one.user_id == user_id)

    def learn_until(self, learned: int) -> bool:
        """Learn tick by tick until so many outcomes are known; whether that came out even."""
        self.read()
        while self.learned < learned and self._due:
            end = self._end(self._due[0])
            tick: list[Due] = []
            while self._due and self._end(self._due[0]) == end:
                tick.append(heappop(self._due))
            self._learn(tick)
        return self.learned == learned

    def read(self) -> None:
        """Take in the lines that were written since the last reading, by any process."""
        for line in self._tail.lines():
            if isinstance(line, BriefRequest):
                self._take_request(line)
            elif isinstance(line, OutcomeLine):
                self._take_outcome(line)
            elif isinstance(line, ChangeLine) and line.at >= self.served.cutoff and self._is_news(line):
                self._seen += 1
                heappush(self._changes, (line.at, self._seen, line))

    def _is_news(self, line: ChangeLine) -> bool:
        """Whether a change was not seen before; of who is forgotten the name may have gone meanwhile."""
        mark = (line.user, line.at) if isinstance(line, ForgetLine) else str(line)
        if mark in self._heard:
            return False
        self._heard.add(mark)
        return True

    def _find(self, impression_id: str) -> Impression | None:
        request_id, position = parts_of(impression_id)
        seen = self._answered.get(request_id)
        if seen is None or not 0 <= position < len(seen.items):
            return None
        return Impression(seen.user_id, seen.items[position], seen.at, seen.context)

    def _take_request(self, line: BriefRequest) -> None:
        if line.request_id in self._answered:
            return
        items = tuple(intern(shown.item_id) for shown in line.slate)
        context = line.context or NO_CONTEXT
        self._answered[line.request_id] = Answered(intern(line.user_id), line.at, context, items)
        self._order.append(line.request_id)
        if self._window is not None:
            self._schedule(line.at + self._window, line.request_id, ALL)

    def _take_outcome(self, line: OutcomeLine) -> None:
        outcome = Outcome(line.at, line.reward, NO_GRADE if line.grade is None else line.grade)
        if line.kind != self.served.outcome.kind:
            told = self._beside.setdefault(line.impression_id, {})
            told[line.kind] = min(outcome, told.get(line.kind, outcome))
            return
        known = self._outcomes.get(line.impression_id)
        if known is None or outcome < known:
            self._outcomes[line.impression_id] = outcome
            if self._window is None:
                self._schedule(outcome.at, *parts_of(line.impression_id))

    def _schedule(self, instant: int, request_id: str, position: int) -> None:
        if instant >= self.known_until:
            heappush(self._due, Due(instant, request_id, position))

    def _end(self, due: Due) -> int:
        return (due.instant // self._tick + 1) * self._tick

    def _learn(self, tick: list[Due]) -> None:
        rows = self._rows(tick)
        if not rows:
            return
        shown = [seen for _, impression_id in rows if (seen := self._find(impression_id)) is not None]
        names = sorted({name for s in shown for name in s.context})
        self.served.learn(
            KnownOutcomes(
                user_id=np.array([s.user_id for s in shown], object),
                item_id=np.array([s.item_id for s in shown], object),
                at=np.array([instant for instant, _ in rows], np.int64),
                reward=np.array([self._counted(*row).reward for row in rows], np.float32),
                grade=np.array([self._counted(*row).grade for row in rows], np.float32),
                context={name: column([s.context.get(name) for s in shown]) for name in names},
            )
        )
        self.lifted.reward(s.item_id for s, row in zip(shown, rows, strict=True) if self._counted(*row).reward > 0)
        for _, impression_id in rows:
            request_id, position = parts_of(impression_id)
            self._answered[request_id].done |= 1 << position
        self.learned += len(rows)

    def _rows(self, tick: list[Due]) -> list[tuple[int, str]]:
        """Instant and impression of what a tick teaches, in order; each impression once, at its first instant."""
        first: dict[str, int] = {}
        for due in sorted(tick):
            seen = self._answered.get(due.request_id)
            if seen is None or self.aside.covers(due.instant) or self.aside.covers(seen.at):
                continue
            for position in range(len(seen.items)) if due.position == ALL else (due.position,):
                if 0 <= position < len(seen.items) and not seen.done >> position & 1:
                    first.setdefault(impression_id_of(due.request_id, position), due.instant)
        return sorted((instant, impression_id) for impression_id, instant in first.items())

    def _counted(self, instant: int, impression_id: str) -> Outcome:
        outcome = self._outcomes.get(impression_id)
        return outcome if outcome is not None and outcome.at <= instant else Outcome(instant, 0.0, NO_GRADE)

    def _forget(self, before: int) -> None:
        while self._order and self._at(self._order[0]) < before:
            self._take_out(self._order.popleft())

    def _at(self, request_id: str) -> int:
        seen = self._answered.get(request_id)
        return -1 if seen is None else seen.at

    def _drop(self, until: Mapping[str, int]) -> None:
        """Take out what some users were shown until an instant, and what came of it."""
        if until:
            for request_id in [name for name, one in self._answered.items() if one.at <= until.get(one.user_id, -1)]:
                self._take_out(request_id)

    def _take_out(self, request_id: str) -> None:
        gone = self._answered.pop(request_id, None)
        for position in range(0 if gone is None else len(gone.items)):
            impression_id = impression_id_of(request_id, position)
            self._outcomes.pop(impression_id, None)
            self._beside.pop(impression_id, None)


def _window_of(served: Served) -> int | None:
    attribution = served.outcome.attribution
    return None if attribution is None else round(attribution * SECOND)


def column(values: list[object]) -> np.ndarray:
    """(n,) object array, also of lists."""
    out = np.empty(len(values), object)
    out[:] = values
    return out
