"""A column of few distinct values, as numbers into them: whatever is worked out of a value is worked out once.

What is per row is four bytes, whatever its texts are long. The values stand in the order in which they first came, so
that a column that arrives in parts is the column that arrives at once.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from components.domain import Bools, Ints

Codes: TypeAlias = npt.NDArray[np.int32]

NOTHING = np.int32(-1)
"""The code of a row without a value."""


@dataclass(frozen=True, slots=True, eq=False)
class Coded:
    """n values by number.

    Attributes
    ----------
    codes : (n,) or (n, width) int32, places in `distinct`; `NOTHING` where there is none.
    distinct : (d,) object, the values themselves.

    >>> column = Coded.of(np.array(["u7", None, "u8", "u7"], object))
    >>> column.codes.tolist(), column.distinct.tolist(), column[3], column[1]
    ([0, -1, 1, 0], ['u7', 'u8'], 'u7', None)
    >>> column.take(slice(1, 3)).compact()
    Coded(codes=array([-1,  0], dtype=int32), distinct=array(['u8'], dtype=object))
    """

    codes: Codes
    distinct: np.ndarray

    @classmethod
    def of(cls, values: Sequence[object] | np.ndarray) -> "Coded":
        """From one value per row, of any shape; None is no value."""
        raw = np.asarray(values, object)
        codes, distinct = pd.factorize(raw.ravel())
        return cls(codes.astype(np.int32).reshape(raw.shape), np.asarray(distinct, object))

    @classmethod
    def of_arrow(cls, column: pa.Array | pa.ChunkedArray) -> "Coded":
        """From Arrow texts, encoded as dictionaries or not, in one piece or in chunks whose dictionaries may differ."""
        whole = column if isinstance(column, pa.ChunkedArray) else pa.chunked_array([column])
        if not pa.types.is_dictionary(whole.type):
            whole = whole.dictionary_encode()
        chunks = whole.unify_dictionaries().chunks
        if not chunks:
            return cls(np.empty(0, np.int32), np.empty(0, object))
        codes = np.concatenate([_places(chunk.indices) for chunk in chunks])
        return cls(codes, chunks[-1].dictionary.to_numpy(zero_copy_only=False))

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, row: int) -> object:
        """The value of one row, None where there is none."""
        code = self.codes[row]
        return None if code == NOTHING else self.distinct[code]

    @property
    def or_none(self) -> np.ndarray:
        """(d + 1,) object: the distinct values, and None last, where `NOTHING` points to."""
        none = np.empty(1, object)
        return np.concatenate([self.distinct, none])

    @property
    def nbytes(self) -> int:
        """Bytes of what is there per row; the distinct values are not counted."""
        return self.codes.nbytes

    def take(self, index: Ints | Bools | slice) -> "Coded":
        """The rows at `index`, in that order, of the same values."""
        return Coded(self.codes[index], self.distinct)

    def compact(self) -> "Coded":
        """The same rows, without the values that none of them has."""
        there = np.zeros(len(self.distinct) + 1, bool)
        there[self.codes] = True
        kept = there[:-1]
        place = np.append(np.where(kept, np.cumsum(kept) - 1, NOTHING), NOTHING).astype(np.int32)
        return Coded(place[self.codes], self.distinct[kept])

    def texts(self) -> np.ndarray:
        """(n,) or (n, width) object: the values themselves, None where there is none."""
        return self.or_none[self.codes]

    def codes_in(self, other: "Coded") -> Codes:
        """As `codes`, places of the same values among those of `other`; `NOTHING` for what it does not have."""
        found = pd.Index(other.distinct, dtype=object).get_indexer(pd.Index(self.distinct, dtype=object))
        return np.append(found.astype(np.int32), NOTHING)[self.codes]


def _places(indices: pa.Array) -> Codes:
    return np.asarray(indices.fill_null(-1).to_numpy(zero_copy_only=False), np.int32)
