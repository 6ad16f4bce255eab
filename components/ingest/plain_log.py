"""A log that an engine may read by itself: the types of its columns, where pandas makes nothing else of them.

What pandas' own notes in a file change (an index, categories, numbers that may be missing as floating point) is read
by `read_log` alone, and so is every type that is not named here.
"""

import json
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pa_parquet

from components.csv_dialect import is_csv, open_csv
from components.domain import Ints
from components.ingest.log_files import NO_FOLDERS, Folders, Value

BLOCK = 16 << 20
"""Bytes of a CSV file that are held at a time; the types do not depend on it."""


@dataclass(frozen=True, slots=True)
class PlainLog:
    """A Parquet file of `rows` rows, and the types of its columns; null is that of a column of pandas' own.

    The columns that its `folders` give it are among them.
    """

    path: Path
    rows: int
    types: dict[str, pa.DataType]
    folders: Folders = NO_FOLDERS


def plain_log(path: Path, folders: Folders, room: Path) -> PlainLog | None:
    """The log at `path`; a CSV file is written anew as Parquet in the folder `room`. None where in doubt.

    The types of a CSV file are Arrow's, as in `read_log`: it tries the narrowest type first, so one that holds for the
    first block and for every other one is that of the whole.
    """
    try:
        if is_csv(path):
            path = _as_parquet(path, room / "log.parquet")
        if path.suffix != ".parquet" or any(letter in str(path) for letter in "*?["):
            return None  # the engine would take these letters for a pattern
        with pa_parquet.ParquetFile(path) as file:
            return _plain(path, file.metadata.num_rows, file.schema_arrow, folders)
    except (pa.ArrowException, OSError, UnicodeError, zlib.error):
        return None


def _as_parquet(path: Path, copy: Path) -> Path:
    with (
        open_csv(path, BLOCK) as blocks,
        pa_parquet.ParquetWriter(copy, blocks.schema) as out,
    ):
        for block in blocks:
            out.write_batch(block)
    return copy


def _plain(path: Path, rows: int, schema: pa.Schema, folders: Folders) -> PlainLog | None:
    names = [name.lower() for name in (*schema.names, *folders.given)]
    of_pandas = json.loads((schema.metadata or {}).get(b"pandas", b"{}"))
    if not rows or len(set(names)) < len(names) or "file_row_number" in names or _reshaped(of_pandas):
        return None
    own = {c["name"] for c in of_pandas.get("columns", ()) if c["numpy_type"] in ("Float32", "Float64")}
    types = {f.name: pa.null() if f.name in own else f.type for f in schema}
    return PlainLog(path, rows, types | {name: _constant_type(value) for name, value in folders.given.items()}, folders)


def _constant_type(value: Value) -> pa.DataType:
    return pa.int64() if isinstance(value, int) else pa.string()


def _reshaped(of_pandas: dict[str, list[object]]) -> bool:
    """Whether pandas would make an index of a column, or other names of the columns' names."""
    heads = [head.get("pandas_type") for head in of_pandas.get("column_indexes", ()) if isinstance(head, dict)]
    indexed = any(isinstance(index, str) for index in of_pandas.get("index_columns", ()))
    return indexed or any(head not in ("unicode", "string") for head in heads)


def nan_rows(log: PlainLog, columns: Iterable[str]) -> Ints:
    """Numbers of the rows with a nan in one of the columns; every cell is asked, a file's statistics leave them out."""
    names = [name for name in set(columns) if pa.types.is_floating(log.types.get(name, pa.null()))]
    found, begin = [np.empty(0, np.int64)], 0
    if names:
        with pa_parquet.ParquetFile(log.path) as file:
            for block in file.iter_batches(columns=names):
                nan = np.zeros(len(block), bool)
                for column in block.columns:
                    nan |= pc.fill_null(pc.is_nan(column), False).to_numpy(zero_copy_only=False)
                found.append(np.flatnonzero(nan) + begin)
                begin += len(block)
    return np.concatenate(found)


def rows_at(log: PlainLog, numbers: Ints, columns: Iterable[str]) -> pa.Table:
    """The rows with the numbers given, ascending, of the columns that the log has; no more of it is held at a time."""
    given = log.folders.given
    names = [name for name in dict.fromkeys(columns) if name in log.types and name not in given]
    with pa_parquet.ParquetFile(log.path) as file:
        schema = file.schema_arrow
        blocks = list(_taken(file, numbers, names))
        table = pa.Table.from_batches(blocks, pa.schema([schema.field(name) for name in names], schema.metadata))
    for name, value in given.items():
        table = table.append_column(name, pa.array([value] * len(table), _constant_type(value)))
    return table


def _taken(file: pa_parquet.ParquetFile, numbers: Ints, names: list[str]) -> Iterator[pa.RecordBatch]:
    begin = 0
    for group in range(file.num_row_groups):
        end = begin + file.metadata.row_group(group).num_rows
        if np.searchsorted(numbers, begin) == np.searchsorted(numbers, end):
            begin = end
            continue
        for block in file.iter_batches(row_groups=[group], columns=names):
            low, high = np.searchsorted(numbers, (begin, begin + len(block)))
            if low < high:
                yield block.take(pa.array(numbers[low:high] - begin))
            begin += len(block)
