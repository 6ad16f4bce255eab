"""Bring a log into the warehouse: in bulk, once per content, all of it or nothing."""

from collections.abc import Mapping
from dataclasses import dataclass

import duckdb
import pandas as pd
import pyarrow as pa

from components.ingest.interactions import LogTables
from components.schema import TABLES, arrow_schema
from warehouse import query
from warehouse.connect import Warehouse, connect, transaction
from warehouse.forget import take_out

ENTITIES = pa.schema(
    [
        ("entity_id", pa.string()),
        ("attributes", pa.string()),
        ("changed_at", pa.timestamp("us")),
        ("hidden", pa.bool_()),
    ]
)


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


def append_log(
    w: Warehouse, tables: LogTables, entities: Mapping[str, pd.DataFrame], *, digest: str, path: str
) -> Batch:
    """Append a log in one transaction; a content digest seen before changes nothing.

    `entities` maps ``users`` and ``items`` to frames of entity_id, attributes; of a service also changed_at, hidden.
    """
    with connect(w.path) as connection:
        if query.rows(connection, "01_ingest/find_batch", digest=digest):
            return Batch(digest, len(tables), len(tables), False, tables.set_aside, tables.faults)
        with transaction(connection):
            _append_facts(connection, w.source, tables, digest)
            _upsert_entities(connection, w.source, entities)
            take_out(connection, w.source, digest)
            query.execute(
                connection, "01_ingest/record_batch", source=w.source, digest=digest, path=path, rows=len(tables)
            )
        brought = query.rows(connection, "01_ingest/find_batch", digest=digest)[0]
    duplicates = int(str(brought["duplicates"]))
    return Batch(digest, len(tables), duplicates, True, tables.set_aside, tables.faults)


def _append_facts(connection: duckdb.DuckDBPyConnection, source: str, tables: LogTables, digest: str) -> None:
    for name in TABLES:
        table = {f"batch_{name}": arrow(getattr(tables, name), name)}
        query.execute(connection, f"01_ingest/append_{name}", table, source=source, digest=digest)


def _upsert_entities(connection: duckdb.DuckDBPyConnection, source: str, entities: Mapping[str, pd.DataFrame]) -> None:
    for name, frame in entities.items():
        if len(frame):
            whole = frame.assign(
                changed_at=frame.get("changed_at", pd.Series(dtype="datetime64[us]")), hidden=frame.get("hidden", False)
            )
            table = {"batch_entities": pa.Table.from_pandas(whole, schema=ENTITIES, preserve_index=False)}
            query.execute(connection, f"01_ingest/upsert_{name}", table, source=source)


def arrow(frame: pd.DataFrame, table: str) -> pa.Table:
    """The frame as an Arrow table of requests, impressions or outcomes."""
    return pa.Table.from_pandas(frame, schema=arrow_schema(table), preserve_index=False)
