"""What of a long past a draw has to look at, so that it costs what it draws and not what there is.

A row as old as h half-lives is 2^-h times as likely to be replayed as a new one. Of n rows drawn without replacement by
such weights w, each is there with probability 1 - exp(-w t), t solving that these sum up to n (Efraimidis & Spirakis
2006, with exponential keys; exact in the limit of many rows). So counts by day say how likely a day's rows are: where
that is little, one in `part` of them is looked at, and weighs `part` times as much. Bias: a row's probability is up to
`LIKELIEST` / 2 of itself too small where its day is thinned. Variance: seconds are kept or not, so that rows of one
second come together.
"""

from collections.abc import Sequence

import numpy as np

from components.domain import Doubles, Ints

MOST = 1_000_000
"""Rows that are looked at in any case, all of them: a smaller past is drawn from as a whole."""
LIKELIEST = 0.02
"""Probability of being drawn up to which the rows of a day are thinned."""
OLDER = 1e-3
"""Share of the draw that the oldest days may have had together that are not looked at at all."""


def parts_of(days: Sequence[int], counts: Sequence[int], rows: int, half_life_days: float) -> Ints:
    """(d,) one in how many rows of each day is looked at, powers of two; 0: none.

    Parameters
    ----------
    days, counts : (d,) days of the past since the epoch, ascending, and rows of each.
    rows : that are drawn, at most.

    >>> parts_of([0, 500, 940, 1000], [10**8, 10**6, 10**6, 10**6], rows=20_000, half_life_days=60.0)
    array([  0, 256,   2,   1])
    """
    day, count = np.asarray(days, np.float64), np.asarray(counts, np.float64)
    if not rows or count.sum() <= max(MOST, rows):
        return np.ones(len(day), np.int64)
    drawn = -np.expm1(-_intensity(day, count, rows, half_life_days))
    part = np.exp2(np.maximum(np.floor(np.log2(LIKELIEST / np.maximum(drawn, 1e-12))), 0)).astype(np.int64)
    part[np.cumsum(drawn * count) <= OLDER * rows] = 0
    return part


def _intensity(day: Doubles, count: Doubles, rows: int, half_life_days: float) -> Doubles:
    """(d,) w t of a row of each day, by bisection of log t."""
    weight = np.exp2((day - day[-1]) / half_life_days)
    low, high = -60.0, 200.0
    for _ in range(80):
        middle = (low + high) / 2
        drawn = (count * -np.expm1(-weight * np.exp(middle))).sum()
        low, high = (middle, high) if drawn < rows else (low, middle)
    return np.asarray(weight * np.exp(high))
