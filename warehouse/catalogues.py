"""What was eligible of a request: its own list, or a catalogue that it refers to: one array for all that do."""

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from warehouse import query


def with_eligible(connection: duckdb.DuckDBPyConnection, source: str, requests: pd.DataFrame) -> pd.DataFrame:
    """Requests with `eligible` resolved, without `eligible_of`: an array of ids each, None where it is not on record.

    All that refer to one catalogue have the same array, so that a list of 10,000 items is there once.
    """
    eligible = requests["eligible"].astype(object)
    eligible = eligible.where(eligible.notna(), None)
    of = requests["eligible_of"].astype(object)
    items = _items(connection, source, of.dropna().unique())
    if items:
        own, named = eligible.tolist(), of.tolist()
        both = [mine if mine is not None else items.get(name) for mine, name in zip(own, named, strict=True)]
        eligible = pd.Series(_objects(both), requests.index)
    return requests.drop(columns="eligible_of").assign(eligible=eligible)


def _items(connection: duckdb.DuckDBPyConnection, source: str, catalogues: np.ndarray) -> dict[object, np.ndarray]:
    if not len(catalogues):
        return {}
    named = {"named": pa.table({"catalogue": pa.array(catalogues, pa.string())})}
    found = query.frame(connection, "01_ingest/catalogues", named, source=source)
    return dict(zip(found["catalogue"], found["items"], strict=True))


def _objects(values: list[object]) -> np.ndarray:
    """(n,) object array, also of arrays of one length."""
    out = np.empty(len(values), object)
    out[:] = values
    return out
