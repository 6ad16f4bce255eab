"""What a user liked last, as it was known at the time: the history that DIN attends to.

Liked is what earned a reward of at least one half. A like enters the history when its
outcome matures, and a request sees the likes that had entered before it: nothing of
itself or of the future leaks in. `History` is the present, kept while outcomes arrive;
`recent_items` and the warehouse's ``04_update/recent.sql`` are any instant of the past.
"""

from bisect import insort
from copy import copy
from dataclasses import dataclass
from operator import itemgetter
from typing import Self, TypeAlias

import numpy as np
import pandas as pd

from components.domain import Examples, Floats, Ints, Keys, Matured
from components.feature_spec import FeatureSpec
from components.ranker.features import RECENT, hash_ids

LIKED = 0.5
"""Reward from which on an item counts as liked."""
_USER, _ITEM = 0, 1

Like: TypeAlias = tuple[int, str]
"""The instant a like became known, microseconds, and the item."""
_INSTANT = itemgetter(0)


@dataclass(frozen=True, slots=True)
class Likes:
    """m likes as parallel arrays: raw ids, and the instants they became known, microseconds.

    Likes of one user at one instant stand in the order in which they arrived.
    """

    user_id: np.ndarray
    item_id: np.ndarray
    at: Ints

    def __len__(self) -> int:
        return len(self.at)

    @classmethod
    def none(cls) -> Self:
        """No likes."""
        return cls(np.empty(0, object), np.empty(0, object), np.empty(0, np.int64))


class History:
    """The latest `width` items every user liked, as known now.

    >>> history = History(2, Likes.none())
    >>> items = np.array(["heat", "alien", "brazil"], object)
    >>> history.learn(np.array(["ann"] * 3, object), items, np.array([1, 2, 3]), np.ones(3, np.float32))
    >>> history.recent(np.array(["ann", "bob"])).tolist()
    [['brazil', 'alien'], [None, None]]
    """

    def __init__(self, width: int, likes: Likes) -> None:
        self.width = width
        codes, users = pd.factorize(likes.user_id)
        order = np.lexsort((likes.at, codes))  # stable: ties stay in order of arrival
        self._users = pd.Index(users, dtype=object)
        self._bounds = np.searchsorted(codes[order], np.arange(len(users) + 1))
        self._items, self._at = likes.item_id[order], likes.at[order]
        self._newer: dict[str, tuple[Like, ...]] = {}

    def recent(self, user_ids: np.ndarray) -> np.ndarray:
        """(n, width) raw ids of what each user liked last, newest first, then None."""
        out = np.full((len(user_ids), self.width), None, object)
        for row, user in enumerate(user_ids):
            likes = self._of(user)
            out[row, : len(likes)] = [item for _, item in reversed(likes)]
        return out

    def learn(self, user_id: np.ndarray, item_id: np.ndarray, at: Ints, reward: Floats) -> None:
        """Let m outcomes become known, those of one instant in order of arrival; what is not liked changes nothing."""
        liked = reward >= LIKED
        for user, item, instant in zip(user_id[liked], item_id[liked], at[liked].tolist(), strict=True):
            likes = list(self._of(user))
            insort(likes, (instant, item), key=_INSTANT)
            self._newer[user] = tuple(likes[-self.width :])

    @property
    def users(self) -> np.ndarray:
        """(u,) raw ids of everybody who liked something, sorted."""
        return np.array(sorted({*self._users, *self._newer}), object)

    def likes(self) -> Likes:
        """Everything it knows, by user and time: what a bundle carries."""
        rows = [(user, *like) for user in self.users for like in self._of(user)]
        user, at, item = zip(*rows, strict=True) if rows else ((), (), ())
        return Likes(np.array(user, object), np.array(item, object), np.array(at, np.int64))

    def copy(self) -> Self:
        """An independent history with the same content."""
        twin = copy(self)
        twin._newer = dict(self._newer)
        return twin

    def _of(self, user: str) -> tuple[Like, ...]:
        if user in self._newer:
            return self._newer[user]
        if user not in self._users:
            return ()
        row = self._users.get_loc(user)
        known = slice(max(self._bounds[row], self._bounds[row + 1] - self.width), self._bounds[row + 1])
        return tuple(zip(self._at[known].tolist(), self._items[known], strict=True))


def history_width(spec: FeatureSpec) -> int:
    """How many of a user's latest liked items a spec has as the field `recent`; 0 where it has none."""
    columns = spec.columns.get(RECENT)
    return 0 if columns is None else columns.stop - columns.start


def with_recent(spec: FeatureSpec, asked: Examples, recent: np.ndarray) -> Examples:
    """`asked` (n) with the columns of the field `recent` filled from raw ids (n, width), None where there are none."""
    keys = asked.keys.copy()
    field = next(f for f in spec.keyed if f.name == RECENT)
    keys[:, spec.columns[RECENT]] = hash_ids(field.vocabulary, recent)
    return Examples(keys, asked.numeric, asked.at)


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
    liked = past.take(past.reward >= LIKED)
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
    columns = spec.columns[RECENT]
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
