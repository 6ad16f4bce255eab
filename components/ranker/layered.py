"""Rows of numbers in two layers: a base that never changes, and the rows that changed since.

A base is mapped from its file, so that processes share its pages and nobody reads what nobody asks for. What changes
is first copied out of it, a row at a time: writing through a private mapping would copy a page of 4 KiB for every row
of 72 bytes, and one changed row in a hundred would already cost half of all pages. So what a window costs, in seconds
and in bytes, follows the rows that it touches, not those there are; and a copy costs what has changed.

Without a base all rows are own, in their order, in one piece.
"""

from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt

from components.compiled import compiled, plain
from components.domain import Ints

Number = TypeVar("Number", np.float32, np.int64)
Scalar = TypeVar("Scalar", bound=np.generic)
Places = npt.NDArray[np.int32]
BASE = -1
"""Place of a row that the base holds."""


class Layered(Generic[Number]):
    """(rows, W) numbers, read and written by row.

    Parameters
    ----------
    base : (b, W), never written to.
    owner : (m,) distinct rows that changed, in whatever order; every row from b on is among them.
    own : (m, W) what they hold.
    rows : how many there are; those of `base` where it is left out.
    """

    def __init__(
        self, base: npt.NDArray[Number], owner: Ints, own: npt.NDArray[Number], rows: int | None = None
    ) -> None:
        self.base: npt.NDArray[Number] = base
        self.rows = len(base) if rows is None else rows
        self._own: npt.NDArray[Number] = own
        self._used = len(own)
        self._owner = owner.astype(np.int32)
        self._place: Places = np.full(self.rows, BASE, np.int32) if len(base) else np.empty(0, np.int32)
        if len(base):
            self._place[owner] = np.arange(len(owner), dtype=np.int32)
        self._shared = False

    @classmethod
    def whole(cls, block: npt.NDArray[Number]) -> "Layered[Number]":
        """All rows own; `block` is used, not copied."""
        return cls(block[:0], np.empty(0, np.int64), block, len(block))

    def copy(self) -> "Layered[Number]":
        """An independent copy, over the same base."""
        twin = Layered.whole(self._own[: self._used].copy())
        twin.base, twin.rows, twin._owner = self.base, self.rows, self._owner[: self._used].copy()
        twin._place = self._place
        self._shared = twin._shared = True
        return twin

    @property
    def parts(self) -> "tuple[npt.NDArray[Number], npt.NDArray[Number], Places]":
        """What a compiled loop reads: row r is ``base[r]`` where ``place[r]`` is `BASE`, else ``own[place[r]]``.

        Without a base `place` is empty, and row r is ``own[r]``.
        """
        return self.base, self._own[: self._used], self._place[: self.rows] if len(self.base) else self._place

    @property
    def changed(self) -> Ints:
        """(m,) rows that are own, ascending; of all there are where there is no base."""
        if not len(self.base):
            return np.arange(self.rows)
        return np.sort(self._owner[: self._used]).astype(np.int64)

    def block(self) -> npt.NDArray[Number]:
        """(rows, W) all rows in one piece, to be written to: a base is copied, and is none any more."""
        if len(self.base):
            whole = self.take(np.arange(self.rows))
            self.base, self._own, self._used = self.base[:0], whole, self.rows
            self._place, self._owner, self._shared = np.empty(0, np.int32), np.empty(0, np.int32), False
        return self._own[: self.rows]

    def take(self, rows: Ints) -> npt.NDArray[Number]:
        """(m, W) a copy of `rows` (m,)."""
        if not len(self.base):
            return self._own[: self.rows].take(rows, 0)
        place = self._place[rows]
        out = np.empty((len(rows), self.base.shape[1]), self.base.dtype)
        _take(plain(rows), plain(place), self.base, self._own, out)
        return out

    def column(self, number: int, of: slice = slice(None)) -> npt.NDArray[Number]:
        """(m,) a copy of one column, of all rows or of a stretch of them."""
        if not len(self.base):
            return self._own[: self.rows][of, number].copy()
        place, known = self._place[: self.rows][of], self.base[of, number]
        out = np.empty(len(place), self.base.dtype)
        out[: len(known)] = known
        mine = np.flatnonzero(place >= 0)
        out[mine] = self._own[place[mine], number]
        return out

    def put(self, rows: Ints, values: "npt.NDArray[Number] | float") -> None:
        """Overwrite `rows` (m,) with `values` (m, W), or with one number."""
        places = self.claim(rows)
        self._own[places] = values

    def claim(self, rows: Ints) -> "Ints | Places":
        """Places of `rows` (m,) in `own`, where those of the base are copied to: they may be written to there."""
        if not len(self.base):
            return rows
        places: Places = self._place[rows]
        away = rows[places < 0]
        if len(away):
            self._unshare()
            new = np.empty(len(away), np.int32)
            count = _claim(away, self._place, self._used, new)
            self._grow(new[:count])
            self._own[self._used - count : self._used] = self.base[new[:count]]
            places = self._place[rows]
        return places

    @property
    def own(self) -> npt.NDArray[Number]:
        """(m, W) the rows that are own, by their place."""
        return self._own[: self._used]

    def resize(self, rows: int) -> None:
        """At least `rows` rows, new ones zero; room grows by doubling."""
        new = np.arange(self.rows, max(rows, self.rows), dtype=np.int32)
        if not len(new):
            return
        if len(self.base):
            self._unshare()
            self._place = _room(self._place, rows)
            self._place[new] = self._used + np.arange(len(new), dtype=np.int32)
            self._grow(new)
        else:
            self._own, self._used = _room(self._own, rows), rows
        self.rows = rows

    def _grow(self, owner: Places) -> None:
        """Room for more own rows, which are zero."""
        used = self._used + len(owner)
        self._own, self._owner = _room(self._own, used), _room(self._owner, used)
        self._owner[self._used : used] = owner
        self._used = used

    def _unshare(self) -> None:
        if self._shared:
            self._place, self._shared = self._place.copy(), False


def _room(array: npt.NDArray[Scalar], needed: int) -> npt.NDArray[Scalar]:
    """`array` with zeros behind it, as many as were asked for or twice as long."""
    if needed <= len(array):
        return array
    longer = np.zeros((max(needed, 2 * len(array)), *array.shape[1:]), array.dtype)
    longer[: len(array)] = array
    return longer


@compiled
def _take(
    rows: Ints, place: Places, base: npt.NDArray[Number], own: npt.NDArray[Number], out: npt.NDArray[Number]
) -> None:
    for i in range(len(rows)):
        one = base[rows[i]] if place[i] < 0 else own[place[i]]
        for w in range(len(one)):
            out[i, w] = one[w]


@compiled
def _claim(rows: Ints, place: Places, used: int, new: Places) -> int:
    """Give every row that has no place the next one; how many that were, and which in `new`."""
    count = 0
    for i in range(len(rows)):
        if place[rows[i]] < 0:
            place[rows[i]] = used + count
            new[count] = rows[i]
            count += 1
    return count
