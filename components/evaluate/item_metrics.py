"""Metrics that are known of an item before it is shown: what a slate is made of, whatever its users do.

Each answers for every eligible entry, (nnz,), given the logged prefix of its slate. As a reward model it is exact,
so that the paired difference of two policies carries no noise of outcomes (`components.evaluate.guardrails`).
"""

import numpy as np

from components.domain import DAY, MISSING_KEY, Doubles, Ints, Keys
from components.evaluate.logged_decisions import LoggedDecisions


def exposure(keys: Keys, value: np.uint64) -> Doubles:
    """1 where an entry has a value among its own: the share of positions that a group of items is given.

    Parameters
    ----------
    keys : (nnz, width) values of a field as keys, padded with `MISSING_KEY`.

    >>> exposure(np.array([[5, 7], [7, 0], [6, 0]], np.uint64), np.uint64(7))
    array([1., 1., 0.])
    """
    return (keys == value).any(axis=1).astype(float)


def new_items(log: LoggedDecisions, first_shown: Ints, days: float) -> Doubles:
    """1 where an entry was first shown less than `days` before the decision, or never; `first_shown` (nnz,) in us.

    An item that was never shown has a `first_shown` after the decision.
    """
    at = log.at[log.row_of_entry]
    return (first_shown > at - days * DAY).astype(float)


def variety(log: LoggedDecisions, keys: Keys) -> Doubles:
    """1 where an entry brings a value that the slate has not shown above it; keys as in `exposure`.

    At the first position every entry that has a value brings a new one; an entry without any brings none.
    """
    unseen = keys != MISSING_KEY
    row, shown = log.row_of_entry, keys[log.action]
    for back in range(1, int(log.position.max()) + 1):
        below = np.flatnonzero(log.position[row] >= back)
        above = shown[row[below] - back]
        unseen[below] &= ~(keys[below][:, :, None] == above[:, None, :]).any(axis=2)
    return unseen.any(axis=1).astype(float)
