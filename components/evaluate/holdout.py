"""Who judges a challenger: users held out by hash, so that nothing it learned from judges it."""

import numpy as np

from components.domain import Bools
from components.ranker.features import cross_keys, hash_ids


def held_out(users: np.ndarray, salt: int, share: float) -> Bools:
    """(n,) whether each raw user id is held out of learning before the verdict.

    By user, not by request: a memory of a user's other requests is a leak too. `salt`,
    such as the cutoff of the turn, draws other users each turn, so that nobody stays
    unlearned for long; what was held out is learned after the verdict.

    >>> held_out(np.array(["1", "2", "3", "1"]), salt=9, share=0.5)
    array([ True, False,  True,  True])
    """
    mixed = cross_keys(hash_ids("held_out", users), np.full(len(users), np.uint64(salt % 2**64)))
    return (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53 < share
