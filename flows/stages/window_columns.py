"""Arrow batches of matured impressions as plain columns: what a window costs per row is these arrays.

Ids become numbers into the distinct ones as they arrive, and a batch is gone when the next one comes. Columns of
numbers grow where they are: put together from parts, each would be there twice, and leave holes between the others.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from components.coded import NOTHING, Coded, Codes
from components.domain import Doubles, Floats, Ints

IDS = ("user_id", "item_id", "context")
"""Columns of which few values are distinct."""
NUMBERS = {
    "position": np.int32,
    "generation": np.int32,
    "propensity": np.float64,
    "logit": np.float64,
    "score": np.float64,
    "reward": np.float32,
    "grade": np.float32,
    "at": np.int64,
    "matured_at": np.int64,
    "requested_at": np.int64,
    "settled_at": np.int64,
}
"""Other columns, and what they are kept as."""
GROWTH = 1 << 20
"""Rows by which a column gets longer."""


@dataclass(frozen=True, eq=False)
class WindowColumns:
    """n matured impressions as ``04_update/matured.sql`` has them, by column.

    Attributes
    ----------
    request_id : (n,) texts, in chunks; most requests are told once, so numbers would save nothing.
    user, item, context : (n,) raw ids, and JSON texts.
    position : (n,) int32; generation : (n,) int32, `NOTHING` where the log has none.
    propensity, logit, score : (n,) float64, nan where the log has none.
    reward, grade : (n,) float32, a grade that is unknown nan.
    at, matured_at : (n,) int64, microseconds.
    requested_at, settled_at : (n,) int64, microseconds; empty where the query does not tell them.
    """

    request_id: pa.ChunkedArray
    user: Coded
    item: Coded
    context: Coded
    position: Codes
    generation: Codes
    propensity: Doubles
    logit: Doubles
    score: Doubles
    reward: Floats
    grade: Floats
    at: Ints
    matured_at: Ints
    requested_at: Ints
    settled_at: Ints


def gather(batches: Iterable[pa.RecordBatch]) -> WindowColumns:
    """The columns of all batches, in order."""
    requests: list[pa.Array] = []
    ids: dict[str, list[pa.Array]] = {name: [] for name in IDS}
    numbers = {name: _Growing(kind) for name, kind in NUMBERS.items()}
    for batch in batches:
        requests.append(_own(batch.column("request_id")))
        for name in IDS:
            ids[name].append(batch.column(name).cast(pa.string()).dictionary_encode())
        for name in NUMBERS.keys() & set(batch.schema.names):
            numbers[name].add(_plain(batch.column(name), NUMBERS[name]))
    known = dict(_coded(ids))
    return WindowColumns(
        pa.chunked_array(requests, pa.string()),
        known["user_id"],
        known["item_id"],
        known["context"],
        **{name: column.whole() for name, column in numbers.items()},
    )


def _coded(parts: dict[str, list[pa.Array]]) -> Iterator[tuple[str, Coded]]:
    for name in IDS:
        chunks = parts.pop(name)
        yield name, Coded.of_arrow(pa.chunked_array(chunks, chunks[0].type if chunks else pa.string()))


class _Growing:
    """A column that gets longer where it is: of something large `realloc` moves the pages, not what is in them."""

    def __init__(self, kind: type) -> None:
        self._values: np.ndarray = np.empty(0, kind)
        self._rows = 0

    def add(self, values: np.ndarray) -> None:
        rows = self._rows + len(values)
        if rows > len(self._values):
            self._values.resize(-(-rows // GROWTH) * GROWTH, refcheck=False)
        self._values[self._rows : rows] = values
        self._rows = rows

    def whole(self) -> np.ndarray:
        """(n,) all that was added; nothing may be added afterwards."""
        self._values.resize(self._rows, refcheck=False)
        return self._values


def _own(column: pa.Array) -> pa.Array:
    """A copy: a column of a batch from DuckDB keeps all the others of that batch."""
    return pa.concat_arrays([column, column[:0]])


def _plain(column: pa.Array, kind: type) -> np.ndarray:
    """(n,) without nulls: nan, or `NOTHING` of whole numbers."""
    if column.null_count and np.issubdtype(kind, np.integer):
        column = column.fill_null(int(NOTHING))
    return np.array(column.to_numpy(zero_copy_only=False), kind)
