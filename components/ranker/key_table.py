"""Keys to rows: an open-addressing table that grows and never shrinks in place.

One table serves all columns of a view family, because keys are salted by field. Lookup is linear probing,
one key after the other: the looks at different keys do not wait for each other, so that the
processor has many misses of its cache under way at once. A slot holds its key beside its row: one miss, not two. The
top bits of a key's product with `GOLDEN` depend on every bit of it.
"""

import numpy as np

from components.compiled import compiled, plain
from components.domain import MISSING_KEY, Ints, Keys
from components.ranker.splitmix import GOLDEN
from components.shared_array import SharedArray

MAX_LOAD = 0.5
"""Share of slots in use above which the table doubles: 1.5 looks at a key found, 2.5 at one absent (Knuth 1973)."""


class KeyTable:
    """Maps uint64 keys to rows 0, 1, 2, ... in order of first insertion.

    >>> table = KeyTable()
    >>> table.insert(np.array([7, 9, 7], np.uint64))
    array([0, 1, 0])
    >>> table.find(np.array([9, 8], np.uint64))
    array([ 1, -1])
    """

    def __init__(self, slots: int = 1024) -> None:
        """`slots` to begin with, a power of two."""
        self._slots: SharedArray[Keys] = SharedArray(np.zeros((slots, 2), np.uint64))
        self._size = 0

    def __len__(self) -> int:
        return self._size

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        return self._slots.array.nbytes

    def find(self, keys: Keys) -> Ints:
        """Row of each key, shape as given; -1 for a key that is absent or missing. Never grows the table."""
        rows = np.empty(keys.size, np.int64)
        _find(plain(keys.ravel()), *self.slots, rows)
        return rows.reshape(keys.shape)

    def place(self, keys: Keys, rows: Ints) -> None:
        """Give (m,) distinct keys that are not there yet the rows (m,), in whatever order those are."""
        self._fit(self._size + len(keys))
        _place(plain(keys), plain(rows), self._slots.own(), self._shift)
        self._size += len(keys)

    def put(self, keys: Keys, rows: Ints) -> None:
        """Give (m,) distinct keys the rows (m,), whether they had one or not."""
        self._fit(self._size + len(keys))
        self._size += _put(plain(keys), plain(rows), self._slots.own(), self._shift)

    @property
    def slots(self) -> "tuple[Keys, np.uint64]":
        """What a compiled loop reads: (slots, 2) keys and rows, and how far a hash is shifted to its first slot."""
        return self._slots.array, self._shift

    def insert(self, keys: Keys) -> Ints:
        """(m,) row of each key; absent keys get the next rows, in order of first appearance."""
        rows = self.find(keys)
        absent = np.flatnonzero((rows < 0) & (keys != MISSING_KEY))
        if not len(absent):
            return rows
        new, done = keys[absent], 0
        placed = np.empty(len(new), np.int64)
        while done < len(new):
            done, self._size = _insert(new, self._slots.own(), self._shift, placed, done, self._size)
            if done < len(new):
                self._double()
        rows[absent] = placed
        return rows

    @property
    def _shift(self) -> np.uint64:
        """A key's first slot is the top bits of its hash, as many as number the slots."""
        return np.uint64(65 - len(self._slots.array).bit_length())

    def keys(self) -> Keys:
        """(len,) keys in row order."""
        slots = self._slots.array
        used = slots[slots[:, 0] != MISSING_KEY]
        out = np.zeros(self._size, np.uint64)
        out[used[:, 1].astype(np.int64)] = used[:, 0]
        return out

    @classmethod
    def of(cls, keys: Keys) -> "KeyTable":
        """A table that holds distinct `keys` at rows 0, 1, ..."""
        table = cls()
        while len(keys) > MAX_LOAD * len(table._slots.array):
            table = cls(2 * len(table._slots.array))
        table.insert(keys)
        return table

    def copy(self) -> "KeyTable":
        """An independent table with the same content; the slots are the same until either writes."""
        twin = KeyTable(2)
        twin._slots, twin._size = self._slots.copy(), self._size
        return twin

    def _fit(self, keys: int) -> None:
        while keys > MAX_LOAD * len(self._slots.array):
            self._double()

    def _double(self) -> None:
        held = self._slots.array
        self._slots = SharedArray(np.zeros((2 * len(held), 2), np.uint64))
        _move(held, self._slots.own(), self._shift)


@compiled
def _find(keys: Keys, slots: Keys, shift: np.uint64, rows: Ints) -> None:
    last = np.uint64(len(slots) - 1)
    for i in range(len(keys)):
        key = keys[i]
        slot = (key * GOLDEN) >> shift
        while slots[slot, 0] != key and slots[slot, 0] != MISSING_KEY:
            slot = (slot + np.uint64(1)) & last
        rows[i] = -1 if slots[slot, 0] == MISSING_KEY else np.int64(slots[slot, 1])


@compiled
def _insert(keys: Keys, slots: Keys, shift: np.uint64, rows: Ints, done: int, size: int) -> tuple[int, int]:
    """Go on from key number `done`, until all are through or no slot may be taken; how far, and the new size."""
    last = np.uint64(len(slots) - 1)
    for i in range(done, len(keys)):
        key = keys[i]
        slot = (key * GOLDEN) >> shift
        while slots[slot, 0] != key and slots[slot, 0] != MISSING_KEY:
            slot = (slot + np.uint64(1)) & last
        if key != MISSING_KEY and slots[slot, 0] == MISSING_KEY:
            if size >= MAX_LOAD * len(slots):
                return i, size
            slots[slot, 0], slots[slot, 1] = key, np.uint64(size)
            size += 1
        rows[i] = -1 if slots[slot, 0] == MISSING_KEY else np.int64(slots[slot, 1])
    return len(keys), size


@compiled
def _place(keys: Keys, rows: Ints, slots: Keys, shift: np.uint64) -> None:
    last = np.uint64(len(slots) - 1)
    for i in range(len(keys)):
        slot = (keys[i] * GOLDEN) >> shift
        while slots[slot, 0] != MISSING_KEY:
            slot = (slot + np.uint64(1)) & last
        slots[slot, 0], slots[slot, 1] = keys[i], np.uint64(rows[i])


@compiled
def _put(keys: Keys, rows: Ints, slots: Keys, shift: np.uint64) -> int:
    """How many keys were not there yet."""
    last, new = np.uint64(len(slots) - 1), 0
    for i in range(len(keys)):
        slot = (keys[i] * GOLDEN) >> shift
        while slots[slot, 0] != keys[i] and slots[slot, 0] != MISSING_KEY:
            slot = (slot + np.uint64(1)) & last
        new += slots[slot, 0] == MISSING_KEY
        slots[slot, 0], slots[slot, 1] = keys[i], np.uint64(rows[i])
    return new


@compiled
def _move(held: Keys, slots: Keys, shift: np.uint64) -> None:
    last = np.uint64(len(slots) - 1)
    for i in range(len(held)):
        if held[i, 0] != MISSING_KEY:
            slot = (held[i, 0] * GOLDEN) >> shift
            while slots[slot, 0] != MISSING_KEY:
                slot = (slot + np.uint64(1)) & last
            slots[slot, 0], slots[slot, 1] = held[i, 0], held[i, 1]
