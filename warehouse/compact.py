"""Give the disk back what the warehouse's file has freed: DuckDB writes freed blocks again, and never shortens a file.

Where much of a file is free, what is in it is copied into a new one, which takes its place while the old one is still
locked: nobody ever opens a file that is about to go.
"""

import logging
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import duckdb

from components.domain import ContractBroken
from components.whole_file import sync_folder
from warehouse import query
from warehouse.connect import connect, users_of
from warehouse.log_cells import identifier

log = logging.getLogger("evercurrent")

WORTH_SHARE, WORTH_BYTES = 0.25, 4 << 20
"""Share of a file, and bytes, that must be free for the rest to be copied. Own choice: less is soon written again."""
ROOM = 1.1
"""Room that the copy needs on the disk, in sizes of what is in use."""


def compact(path: Path) -> int:
    """Copy the warehouse into a new file if that gives much back; the bytes by which it is smaller.

    The home's lock must be held. Killed at any point, the old file is there whole, or the new one.
    """
    for unfinished in path.parent.glob(f".{path.name}.*.part*"):
        unfinished.unlink()
    with connect(path) as connection:
        connection.execute("checkpoint")
        before = path.stat().st_size
        if not _worth_it(connection, path):
            return 0
        fresh = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            _copy(connection, fresh)
            if users_of(path) > 1:
                return 0  # somebody in this process would go on with the old file
            fresh.replace(path)
            sync_folder(path.parent)
        finally:
            fresh.unlink(missing_ok=True)
    given_back = before - path.stat().st_size
    log.info("stage=prune event=compacted bytes_before=%d bytes_given_back=%d", before, given_back)
    return given_back


def _worth_it(connection: duckdb.DuckDBPyConnection, path: Path) -> bool:
    (size,) = query.rows(connection, "07_retention/size")
    total, free = int(str(size["total_bytes"])), int(str(size["free_bytes"]))
    if free < max(WORTH_SHARE * total, WORTH_BYTES):
        return False
    room, needed = shutil.disk_usage(path.parent).free, ROOM * (total - free)
    if room < needed:
        log.warning("stage=prune event=not_compacted free_bytes=%d needed_bytes=%d", room, needed)
    return room >= needed


def _copy(connection: duckdb.DuckDBPyConnection, fresh: Path) -> None:
    """All tables, with every row counted once more, on the disk when this returns."""
    own = _counts(connection, None)
    connection.execute("attach '{}' as fresh".format(str(fresh).replace("'", "''")))
    try:
        query.fill(connection, "07_retention/copy_database", {"name": identifier(own.database)})
        copied = _counts(connection, "fresh")
        if copied.rows != own.rows:
            raise ContractBroken(f"the copy of the warehouse has other rows: {copied.rows}, meant {own.rows}")
        connection.execute("checkpoint fresh")
    finally:
        connection.execute("detach fresh")
    with fresh.open("rb") as file:
        os.fsync(file.fileno())


@dataclass(frozen=True, slots=True)
class _Counts:
    """Rows of each table of a database."""

    database: str
    rows: dict[str, int]


def _counts(connection: duckdb.DuckDBPyConnection, database: str | None) -> _Counts:
    rows, name = {}, ""
    for table in query.rows(connection, "07_retention/tables", database=database):
        name = str(table["database"])
        slots = {"database": identifier(name), "table": identifier(str(table["name"]))}
        ((count,),) = query.fill(connection, "07_retention/count_rows", slots).fetchall()
        rows[str(table["name"])] = int(count)
    return _Counts(name, rows)
