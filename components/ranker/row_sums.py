"""What a table is known by: a sum over its rows, so that a row that changed costs a row.

    sum_k = sum over rows r of mix_k(r, the bits of row r)   mod 2^64,   k = 0, 1

Two tables with the same rows have the same sums however they are held: in one piece, or as a base and what changed.
The sums tell generations apart; they are no signature. Whether bytes are those that were written, SHA-256 in the
manifest says.

After incremental hashing by sums (Bellare & Micciancio, EUROCRYPT 1997), here of 128 bits and without its security.
"""

import numpy as np
import numpy.typing as npt

from components.compiled import compiled
from components.domain import Floats, Ints
from components.ranker.layered import Layered
from components.ranker.splitmix import GOLDEN

Sums = npt.NDArray[np.uint64]
"""(2,)."""
AT_ONCE = 1 << 16
_ROTATED = np.uint64(0x9FB21C651E98DF25)


def row_sums(table: Layered[np.float32], width: int, base: Sums | None = None) -> Sums:
    """Of the first `width` numbers of each row; with the sums of its base in time that follows the own rows alone."""
    if not len(table.base):
        return sums_of(np.arange(table.rows), table.own, width)
    if base is None:
        base = base_sums(table.base, width)
    changed = table.changed
    replaced = changed[changed < len(table.base)]
    with np.errstate(over="ignore"):
        for at in range(0, len(replaced), AT_ONCE):
            rows = replaced[at : at + AT_ONCE]
            base = base - sums_of(rows, table.base[rows], width)
        for at in range(0, len(changed), AT_ONCE):
            rows = changed[at : at + AT_ONCE]
            base = base + sums_of(rows, table.take(rows), width)
    return base


def base_sums(base: Floats, width: int) -> Sums:
    """Of all rows of a base."""
    return sums_of(np.arange(len(base)), base, width)


def sums_of(rows: Ints, values: Floats, width: int) -> Sums:
    """Of (m, W) float32 values that stand in `rows` (m,)."""
    sums = np.zeros(2, np.uint64)
    _add(rows, values.view(np.uint32), width, sums)
    return sums


@compiled
def _add(rows: Ints, words: npt.NDArray[np.uint32], width: int, sums: Sums) -> None:
    for n in range(len(rows)):
        one = (np.uint64(rows[n]) + np.uint64(1)) * GOLDEN
        two = one ^ _ROTATED
        for w in range(width):
            word = np.uint64(words[n, w])
            one = (one ^ word) * GOLDEN
            one ^= one >> np.uint64(29)
            two = (two ^ word) * _ROTATED
            two ^= two >> np.uint64(31)
        sums[0] += one * _ROTATED ^ (one >> np.uint64(32))
        sums[1] += two * GOLDEN ^ (two >> np.uint64(32))
