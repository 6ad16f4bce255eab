"""What a played world leaves: what every generation earned, over time, beside what could have been earned."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal

import numpy as np

from components.domain import Doubles, iso
from components.frozen import Frozen

SLICES = 60
"""Stretches of time that a record is cut into, at most."""
LEAST = 500
"""Requests that a stretch has on average, at least: with fewer, points on the page are noise."""

Ended = Literal["requests", "seconds", "log", "interrupted"]


@dataclass(frozen=True, slots=True)
class Seen:
    """One request that was answered: `seconds` since the start; what its slate earned, and what a random and the best
    slate of its eligible items would have; whether there was a `choice` at all; `at`, its instant in the log; what the
    slate of a service that stands still would have earned, if one was asked."""

    seconds: float
    generation: int
    earned: float
    random: float
    oracle: float
    choice: bool
    rank_ms: float
    at: int
    frozen: float | None = None


class Earned(Frozen):
    """Mean rewards per request of what one generation answered; `half` is half the 95 % interval of `earned`.

    `frozen` is what a service that stands still would have earned of the same requests, and `gain_half` half the 95 %
    interval of what was earned above it, request by request; None where none was asked.
    """

    generation: int
    requests: int
    earned: float
    half: float
    random: float
    oracle: float
    frozen: float | None = None
    gain_half: float | None = None

    @property
    def share(self) -> float | None:
        """Of what lies between a random choice and the best one, the share that was earned."""
        return self.share_of(self.earned)

    def share_of(self, earned: float | None) -> float | None:
        """Of that room, the share that something else earned."""
        room = self.oracle - self.random
        return (earned - self.random) / room if earned is not None and room > 0 else None

    @property
    def gain(self) -> float | None:
        """Reward per request above the service that stands still."""
        return None if self.frozen is None else self.earned - self.frozen


class Slice(Earned):
    """The same of one stretch of time, whose middle is `seconds` after the start."""

    seconds: float


class SimulateRecord(Frozen):
    """Everything `evercurrent simulate --json` says; instants of the log as ISO text.

    Attributes
    ----------
    since, skipped, until : where in the log the play began, how many visits from there were left out, and how far it
        came; whoever goes on from there takes the same `since` and leaves out `skipped + requests`.
    ended : why: so many `requests` or `seconds` were asked for, the `log` ended, or it was `interrupted`.
    choices : requests with more eligible items than were shown; rewards are told of these alone.
    repeated : outcomes that the service knew already: told again after a broken connection.
    whole : all generations together, under the number of the last.
    """

    url: str
    source: str
    unit: str
    since: str
    skipped: int
    until: str
    ended: Ended
    seconds: float
    requests: int
    choices: int
    outcomes: int
    repeated: int
    retried: int
    rate: float
    rank_ms_p50: float
    rank_ms_p99: float
    generations: tuple[Earned, ...]
    whole: Earned | None
    slices: tuple[Slice, ...]


SAME = ("url", "source", "unit", "skipped", "ended", "outcomes", "repeated", "retried")


@dataclass(frozen=True, slots=True)
class Played:
    """What was played, before it is summed up."""

    url: str
    source: str
    unit: str
    since: int
    skipped: int
    until: int
    ended: Ended
    seconds: float
    seen: Sequence[Seen]
    outcomes: int
    repeated: int
    retried: int


def summarise(played: Played) -> SimulateRecord:
    """The record of what was played."""
    seen = played.seen
    chosen = sorted((s for s in seen if s.choice), key=lambda s: s.seconds)
    waited = [s.rank_ms for s in seen] or [0.0]
    told = {name: getattr(played, name) for name in SAME}
    return SimulateRecord(
        **told,
        since=iso(played.since),
        until=iso(played.until),
        seconds=round(played.seconds, 3),
        requests=len(seen),
        choices=len(chosen),
        rate=round(len(seen) / max(played.seconds, 1e-9), 3),
        rank_ms_p50=round(float(np.percentile(waited, 50)), 3),
        rank_ms_p99=round(float(np.percentile(waited, 99)), 3),
        generations=tuple(_by_generation(chosen)),
        whole=Earned(generation=chosen[-1].generation, **_means(chosen)) if chosen else None,
        slices=tuple(_slices(chosen, played.seconds)),
    )


def _by_generation(seen: Sequence[Seen]) -> Iterable[Earned]:
    for generation, group in groupby(sorted(seen, key=lambda s: s.generation), key=lambda s: s.generation):
        yield Earned(generation=generation, **_means(list(group)))


def _slices(seen: Sequence[Seen], seconds: float) -> Iterable[Slice]:
    """Stretches of equal length; where the generation changes inside one, it has a slice for each."""
    count = min(SLICES, max(1, len(seen) // LEAST))
    length = max(seconds, 1e-9) / count
    place = {id(s): (min(int(s.seconds / length), count - 1), s.generation) for s in seen}
    for (number, generation), group in groupby(sorted(seen, key=lambda s: place[id(s)]), lambda s: place[id(s)]):
        yield Slice(seconds=round((number + 0.5) * length, 3), generation=generation, **_means(list(group)))


def _means(seen: Sequence[Seen]) -> dict[str, Any]:
    earned = np.array([s.earned for s in seen])
    figures = {
        "earned": float(earned.mean()),
        "half": _half(earned),
        "random": float(np.mean([s.random for s in seen])),
        "oracle": float(np.mean([s.oracle for s in seen])),
    }
    frozen = np.array([s.frozen for s in seen if s.frozen is not None])
    if len(frozen) == len(seen):
        figures |= {"frozen": float(frozen.mean()), "gain_half": _half(earned - frozen)}
    return {"requests": len(seen)} | {name: round(value, 6) for name, value in figures.items()}


def _half(values: Doubles) -> float:
    """Half the 95 % interval of a mean, as far as it is normal."""
    return 1.96 * float(values.std(ddof=1)) / math.sqrt(len(values)) if len(values) > 1 else 0.0
