"""Bring a log into the warehouse: in bulk, once per content, all of it or nothing."""

from dataclasses import dataclass

import duckdb
import pandas as pd
import pyarrow as pa

from components.ingest.interactions import LogTables
from warehouse import query
from warehouse.connect import Warehouse, connect, transaction

SCHEMAS = {
    "batch_requests": pa.schema(
        [
            ("request_id", pa.string()),
            ("user_id", pa.string()),
            ("at", pa.int64()),
            ("generation", pa.int32()),
            ("context", pa.string()),
            ("eligible", pa.list_(pa.string())),
        ]
    ),
    "batch_impressions": pa.schema(
        [
            ("impression_id", pa.string()),
            ("request_id", pa.string()),
            ("item_id", pa.string()),
            ("position", pa.int32()),
            ("propensity", pa.float64()),
            ("score", pa.float64()),
            ("logit", pa.float64()),
            ("generation", pa.int32()),
            ("logging_policy", pa.string()),
            ("at", pa.int64()),
        ]
    ),
    "batch_outcomes": pa.schema(
        [
            ("impression_id", pa.string()),
            ("kind", pa.string()),
            ("value", pa.float64()),
            ("grade", pa.float64()),
            ("outcome_at", pa.int64()),
        ]
    ),
    "batch_entities": pa.schema([("entity_id", pa.string()), ("attributes", pa.string())]),
}


@dataclass(frozen=True, slots=True)
class Batch:
    """What one ingested file brought.

    `rows` were received and sound, `duplicates` of them were here already; `new` if work was done. `set_aside` more
    could not be used; `faults` says which and why.
    """

    digest: str
    rows: int
    duplicates: int
    new: bool
    set_aside: int = 0
    faults: tuple[str, ...] = ()


def append_log(w: Warehouse, tables: LogTables, entities: dict[str, pd.DataFrame], *, digest: str, path: str) -> Batch:
    """Append a log in one transaction; a content digest seen before changes nothing.

    `entities` maps ``users`` and ``items`` to frames of entity_id, attributes.
    """
    with connect(w.path) as connection:
        if query.rows(connection, "01_ingest/find_batch", digest=digest):
            return Batch(digest, len(tables), len(tables), False, tables.set_aside, tables.faults)
        with transaction(connection):
            _append_facts(connection, w.source, tables, digest)
            _upsert_entities(connection, w.source, entities)
            query.execute(
                connection, "01_ingest/record_batch", source=w.source, digest=digest, path=path, rows=len(tables)
            )
        brought = query.rows(connection, "01_ingest/find_batch", digest=digest)[0]
    duplicates = int(str(brought["duplicates"]))
    return Batch(digest, len(tables), duplicates, True, tables.set_aside, tables.faults)


def _append_facts(connection: duckdb.DuckDBPyConnection, source: str, tables: LogTables, digest: str) -> None:
    frames = {"requests": tables.requests, "impressions": tables.impressions, "outcomes": tables.outcomes}
    for name, frame in frames.items():
        table = {f"batch_{name}": arrow(frame, f"batch_{name}")}
        query.execute(connection, f"01_ingest/append_{name}", table, source=source, digest=digest)


def _upsert_entities(connection: duckdb.DuckDBPyConnection, source: str, entities: dict[str, pd.DataFrame]) -> None:
    for name, frame in entities.items():
        if len(frame):
            table = {"batch_entities": arrow(frame, "batch_entities")}
            query.execute(connection, f"01_ingest/upsert_{name}", table, source=source)


def arrow(frame: pd.DataFrame, name: str) -> pa.Table:
    """The frame as an Arrow table of the batch's schema."""
    return pa.Table.from_pandas(frame, schema=SCHEMAS[name], preserve_index=False)
