"""A Parquet or CSV file as a frame, ids to the last digit.

pandas' whole numbers cannot be missing, so Arrow hands it a column of them with holes as floating point, which cannot
tell 2^53 from 2^53 + 1: two users would become one. Such columns keep their digits here.
"""

import zlib
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pa_parquet

from components.csv_dialect import csv_dialect, is_csv, read_csv
from components.domain import ContractBroken
from components.ingest.cells import missing_in, texts_of
from components.ingest.log_files import ALLOWED, Folders, Value

WHOLE = {
    pa.int8(): pd.Int8Dtype(),
    pa.int16(): pd.Int16Dtype(),
    pa.int32(): pd.Int32Dtype(),
    pa.int64(): pd.Int64Dtype(),
    pa.uint8(): pd.UInt8Dtype(),
    pa.uint16(): pd.UInt16Dtype(),
    pa.uint32(): pd.UInt32Dtype(),
    pa.uint64(): pd.UInt64Dtype(),
}
"""Arrow's whole numbers -> pandas' that may be missing."""


def read_log(path: Path) -> pd.DataFrame:
    """The rows of a Parquet or CSV file.

    Raises
    ------
    ContractBroken
        Missing file, another ending, a truncated or unreadable file, a CSV dialect that is not clear, a column named
        twice or that is no text, no rows; one line.
    """
    if not path.is_file():
        raise ContractBroken(f"no file at {path}; give the path of a .parquet or .csv log")
    if not is_csv(path) and path.suffix != ".parquet":
        raise ContractBroken(f"{path} ends in {path.suffix!r}; allowed are {', '.join(ALLOWED)}")
    try:
        table = read_csv(path) if is_csv(path) else pa_parquet.read_table(path, partitioning=None)
    except (pa.ArrowInvalid, OSError, UnicodeError, zlib.error) as error:
        kind, reason = "csv" if is_csv(path) else "parquet", str(error).splitlines()[0][:160]
        raise ContractBroken(f"{path} is not a readable {kind} file ({reason}); write it again") from None
    if not table.num_rows:
        raise ContractBroken(f"{path} has no rows; a log needs at least one")
    _named_once(table, path)
    return frame_of(table, path)


def how_read(path: Path) -> str:
    """In which format a file is read, as people write it.

    Raises
    ------
    ContractBroken
        If it is a CSV file whose dialect is not clear.
    """
    return str(csv_dialect(path)) if is_csv(path) else "Parquet"


def with_folders(frame: pd.DataFrame, folders: Folders, path: Path) -> pd.DataFrame:
    """The rows of a file with what its folders say of them.

    Raises
    ------
    ContractBroken
        If the file says something else; one line.
    """
    for column, value in folders.said.items():
        held = frame[column]
        other = ~missing_in(held) if value is None else (texts_of(held) != str(value)).to_numpy(bool)
        if other.any():
            row = int(other.argmax())
            raise ContractBroken(
                f"{path}, column {column}: row {row + 1} says {held.iloc[row]!s} and the file's folder {value}; "
                "allowed is a column that says what the folder says, or none of that name"
            )
    return frame.assign(**{column: _constant(value, len(frame)) for column, value in folders.given.items()})


def _constant(value: Value, rows: int) -> pd.Series:
    return pd.Series([value] * rows, dtype="int64" if isinstance(value, int) else "str")


def _named_once(table: pa.Table, path: Path) -> None:
    names = table.column_names
    for name in names:
        if names.count(name) > 1:
            raise ContractBroken(f"{path} has {names.count(name)} columns named {name}; one of each name is allowed")


def frame_of(table: pa.Table, path: Path) -> pd.DataFrame:
    """The rows of a log that were read already; `path` names it in messages."""
    whole, lists = {}, {}
    for number, name in enumerate(table.column_names):
        column = table.column(number)
        if pa.types.is_binary(column.type) or pa.types.is_large_binary(column.type):
            table = table.set_column(number, name, _text(column, name, path))
        elif column.type in WHOLE and column.null_count:
            whole[name] = column.to_pandas(types_mapper=WHOLE.get)
        elif pa.types.is_list(column.type) and column.type.value_type in WHOLE:
            lists[name] = pd.Series(column.to_pylist(), dtype=object)
    return table.to_pandas().assign(**whole, **lists)


def _text(column: pa.ChunkedArray, name: str, path: Path) -> pa.ChunkedArray:
    try:
        return column.cast(pa.string())
    except pa.ArrowInvalid:
        raise ContractBroken(f"{path}, column {name} is not text in UTF-8; write it again in UTF-8") from None
