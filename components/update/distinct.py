"""The distinct ones among many whole numbers, by one look at each: numbered as they first appear, without a sort."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.compiled import compiled, plain
from components.domain import Ints, Keys
from components.ranker.splitmix import GOLDEN

Slots = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Distinct:
    """Of m values.

    Attributes
    ----------
    first : (u,) where each distinct value first occurs, ascending; where : (m,) which of them each value is.
    """

    first: Ints
    where: Ints

    @classmethod
    def of(cls, values: Ints | Keys) -> "Distinct":
        """Of (m,) numbers of 64 bits.

        >>> Distinct.of(np.array([7, 9, 7, 0]))
        Distinct(first=array([0, 1, 3]), where=array([0, 1, 0, 2]))
        """
        bits = 1 + max(3, len(values).bit_length())  # at most half of the slots are in use
        first, where = np.empty(len(values), np.int64), np.empty(len(values), np.int64)
        slots = np.zeros(1 << bits, np.int32)
        count = _number(plain(values).view(np.uint64), slots, np.uint64(64 - bits), first, where)
        return cls(first[:count], where)


@compiled
def _number(values: Keys, slots: Slots, shift: np.uint64, first: Ints, where: Ints) -> int:
    """How many distinct values there are; a slot holds where its value first occurs, plus 1."""
    last, count = np.uint64(len(slots) - 1), 0
    for i in range(len(values)):
        slot = (values[i] * GOLDEN) >> shift
        while slots[slot] != 0 and values[slots[slot] - 1] != values[i]:
            slot = (slot + np.uint64(1)) & last
        if slots[slot] == 0:
            slots[slot] = i + 1
            first[count], where[i] = i, count
            count += 1
        else:
            where[i] = where[slots[slot] - 1]
    return count
