"""A Parquet or CSV file as a frame, ids to the last digit.

pandas' whole numbers cannot be missing, so Arrow hands it a column of them with holes as floating point, which cannot
tell 2^53 from 2^53 + 1: two users would become one. Such columns keep their digits here.
"""

from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from components.domain import ContractBroken

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
        Missing file, another ending, a truncated or unreadable file, a column named twice or that is no text, no rows;
        one line.
    """
    if not path.is_file():
        raise ContractBroken(f"no file at {path}; give the path of a .parquet or .csv log")
    readers = {".parquet": pa_parquet.read_table, ".csv": pa_csv.read_csv}
    if path.suffix not in readers:
        raise ContractBroken(f"{path} ends in {path.suffix!r}; allowed are .parquet and .csv")
    try:
        table = readers[path.suffix](path)
    except (pa.ArrowInvalid, OSError) as error:
        reason = str(error).splitlines()[0][:160]
        raise ContractBroken(f"{path} is not a readable {path.suffix[1:]} file ({reason}); write it again") from None
    if not table.num_rows:
        raise ContractBroken(f"{path} has no rows; a log needs at least one")
    _named_once(table, path)
    return frame_of(table, path)


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
