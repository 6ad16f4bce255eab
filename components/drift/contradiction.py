"""Does a window contradict the champion, or what its log has been so far, so that learning it would do harm?

A broken join, an inverted column, a bot or a broken logger looks like drift, and a loop that learns it goes wrong for
weeks, because what is held out to judge it carries the same fault. What tells a fault from drift is its size, all at
once: tastes turn by degrees, and a champion that is left behind still knows something. So every figure compares the
window with what the references show of the same thing, and says which share of what was otherwise has gone.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from components.domain import MISSING_KEY
from components.drift.calibration_slope import Slope, calibration_slope
from components.drift.drift_frame import USER, DriftFrame
from components.drift.reference import Counts, Values


@dataclass(frozen=True, slots=True)
class Excess:
    """A share of the window beside what is usual, the largest share in a reference; `of` says of what.

    `usual` is nan where no reference can say.
    """

    of: str
    share: float
    usual: float

    @property
    def beyond(self) -> float:
        """Of what is usually otherwise, the share that is so now: 0 as usual, 1 all of it; nan where nobody can say.

        >>> Excess("year", share=0.75, usual=0.5).beyond
        0.5
        """
        if math.isnan(self.usual):
            return math.nan
        return (self.share - self.usual) / (1 - self.usual) if self.usual < 1 else 0.0

    def __str__(self) -> str:
        return f"{self.of} {self.share:.1%}, usually {self.usual:.1%}"


NOTHING = Excess("", 0.0, 0.0)


@dataclass(frozen=True, slots=True)
class Contradiction:
    """What of a window speaks against learning it.

    Attributes
    ----------
    slope : calibration slope of the champion's own logits. Of its weights alone: a memory that has learned a fault
        agrees with it.
    busiest : share of one user's rows among all; `of` is the user.
    repeated : share of rows whose user was shown their item before in the same window.
    emptied : share of rows without a value, of the field where that is furthest beyond the usual.
    unknown : share of values that no reference has, of the field where that is furthest beyond the usual.
    lost : share of users or items whose value of a field is gone, or none that the champion knows; of the worst field.
    amount_ratio : median amount of a reward over that of a reference, or upside down, whichever is larger, against the
        nearer reference; 1 where rewards are no amounts.
    """

    slope: Slope
    busiest: Excess = NOTHING
    repeated: Excess = NOTHING
    emptied: Excess = NOTHING
    unknown: Excess = NOTHING
    lost: Excess = NOTHING
    amount_ratio: float = 1.0


UNCONTRADICTED = Contradiction(Slope())
"""Nothing was measured, so nothing speaks against it."""


def contradiction_of(
    current: DriftFrame, counts: Counts, last: Counts | None, training: Counts, lost: Excess = NOTHING
) -> Contradiction:
    """Measure a window, of which `counts` are, against its references.

    `lost` comes from whoever has what is known of users and items.
    """
    slope = calibration_slope(current.own_logit, current.reward, current.ids.get(USER))
    references = [usual for usual in (last, training) if usual is not None and len(usual)]
    if not len(current) or not references:
        return Contradiction(slope, lost=lost)
    return Contradiction(
        slope,
        busiest=_busiest(current, counts, references),
        repeated=Excess("impressions", counts.repeated, references[0].repeated),
        emptied=worst(_emptied(counts, references)),
        unknown=worst(_unknown(counts, last, training)),
        lost=lost,
        amount_ratio=min(_ratio(counts.amount, usual.amount) for usual in references),
    )


def worst(found: Iterable[Excess]) -> Excess:
    """The one furthest beyond the usual."""
    return max((one for one in found if not math.isnan(one.beyond)), key=lambda one: one.beyond, default=NOTHING)


def gone(before: np.ndarray, now: np.ndarray) -> float:
    """Share of entities that had a value and have none of the known ones now: keys (m,) before and now, row by row.

    >>> round(gone(np.array([7, 8, 9, 0], np.uint64), np.array([7, 0, 5, 0], np.uint64)), 2)
    0.67
    """
    had = before != MISSING_KEY
    return float((~np.isin(now[had], before[had])).mean()) if had.any() else 0.0


def _busiest(current: DriftFrame, counts: Counts, references: Sequence[Counts]) -> Excess:
    if USER not in current.ids:
        return NOTHING
    users = Values.of(current.ids[USER])  # of all: the counts may be of a part
    row = int(np.flatnonzero(current.ids[USER] == users.value[users.count.argmax()])[0])
    names = current.ids[USER] if current.user is None else current.user
    return Excess(f"user {names[row]}", counts.busiest, max(reference.busiest for reference in references))


def _emptied(counts: Counts, references: Sequence[Counts]) -> Iterable[Excess]:
    for name, now in counts.missing.items():
        then = [reference.missing[name] for reference in references if name in reference.missing]
        yield Excess(name, now, max(then, default=math.nan))


def _unknown(counts: Counts, last: Counts | None, training: Counts) -> Iterable[Excess]:
    """What is usual is what the last window had that training had not; without one, the share of values met once."""
    for name, now in counts.fields.items():
        known = training.fields.get(name)
        if known is None:
            continue
        before = None if last is None or not len(last) else last.fields.get(name)
        if before is None:
            usual = math.nan if name == USER else known.once(training.rows)
            yield Excess(name, now.unseen(known), usual)
        else:
            yield Excess(name, now.unseen(known, before), before.unseen(known))


def _ratio(now: float, then: float) -> float:
    return max(now / then, then / now) if now > 0 and then > 0 else 1.0
