"""Keys to rows, in two layers: an index of a base that is mapped from its file, and what changed since.

The base's index holds row numbers alone, four bytes a slot, and looks a key up in the base's keys: 13 to 27 bytes a
key less than `KeyTable`, for a second miss of the cache. Row 0 is nobody's, so that 0 is an empty slot.
"""

import numpy as np
import numpy.typing as npt

from components.compiled import compiled, plain
from components.domain import MISSING_KEY, Ints, Keys
from components.ranker.key_table import MAX_LOAD, KeyTable
from components.ranker.splitmix import GOLDEN

Slots = npt.NDArray[np.uint32]
GONE = -2
"""Row of a key that the base knows and that has none any more."""


class KeyIndex:
    """Maps uint64 keys to rows.

    Parameters
    ----------
    keys : (b,) key of each row of the base, `MISSING_KEY` where no id lives.
    slots : their index, as `index_of` makes it; empty where there is no base.
    """

    def __init__(self, keys: Keys | None = None, slots: Slots | None = None) -> None:
        self._keys: Keys = np.empty(0, np.uint64) if keys is None else keys
        self._slots: Slots = np.empty(0, np.uint32) if slots is None else slots
        self._own = KeyTable()

    @property
    def has_base(self) -> bool:
        """Whether there is one."""
        return len(self._slots) > 0

    def copy(self) -> "KeyIndex":
        """An independent index over the same base."""
        twin = KeyIndex(self._keys, self._slots)
        twin._own = self._own.copy()
        return twin

    def find(self, keys: Keys) -> Ints:
        """Row of each key, shape as given; -1 for a key that is absent or missing."""
        if not self.has_base:
            return self._own.find(keys)
        rows = np.empty(keys.size, np.int64)
        _find(plain(keys.ravel()), *self._own.slots, self._keys, self._slots, _shift(self._slots), rows)
        return rows.reshape(keys.shape)

    def place(self, keys: Keys, rows: Ints) -> None:
        """Give (m,) distinct keys that have none the rows (m,)."""
        self._own.put(keys, rows)

    def drop(self, keys: Keys) -> None:
        """Take (m,) distinct keys out; what an index without a base held of them stays as a slot that is not empty."""
        self._own.put(keys, np.full(len(keys), GONE))


def index_of(keys: Keys) -> Slots:
    """The index of a base: (slots,) row of a key, or 0; a power of two, at most `MAX_LOAD` of them in use."""
    used = int(np.count_nonzero(keys))
    slots: Slots = np.zeros(1 << max(4, int(np.ceil(np.log2(max(used, 1) / MAX_LOAD)))), np.uint32)
    _build(keys, slots, _shift(slots))
    return slots


def _shift(slots: Slots) -> np.uint64:
    return np.uint64(65 - len(slots).bit_length())


@compiled
def _build(keys: Keys, slots: Slots, shift: np.uint64) -> None:
    last = np.uint64(len(slots) - 1)
    for row in range(len(keys)):
        if keys[row] != MISSING_KEY:
            slot = (keys[row] * GOLDEN) >> shift
            while slots[slot] != 0:
                slot = (slot + np.uint64(1)) & last
            slots[slot] = row


@compiled
def _find(keys: Keys, own: Keys, own_shift: np.uint64, base: Keys, slots: Slots, shift: np.uint64, rows: Ints) -> None:
    own_last, last = np.uint64(len(own) - 1), np.uint64(len(slots) - 1)
    for i in range(len(keys)):
        key = keys[i]
        rows[i] = -1
        if key == MISSING_KEY:
            continue
        slot = (key * GOLDEN) >> own_shift
        while own[slot, 0] != key and own[slot, 0] != MISSING_KEY:
            slot = (slot + np.uint64(1)) & own_last
        if own[slot, 0] == key:
            rows[i] = max(np.int64(own[slot, 1]), np.int64(-1))
            continue
        slot = (key * GOLDEN) >> shift
        while slots[slot] != 0 and base[slots[slot]] != key:
            slot = (slot + np.uint64(1)) & last
        if slots[slot] != 0:
            rows[i] = slots[slot]
