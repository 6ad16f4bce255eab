"""Keys to rows: an open-addressing table in numpy that grows and never shrinks in place.

One table serves all columns of a view family, because keys are salted by field. Lookup
is linear probing, vectorised over the batch: every round compares all unresolved keys
with their current slot. At a low load the expected number of rounds of a
batch of n is O(log n), and almost all keys are resolved in the first.
"""

import numpy as np

from components.domain import MISSING_KEY, Bools, Ints, Keys

MAX_LOAD = 0.25
"""Share of slots in use above which the table doubles. Every further probe of a batch costs a round of array
operations, whoever needs it, so the table is kept emptier than a scalar one would be."""


def _slots(keys: Keys, slots: int) -> Keys:
    """First slot of each key: the top bits of a Fibonacci hash, on which every bit of the key has a say."""
    with np.errstate(over="ignore"):
        return (keys * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(65 - slots.bit_length())


class KeyTable:
    """Maps uint64 keys to rows 0, 1, 2, ... in order of first insertion.

    >>> table = KeyTable()
    >>> table.insert(np.array([7, 9, 7], np.uint64))
    array([0, 1, 0])
    >>> table.find(np.array([9, 8], np.uint64))
    array([ 1, -1])
    """

    def __init__(self, slots: int = 1024) -> None:
        self._keys: Keys = np.zeros(slots, np.uint64)
        self._rows: Ints = np.full(slots, -1, np.int64)
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._keys.nbytes + self._rows.nbytes

    def find(self, keys: Keys) -> Ints:
        """(m,) row of each key, -1 for a key that is absent or missing. Never grows the table."""
        mask = np.uint64(len(self._keys) - 1)
        slots = _slots(keys, len(self._keys))
        held = self._keys[slots]
        rows = self._rows[slots]
        open_ = np.flatnonzero((held != keys) & (held != MISSING_KEY))
        while len(open_):
            slots[open_] = (slots[open_] + np.uint64(1)) & mask
            held = self._keys[slots[open_]]
            rows[open_] = self._rows[slots[open_]]
            open_ = open_[(held != keys[open_]) & (held != MISSING_KEY)]
        rows[keys == MISSING_KEY] = -1
        return rows

    def insert(self, keys: Keys) -> Ints:
        """(m,) row of each key; absent keys get the next rows, in order of first appearance."""
        rows = self.find(keys)
        absent = (rows < 0) & (keys != MISSING_KEY)
        if absent.any():
            distinct, first, which = np.unique(keys[absent], return_index=True, return_inverse=True)
            order = np.argsort(first)
            rank = np.empty_like(order)
            rank[order] = np.arange(len(order))
            rows[absent] = self._size + rank[which]
            self._add(distinct[order])
        return rows

    def keys(self) -> Keys:
        """(len,) keys in row order."""
        used = self._rows >= 0
        out = np.zeros(self._size, np.uint64)
        out[self._rows[used]] = self._keys[used]
        return out

    @classmethod
    def of(cls, keys: Keys) -> "KeyTable":
        """A table that holds distinct `keys` at rows 0, 1, ..."""
        table = cls()
        table._add(keys)
        return table

    def copy(self) -> "KeyTable":
        """An independent table with the same content."""
        twin = KeyTable(2)
        twin._keys, twin._rows, twin._size = self._keys.copy(), self._rows.copy(), self._size
        return twin

    def _add(self, new: Keys) -> None:
        """Append distinct, absent, present-valued keys."""
        slots = len(self._keys)
        while self._size + len(new) > MAX_LOAD * slots:
            slots *= 2
        if slots > len(self._keys):
            held = self.keys()
            self._keys, self._rows = np.zeros(slots, np.uint64), np.full(slots, -1, np.int64)
            self._place(held, np.arange(len(held)))
        self._place(new, np.arange(self._size, self._size + len(new)))
        self._size += len(new)

    def _place(self, keys: Keys, rows: Ints) -> None:
        mask = np.uint64(len(self._keys) - 1)
        slots = _slots(keys, len(self._keys))
        while len(keys):
            free: Bools = self._keys[slots] == MISSING_KEY
            # Keys that want the same free slot write in turn and the last one keeps it.
            self._keys[slots[free]] = keys[free]
            won = free & (self._keys[slots] == keys)
            self._rows[slots[won]] = rows[won]
            keys, rows = keys[~won], rows[~won]
            slots = (slots[~won] + np.uint64(1)) & mask
