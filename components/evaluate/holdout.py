"""Who judges a challenger: users held out by hash, so that nothing it learned from judges it."""

import numpy as np

from components.domain import Bools, Keys
from components.ranker.features import cross_keys


def held_out(users: Keys, share: float, salt: int) -> Bools:
    """(n,) whether each key's owner is held out of learning before the verdict.

    By user, not by request: a memory of a user's other requests is a leak too. `salt`,
    such as the cutoff of the turn, draws other users each turn, so that nobody is
    forgotten for long.

    >>> held_out(np.array([1, 2, 3, 1], np.uint64), 0.5, salt=7)
    array([ True,  True, False,  True])
    """
    mixed = cross_keys(users, np.full(len(users), np.uint64(salt % 2**64)))
    return (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53 < share
