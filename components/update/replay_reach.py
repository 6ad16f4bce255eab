"""How far back a draw of the past has to look, and at which part of what is there, so that its cost has a bound.

A row as old as h half-lives is 2^-h times as likely to be replayed as a new one. Of n rows drawn without replacement by
such weights w, each is there with probability 1 - exp(-w t), t solving that these sum up to n (Efraimidis & Spirakis
2006, with exponential keys; exact in the limit of many rows). So counts by day say what is not worth a look.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.domain import Doubles

OLDER = 1e-3
"""Share of the drawn rows that older ones may have made, which are not looked at."""
MOST = 1_000_000
"""Rows that are looked at in any case, all of them: a smaller past is drawn from as a whole."""
LIKELIEST = 0.1
"""Probability of the newest row up to which a part is thinned: below, whom the draw takes is hardly limited by it."""


@dataclass(frozen=True, slots=True)
class ReplayReach:
    """The first day that is looked at, and the part of it: one in `part` instants, a power of two."""

    since_day: int
    part: int


def replay_reach(days: Sequence[int], counts: Sequence[int], rows: int, half_life_days: float) -> ReplayReach | None:
    """Where `rows` rows are drawn from; None: from everything.

    Parameters
    ----------
    days, counts : (d,) days of the past since the epoch, ascending, and rows of each.

    >>> replay_reach([0, 500, 1000], [10**8, 10**6, 10**6], rows=20_000, half_life_days=60.0)
    ReplayReach(since_day=500, part=2)
    """
    day, count = np.asarray(days, np.float64), np.asarray(counts, np.float64)
    if count.sum() <= max(MOST, rows) or not rows:
        return None
    there = -np.expm1(-_intensity(day, count, rows, half_life_days))
    older = np.cumsum(there * count) / rows
    first = int(np.searchsorted(older, OLDER, "right"))
    looked_at, part = count[first:].sum(), 1
    while 2 * part * there[-1] <= LIKELIEST and looked_at / part > MOST:
        part *= 2
    return ReplayReach(int(days[first]), part)


def _intensity(day: Doubles, count: Doubles, rows: int, half_life_days: float) -> Doubles:
    """(d,) w t of a row of each day, by bisection of log t."""
    weight = np.exp2((day - day[-1]) / half_life_days)
    low, high = -60.0, 200.0
    for _ in range(80):
        middle = (low + high) / 2
        drawn = (count * -np.expm1(-weight * np.exp(middle))).sum()
        low, high = (middle, high) if drawn < rows else (low, middle)
    return np.asarray(weight * np.exp(high))
