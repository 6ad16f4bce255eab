"""Bring a log into the warehouse: in bulk, once per content, all of it or nothing."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import duckdb
import pandas as pd
import pyarrow as pa

from components.domain import ContractBroken, Window, iso
from components.ingest.interactions import LogTables
from components.ingest.lake import LakeFile
from components.schema import IMPRESSIONS, REQUESTS, TABLES, arrow_schema
from warehouse import query
from warehouse.connect import Warehouse, connect, transaction
from warehouse.forget import take_out
from warehouse.lake import enter_file
from warehouse.records import SetAsideStatus

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

    `rows` were received and sound, `duplicates` of them were here already, or are of days that were taken out:
    `left_out` counts those; `new` if work was done. `set_aside` more could not be used; `faults` says which and why.
    `read_as` is the format it was found to be in.
    """

    digest: str
    rows: int
    duplicates: int
    new: bool
    set_aside: int = 0
    faults: tuple[str, ...] = ()
    left_out: int = 0
    read_as: str = ""


def append_log(
    w: Warehouse,
    tables: LogTables,
    entities: Mapping[str, pd.DataFrame],
    *,
    digest: str,
    path: str,
    of_lake: LakeFile | None = None,
) -> Batch:
    """Append a log in one transaction; a content digest seen before changes nothing.

    `entities` maps ``users`` and ``items`` to frames of entity_id, attributes; of a service also changed_at, hidden.
    A file
    `of_lake` is entered with its rows.
    """
    received = Batch(digest, len(tables), len(tables), False, tables.set_aside, tables.faults)

    def bring(connection: duckdb.DuckDBPyConnection) -> None:
        _append_facts(connection, w.source, tables, digest, closed(connection, w.source))

    with connect(w.path) as connection:
        return append_once(connection, w.source, received, bring, entities, path, of_lake)


def append_once(
    connection: duckdb.DuckDBPyConnection,
    source: str,
    received: Batch,
    bring: Callable[[duckdb.DuckDBPyConnection], None],
    entities: Mapping[str, pd.DataFrame],
    path: str,
    of_lake: LakeFile | None = None,
) -> Batch:
    """What was received, appended in one transaction unless its digest is here: facts by `bring`, then entities."""
    digest = received.digest
    if query.rows(connection, "01_ingest/find_batch", digest=digest):
        if of_lake is not None:
            enter_file(connection, source, of_lake)
        return received
    with transaction(connection):
        bring(connection)
        upsert_entities(connection, source, entities)
        take_out(connection, source, digest)
        left_out = leave_out(connection, source, digest)
        query.execute(connection, "01_ingest/record_batch", source=source, digest=digest, path=path, rows=received.rows)
        if of_lake is not None:
            enter_file(connection, source, of_lake)
    brought = query.rows(connection, "01_ingest/find_batch", digest=digest)[0]
    return replace(received, duplicates=int(str(brought["duplicates"])), new=True, left_out=left_out)


def leave_out(connection: duckdb.DuckDBPyConnection, source: str, digest: str) -> int:
    """Take out what a batch brought of days whose facts were pruned; the impressions that went."""
    if not query.rows(connection, "07_retention/pruned_days", source=source):
        return 0
    of_batch: dict[str, query.Parameter] = {"source": source, "digest": digest}
    query.execute(connection, "07_retention/left_out", **of_batch)
    (counted,) = query.rows(connection, "07_retention/count_left_out", **of_batch)
    for name in ("leave_outcomes", "leave_impressions", "leave_requests"):
        query.execute(connection, f"07_retention/{name}", **of_batch)
    return int(str(counted["impressions"]))


def mend_log(
    w: Warehouse, tables: LogTables, entities: Mapping[str, pd.DataFrame], *, digest: str, path: str, learnable_at: int
) -> "tuple[Batch, tuple[Window, ...]]":
    """Append a log that says anew what was logged inside windows that are set aside; the windows it mends.

    What it has of them replaces what was there under the same ids; what was logged there between its first and its last
    instant and is not in it is rejected. All in one transaction.

    Parameters
    ----------
    learnable_at : instant from which what it brings counts as known.

    Raises
    ------
    ContractBroken
        If no window that is set aside has an instant in common with it.
    """
    shown, at = tables.impressions, tables.impressions["at"]
    span = {"first": int(at.min()), "last": int(at.max())} if len(shown) else {"first": 0, "last": 0}
    with connect(w.path) as connection, transaction(connection):
        found = query.rows(connection, "01_ingest/mended_windows", source=w.source, **span)
        windows = tuple(Window(int(str(row["start"])), int(str(row["cutoff"]))) for row in found)
        if not windows:
            raise ContractBroken(
                f"{path} reaches from {iso(span['first'])} to {iso(span['last'])}; no window that is set aside does: "
                "evercurrent status"
            )
        batches = {f"batch_{name}": arrow(getattr(tables, name), name) for name in TABLES}
        for window in windows:
            _replace(connection, w.source, window, batches)
        _append_facts(connection, w.source, tables, digest, None)
        upsert_entities(connection, w.source, entities)
        take_out(connection, w.source, digest)
        left_out = leave_out(connection, w.source, digest)
        if not query.rows(connection, "01_ingest/find_batch", digest=digest):
            query.execute(
                connection, "01_ingest/record_batch", source=w.source, digest=digest, path=path, rows=len(tables)
            )
        for window in windows:
            ends = {"start": window.start, "cutoff": window.cutoff}
            query.execute(
                connection,
                "06_ledger/record_set_aside",
                source=w.source,
                status=SetAsideStatus.MENDED.value,
                reasons=[f"brought again by {path}"],
                learnable_at=learnable_at,
                **ends,
            )
    return Batch(digest, len(tables), 0, True, tables.set_aside, tables.faults, left_out), windows


def _replace(connection: duckdb.DuckDBPyConnection, source: str, window: Window, batches: dict[str, pa.Table]) -> None:
    """Make room for what is brought again, and reject what is not; outcomes go before what they are found by."""
    ends = {"start": window.start, "cutoff": window.cutoff}
    for name, table in (
        ("reject_left_out", IMPRESSIONS),
        ("forget_mended_outcomes", IMPRESSIONS),
        ("forget_mended_impressions", IMPRESSIONS),
        ("forget_mended_requests", REQUESTS),
    ):
        read = {f"batch_{table}": batches[f"batch_{table}"]}
        query.execute(connection, f"01_ingest/{name}", read, source=source, **ends)


def closed(connection: duckdb.DuckDBPyConnection, source: str) -> int | None:
    """The cutoff of the latest finished turn: what is appended now and is older came late. None before the first."""
    (row,) = query.rows(connection, "01_ingest/closed", source=source)
    return None if row["closed"] is None else int(str(row["closed"]))


def _append_facts(
    connection: duckdb.DuckDBPyConnection, source: str, tables: LogTables, digest: str, before: int | None
) -> None:
    """Facts of instants before `before` are known from that on."""
    for name in TABLES:
        late = {} if name == REQUESTS else {"closed": before}
        with query.registered(connection, {f"received_{name}": arrow(getattr(tables, name), name)}):
            query.execute(connection, f"01_ingest/distinct_{name}")
            query.execute(connection, f"01_ingest/append_{name}", source=source, digest=digest, **late)


def upsert_entities(connection: duckdb.DuckDBPyConnection, source: str, entities: Mapping[str, pd.DataFrame]) -> None:
    """Enter users and items, `entities` as of `append_log`, within a transaction of the caller."""
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
