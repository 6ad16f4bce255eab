"""Key -> row in a few vectorised probes: open addressing with linear probing in numpy.

Why not sorted arrays: a batch of 1,024 x 17 keys against 10 million ids costs about 24
cache misses per key in a binary search and 1 to 2 in a hash table that is at most half
full (docs/LOG.md has the measurement). Keys are hashes already, so their low bits are
the home slot. Nothing is ever deleted from an index; it is rebuilt without them.

Source: Knuth, The Art of Computer Programming, volume 3, section 6.4, algorithm L.
"""

import numpy as np

from components.domain import MISSING_KEY, Ints, Keys

_SMALLEST = 1 << 10


class KeyIndex:
    """Distinct non-missing keys to rows.

    >>> index = KeyIndex(np.array([7, 1031], np.uint64), np.array([4, 5]))
    >>> index.find(np.array([[1031, 8, 0, 7]], np.uint64))
    array([[ 5, -1, -1,  4]])
    """

    def __init__(self, keys: Keys, rows: Ints) -> None:
        self._size = 0
        self._allocate(2 * len(keys))
        self.insert(keys, rows)

    def __len__(self) -> int:
        return self._size

    def copy(self) -> "KeyIndex":
        """An independent copy, slot for slot."""
        twin = KeyIndex.__new__(KeyIndex)
        twin._size, twin._mask = self._size, self._mask
        twin._keys, twin._rows = self._keys.copy(), self._rows.copy()
        return twin

    def find(self, keys: Keys) -> Ints:
        """Row of each key, shape as given; -1 for a key that is not there. Never changes the index."""
        flat = keys.ravel()
        slot = (flat & self._mask).astype(np.int64)
        held = self._keys.take(slot)
        some = flat != MISSING_KEY
        hit = (held == flat) & some
        rows = np.where(hit, self._rows.take(slot), -1)
        pending = np.flatnonzero(~hit & some & (held != MISSING_KEY))
        slot = slot[pending]
        while len(pending):
            slot = slot + 1 & int(self._mask)
            held = self._keys.take(slot)
            hit = held == flat[pending]
            rows[pending[hit]] = self._rows.take(slot[hit])
            on = ~hit & (held != MISSING_KEY)
            pending, slot = pending[on], slot[on]
        return rows.reshape(keys.shape)

    def insert(self, keys: Keys, rows: Ints) -> None:
        """Add distinct keys that are not there yet."""
        if 2 * (self._size + len(keys)) > len(self._keys):
            self._rehash(2 * (self._size + len(keys)) + 1)
        self._size += len(keys)
        slot = (keys & self._mask).astype(np.int64)
        pending = np.arange(len(keys))
        while len(pending):
            free = self._keys[slot] == MISSING_KEY
            self._keys[slot[free]] = keys[pending[free]]  # of several for one slot the last stays
            won = free & (self._keys[slot] == keys[pending])
            self._rows[slot[won]] = rows[pending[won]]
            pending, slot = pending[~won], slot[~won] + 1 & int(self._mask)

    def _allocate(self, slots: int) -> None:
        capacity = max(_SMALLEST, 1 << max(slots - 1, 1).bit_length())
        self._keys = np.zeros(capacity, np.uint64)
        self._rows = np.zeros(capacity, np.int64)
        self._mask = np.uint64(capacity - 1)

    def _rehash(self, slots: int) -> None:
        used = self._keys != MISSING_KEY
        keys, rows = self._keys[used], self._rows[used]
        self._allocate(slots)
        self._size = 0
        self.insert(keys, rows)
