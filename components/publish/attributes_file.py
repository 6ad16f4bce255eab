"""Attributes of users or items as one Parquet file: what the service needs to turn raw ids into keys.

Columns: ``id``; ``key:<field>`` (uint64, or a list of fixed width for a multi-valued field);
``numeric:<field>`` (float32). The last row of "nothing known" is not stored.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.domain import MISSING_KEY, Keys
from components.ranker.features import Attributes

KEY, NUMERIC = "key:", "numeric:"


def write_attributes(path: Path, attributes: Attributes) -> None:
    """Write one side's attributes."""
    columns: dict[str, pa.Array] = {"id": pa.array(attributes.ids.to_numpy(object), pa.string())}
    for name, keys in attributes.keys.items():
        flat = pa.array(keys[:-1].ravel(), pa.uint64())
        width = keys.shape[1]
        columns[KEY + name] = flat if width == 1 else pa.FixedSizeListArray.from_arrays(flat, width)
    for name, values in attributes.numeric.items():
        columns[NUMERIC + name] = pa.array(values[:-1], pa.float32())
    pq.write_table(pa.table(columns), path, compression="zstd")


def read_attributes(path: Path) -> Attributes:
    """The attributes written by `write_attributes`."""
    table = pq.read_table(path)
    keys = {n.removeprefix(KEY): _keys(table[n]) for n in table.column_names if n.startswith(KEY)}
    numeric = {
        n.removeprefix(NUMERIC): np.append(table[n].to_numpy(), np.float32(np.nan)).astype(np.float32)
        for n in table.column_names
        if n.startswith(NUMERIC)
    }
    return Attributes(pd.Index(table["id"].to_numpy(), dtype=object), keys, numeric)


def write_ids(path: Path, ids: np.ndarray) -> None:
    """Write item ids, in their order."""
    pq.write_table(pa.table({"item_id": pa.array(ids, pa.string())}), path, compression="zstd")


def read_ids(path: Path) -> np.ndarray:
    """(n,) object, the ids written by `write_ids`."""
    return np.asarray(pq.read_table(path)["item_id"].to_pylist(), dtype=object)


def _keys(column: pa.ChunkedArray) -> Keys:
    width = column.type.list_size if pa.types.is_fixed_size_list(column.type) else 1
    flat = pa.chunked_array([c.flatten() for c in column.chunks], pa.uint64()) if width > 1 else column
    rows = flat.to_numpy().reshape(-1, width)
    return np.vstack([rows, np.full((1, width), MISSING_KEY, np.uint64)])
