"""What was taken of the decision log, and the taking: each byte once, in one transaction with the rows it brings."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import duckdb
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components.frozen import Frozen
from components.ingest.decision_log import entity_changes
from components.ingest.log_columns import BrokenRecord, LogColumns
from components.ingest.log_lines import ItemLine
from components.ingest.segment import Span, Taken
from components.schema import IMPRESSIONS, OUTCOMES, REQUESTS
from warehouse import query
from warehouse.append import Batch, closed, leave_out, upsert_entities
from warehouse.connect import Warehouse, connect, transaction
from warehouse.forget import take_out

NAMED = pa.schema([("file", pa.string()), ("generation", pa.int32()), ("catalogue", pa.string())])
CATALOGUES = pa.schema([("catalogue", pa.string()), ("items", pa.list_(pa.string()))])
FORGOTTEN = pa.schema([("user_id", pa.string()), ("at", pa.int64())])
BROKEN = pa.schema(
    [
        ("file", pa.string()),
        ("line", pa.int64()),
        ("offset", pa.int64()),
        ("reason", pa.string()),
        ("raw", pa.binary()),
    ]
)


class SegmentTaken(Frozen):
    """One file of the decision log in the warehouse; `last_at` is its latest instant, None where no line has one."""

    file: str
    bytes: int
    lines: int
    crc: int
    edge: int
    written_ns: int
    last_at: int | None

    @property
    def taken(self) -> Taken:
        """As readers know it."""
        return Taken(self.file, self.bytes, self.lines, self.crc, self.edge, self.written_ns)


@dataclass(frozen=True, slots=True)
class Named:
    """Catalogues that were named before: `files`, file -> generation -> the last one; `anywhere`, generation -> all."""

    files: Mapping[str, Mapping[int, str]]
    anywhere: Mapping[int, frozenset[str]]


def segments(w: Warehouse) -> dict[str, SegmentTaken]:
    """File -> what was taken of it."""
    with connect(w.path) as connection:
        found = query.rows(connection, "01_ingest/segments", source=w.source)
    return {made.file: made for made in map(SegmentTaken.model_validate, found)}


def named(w: Warehouse, files: Sequence[str]) -> Named:
    """What files that are read on have named so far."""
    with connect(w.path) as connection:
        table = {"read": pa.table({"file": pa.array(files, pa.string())})}
        own = query.frame(connection, "01_ingest/segment_catalogues", table, source=w.source)
        every = query.rows(connection, "01_ingest/generation_catalogues", source=w.source)
    by_file: dict[str, dict[int, str]] = {}
    for row in own.to_dict("records"):
        by_file.setdefault(str(row["file"]), {})[int(row["generation"])] = str(row["catalogue"])
    anywhere: dict[int, frozenset[str]] = {}
    for one in every:
        generation = int(str(one["generation"]))
        anywhere[generation] = anywhere.get(generation, frozenset()) | {str(one["catalogue"])}
    return Named(by_file, anywhere)


def append_spans(w: Warehouse, spans: Sequence[Span], found: LogColumns, path: str) -> Batch:
    """Bring what was read of some spans in: rows, broken records and how far the files were read, all or nothing.

    Parameters
    ----------
    found : the lines of the spans, settled.
    path : where the log lies, for the record.
    """
    digest, tables = _digest(spans), _Tables.of(found)
    rows = len(tables.impressions)
    brought = rows or len(tables.requests) or len(tables.outcomes) or found.changes
    with connect(w.path) as connection, transaction(connection):
        new = _append_facts(connection, w.source, tables, digest)
        _append_changes(connection, w.source, found)
        _append_beside(connection, w.source, found)
        take_out(connection, w.source, digest)
        left_out = leave_out(connection, w.source, digest)
        for taken in _counted(spans, found):
            query.execute(connection, "01_ingest/record_segment", source=w.source, **taken)
        if brought:
            of: dict[str, query.Parameter] = {
                "digest": digest,
                "path": path,
                "rows": rows,
                "duplicates": rows - new + left_out,
            }
            query.execute(connection, "01_ingest/record_reading", source=w.source, **of, **_ends(tables))
    faults = tuple(map(str, found.broken))
    return Batch(digest, rows, rows - new + left_out, bool(brought), len(faults), faults, left_out)


def reckon_again(w: Warehouse, taken: Sequence[Taken]) -> None:
    """Files of which lines were overwritten by purpose: what was taken of them, as it stands there now."""
    nothing = {"requests": 0, "outcomes": 0, "broken": 0, "first_at": None, "last_at": None}
    with connect(w.path) as connection, transaction(connection):
        for one in taken:
            query.execute(connection, "01_ingest/record_segment", source=w.source, **_as_row(one), **nothing)


@dataclass(frozen=True, slots=True)
class _Tables:
    requests: pa.Table
    impressions: pa.Table
    outcomes: pa.Table

    @classmethod
    def of(cls, found: LogColumns) -> "_Tables":
        return cls(found.requests, found.impressions, found.outcome_table)


def _ends(tables: _Tables) -> dict[str, query.Parameter]:
    """The first and last instant of the requests; null where there is none."""
    ends = pc.min_max(tables.requests["at"])
    return {"first": ends["min"].as_py(), "last": ends["max"].as_py()}


def _append_facts(connection: duckdb.DuckDBPyConnection, source: str, tables: _Tables, digest: str) -> int:
    """Append what is not here; the number of impressions that were not."""
    new = 0
    of: dict[str, query.Parameter] = {"source": source, "digest": digest}
    late: dict[str, query.Parameter] = {"closed": closed(connection, source)}
    if len(tables.requests):
        of |= _ends(tables)
        query.execute(connection, "01_ingest/append_logged_requests", {f"batch_{REQUESTS}": tables.requests}, **of)
        read = {f"batch_{IMPRESSIONS}": tables.impressions}
        made = query.frame(connection, "01_ingest/append_logged_impressions", read, **of, **late)
        new = int(made["Count"].iloc[0])
    if len(tables.outcomes):
        with query.registered(connection, {f"received_{OUTCOMES}": tables.outcomes}):
            query.execute(connection, "01_ingest/distinct_outcomes")
            query.execute(connection, "01_ingest/supersede_outcomes", source=source)
            query.execute(connection, "01_ingest/append_outcomes", source=source, digest=digest, **late)
    return new


def _append_changes(connection: duckdb.DuckDBPyConnection, source: str, found: LogColumns) -> None:
    """Attributes first, then what was taken off the shelf: an item that was hidden keeps what was said of it before."""
    shown = [line for line in found.changes if not (isinstance(line, ItemLine) and line.hidden)]
    for lines in (shown, found.changes if len(shown) < len(found.changes) else []):
        if lines:
            upsert_entities(connection, source, entity_changes(lines))


def _append_beside(connection: duckdb.DuckDBPyConnection, source: str, found: LogColumns) -> None:
    """Catalogues, who named them, what was broken, and who is to be forgotten."""
    catalogues = pa.table([list(found.catalogues), list(found.catalogues.values())], schema=CATALOGUES)
    last = [(file, g, of) for file, named in found.servable.items() for g, of in named.items()]
    broken = [(b.file, b.line, b.offset, b.reason, b.raw) for b in found.broken]
    for name, table, rows, schema in (
        ("record_segment_catalogues", "batch_named", last, NAMED),
        ("append_broken_records", "batch_broken", broken, BROKEN),
        ("append_forget_asked", "batch_forgotten", list(found.forgotten.items()), FORGOTTEN),
    ):
        if rows:
            made = pa.table([list(column) for column in zip(*rows, strict=True)], schema=schema)
            query.execute(connection, f"01_ingest/{name}", {table: made}, source=source)
    if found.catalogues:
        query.execute(connection, "01_ingest/append_catalogues", {"batch_catalogues": catalogues}, source=source)


def _counted(spans: Sequence[Span], found: LogColumns) -> list[dict[str, query.Parameter]]:
    """What is entered of each file: how far it was read, and what that brought."""
    made = []
    for span in spans:
        counts = found.counts.get(span.after.file)
        entered: dict[str, query.Parameter] = {
            "requests": counts.requests if counts else 0,
            "outcomes": counts.outcomes if counts else 0,
            "broken": sum(broken.file == span.after.file for broken in found.broken),
            "first_at": counts.first_at if counts else None,
            "last_at": counts.last_at if counts else None,
        }
        made.append({**_as_row(span.after), **entered})
    return made


def _as_row(taken: Taken) -> dict[str, query.Parameter]:
    return {
        "file": taken.file,
        "bytes": taken.bytes,
        "lines": taken.lines,
        "crc": taken.crc,
        "edge": taken.edge,
        "written_ns": taken.written_ns,
    }


def _digest(spans: Sequence[Span]) -> str:
    """Name of what was read: SHA-256 over the files, from where to where, and the CRC-32 up to there."""
    told = "\n".join(f"{s.after.file} {s.before.bytes} {s.after.bytes} {s.after.crc}" for s in spans)
    return hashlib.sha256(told.encode()).hexdigest()


def broken_records(w: Warehouse) -> tuple[BrokenRecord, ...]:
    """Every broken record of the log, in the order of its files; without its bytes."""
    return _broken(w, "01_ingest/broken_records")


def told_broken(w: Warehouse, cutoff: int) -> tuple[BrokenRecord, ...]:
    """Broken records that the turn ending at `cutoff` tells of."""
    return _broken(w, "01_ingest/told_broken", cutoff=cutoff)


def tell_broken(w: Warehouse, cutoff: int) -> None:
    """What no turn has told of yet was told by this one."""
    with connect(w.path) as connection:
        query.execute(connection, "01_ingest/tell_broken", source=w.source, cutoff=cutoff)


def _broken(w: Warehouse, name: str, **parameters: query.Parameter) -> tuple[BrokenRecord, ...]:
    with connect(w.path) as connection:
        found = query.rows(connection, name, source=w.source, **parameters)
    return tuple(
        BrokenRecord(str(r["file"]), int(str(r["line"])), int(str(r["offset"])), str(r["reason"]), b"") for r in found
    )


def forget_asked(w: Warehouse) -> dict[str, int]:
    """Users whom the log, as far as it was read, says to forget and who are not -> the latest instant of that."""
    with connect(w.path) as connection:
        found = query.rows(connection, "01_ingest/forget_asked", source=w.source)
    return {str(row["user_id"]): int(str(row["at"])) for row in found}


def forgetting_done(w: Warehouse, done: Mapping[str, int]) -> None:
    """Users until an instant each who are out of everything."""
    table = pa.Table.from_pandas(
        pd.DataFrame({"user_id": list(done), "at": list(done.values())}), schema=FORGOTTEN, preserve_index=False
    )
    with connect(w.path) as connection:
        query.execute(connection, "01_ingest/clear_forget_asked", {"done": table}, source=w.source)


def forget_broken_records(w: Warehouse, named_as: Sequence[str]) -> None:
    """Throw away broken lines that name somebody who is forgotten: `named_as` are texts as a line has them."""
    with connect(w.path) as connection:
        for text in named_as:
            query.execute(connection, "01_ingest/forget_broken_records", source=w.source, named=text)
