"""Slates as entries of flat eligible sets: what was shown, drawn, and could have been drawn."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.compiled import compiled, plain
from components.domain import Doubles, Ints


@dataclass(frozen=True, slots=True)
class Shown:
    """Slates of n requests as entries, without probabilities.

    Attributes
    ----------
    entry : (m,) int64, chosen entry per shown position, positions of a slate in order.
    offsets : (n + 1,) int64, slate of request i is ``offsets[i]:offsets[i + 1]``.
    """

    entry: Ints
    offsets: Ints

    @property
    def position(self) -> Ints:
        """(m,) position within the slate, from 0."""
        return np.arange(len(self.entry)) - np.repeat(self.offsets[:-1], np.diff(self.offsets))

    @property
    def request(self) -> Ints:
        """(m,) request of each shown position."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


@dataclass(frozen=True, slots=True)
class Slates:
    """Drawn slates: `shown`, and `propensity` (m,) float64 of each position given its prefix."""

    shown: Shown
    propensity: Doubles


@dataclass(frozen=True, slots=True)
class Conditionals:
    """The whole distribution at every shown position, given the prefix shown before it.

    Attributes
    ----------
    entry : (q,) int64, entries still eligible at the position.
    probability : (q,) float64, sums to 1 over each position.
    offsets : (m + 1,) int64, position j of `Shown` is ``offsets[j]:offsets[j + 1]``.
    """

    entry: Ints
    probability: Doubles
    offsets: Ints


def entries_of(offsets: Ints, items: npt.NDArray[np.int32], request: Ints, item: npt.NDArray[np.int32]) -> Ints:
    """(m,) first entry of a request's set that is the item shown in it; -1 where there is none.

    Parameters
    ----------
    offsets, items : (n + 1,) bounds of the sets of n requests, and (nnz,) numbers of their items.
    request, item : (m,) request of each shown position, and the number of its item; -1 for none of these.

    >>> items, item = np.array([7, 8, 8, 9], np.int32), np.array([8, 9, 7], np.int32)
    >>> entries_of(np.array([0, 2, 4]), items, np.array([1, 0, -1]), item)
    array([ 2, -1, -1])
    """
    found = np.full(len(request), -1, np.int64)
    _find(plain(offsets), plain(items), plain(request), plain(item), found)
    return found


@compiled
def _find(offsets: Ints, items: npt.NDArray[np.int32], request: Ints, item: npt.NDArray[np.int32], found: Ints) -> None:
    for row in range(len(request)):
        if request[row] >= 0 and item[row] >= 0:
            for entry in range(offsets[request[row]], offsets[request[row] + 1]):
                if items[entry] == item[row]:
                    found[row] = entry
                    break
