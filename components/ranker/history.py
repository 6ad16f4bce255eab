"""What a user liked last, as it was known at the time: the history that DIN attends to.

Point-in-time: an example sees only outcomes that were known before it was shown, that is
items shown at least `delay` earlier. Nothing of its own request or of the future leaks in.
"""

import numpy as np

from components.domain import Examples, FeatureSpec, Ints, Keys, Matured

_USER, _ITEM = 0, 1


def recent_items(past: Matured, asked: Examples, width: int, delay: int = 1) -> Keys:
    """(n, width) keys of the latest items the user of each asked example liked, newest first.

    Parameters
    ----------
    past : what was shown, with reward; items with a reward of at least 0.5 count as liked.
    asked : n examples; their own columns hold the user (first) and the instant.
    delay : microseconds from an item's showing until its outcome is known; at least 1.

    >>> keys = np.array([[7, 1], [7, 2], [8, 3], [7, 4]], np.uint64)
    >>> log = Examples(keys, np.empty((4, 0), np.float32), np.array([10, 20, 30, 40]))
    >>> recent_items(Matured(log, np.array([1, 1, 1, 0], np.float32)), log, 2).tolist()
    [[0, 0], [1, 0], [0, 0], [2, 1]]
    """
    liked = past.take(past.reward >= 0.5)
    order = np.lexsort((liked.examples.at, liked.examples.keys[:, _USER]))
    users, items = liked.examples.keys[order, _USER], liked.examples.keys[order, _ITEM]
    stamps = liked.examples.at[order]
    start = np.searchsorted(users, asked.keys[:, _USER], "left")
    known = _known_until(users, stamps, asked.keys[:, _USER], asked.at - delay)
    position = known[:, None] - 1 - np.arange(width)  # newest first
    inside = position >= start[:, None]
    return np.where(inside, items[np.maximum(position, 0)] if len(items) else np.uint64(0), np.uint64(0))


def with_history(spec: FeatureSpec, past: Matured, asked: Examples, delay: int = 1) -> Examples:
    """`asked` with the columns of the field `recent` filled from `past`."""
    columns = spec.columns["recent"]
    keys = asked.keys.copy()
    keys[:, columns] = recent_items(past, asked, columns.stop - columns.start, delay)
    return Examples(keys, asked.numeric, asked.at)


def _known_until(users: Keys, stamps: Ints, who: Keys, when: Ints) -> Ints:
    """(n,) end of the entries of user `who` stamped at or before `when`; (users, stamps) is sorted."""
    everyone, everywhen = np.concatenate([users, who]), np.concatenate([stamps, when])
    asks = np.concatenate([np.zeros(len(users), np.int64), np.ones(len(who), np.int64)])
    order = np.lexsort((asks, everywhen, everyone))  # at a tie the entry comes before the question
    entries_before = np.cumsum(asks[order] == 0)
    end = np.empty(len(everyone), np.int64)
    end[order] = entries_before
    return end[len(users) :]
