"""What was eligible of a request: its own list, or a catalogue that it refers to."""

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from warehouse import query


def with_eligible(connection: duckdb.DuckDBPyConnection, source: str, requests: pa.Table) -> pa.Table:
    """Requests with `eligible` resolved, without `eligible_of`; null where it is not on record.

    The lists of those that refer to a catalogue are numbers into the distinct ids, so that no text is there twice.
    """
    of = requests["eligible_of"].to_pandas()
    items = _items(connection, source, of.dropna().unique())
    plain = requests.drop_columns("eligible_of")
    if not items:
        return plain
    resolved = _resolved(requests["eligible"].combine_chunks(), of, items)
    return plain.set_column(plain.schema.get_field_index("eligible"), "eligible", resolved)


def _resolved(own: pa.ListArray, of: pd.Series, items: dict[object, np.ndarray]) -> pa.ListArray:
    """(n,) lists as they are, and where there is none the items of the catalogue that it names."""
    lists = [own.flatten(), *(pa.array(each, pa.string()) for each in items.values())]
    lengths = np.array(list(map(len, lists)), np.int64)
    begins = np.cumsum(lengths) - lengths
    place = pd.Index(items, dtype=object).get_indexer(pd.Index(of, dtype=object)) + 1  # 0: names none
    unknown = own.is_null().to_numpy(zero_copy_only=False)
    named = unknown & (place > 0)
    sizes = own.value_lengths().fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    starts = np.where(named, begins[place], np.cumsum(sizes) - sizes)
    sizes = np.where(named, lengths[place], sizes)
    offsets = np.append(0, np.cumsum(sizes))
    within = np.arange(offsets[-1]) + np.repeat(starts - offsets[:-1], sizes)
    values = pa.concat_arrays(lists).dictionary_encode().take(pa.array(within))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), values, mask=pa.array(unknown & ~named))


def _items(connection: duckdb.DuckDBPyConnection, source: str, catalogues: np.ndarray) -> dict[object, np.ndarray]:
    if not len(catalogues):
        return {}
    named = {"named": pa.table({"catalogue": pa.array(catalogues, pa.string())})}
    found = query.frame(connection, "01_ingest/catalogues", named, source=source)
    return dict(zip(found["catalogue"], found["items"], strict=True))
