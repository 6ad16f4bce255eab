"""Bring a file of an earlier release to the tables of this one: by numbered scripts, in place, after a backup.

The scripts are ``sql/migrations/NNNN_name.sql``; the table `migrations` names those that a file has been through. All
that are missing run in one transaction: a file is as it was, or as it shall be. A new file is laid out at once, by
``00_schema/tables.sql``, which a test holds to what the scripts make of every earlier layout.
"""

import logging
import os
import shutil
from functools import cache
from pathlib import Path

import duckdb

from components.domain import ContractBroken, Transient
from components.whole_file import sync_folder
from warehouse import query

log = logging.getLogger(__name__)

FOLDER = "migrations"
TRIES = 5
"""How often a file is copied that somebody else writes to meanwhile."""


@cache
def scripts() -> dict[int, str]:
    """Every migration there is, in order: number -> name, such as ``0002_operations``."""
    return {int(path.stem.partition("_")[0]): path.stem for path in sorted((query.SQL / FOLDER).glob("*.sql"))}


def newest() -> int:
    """The number of the last migration: the layout that this release works on."""
    return max(scripts())


def layout(connection: duckdb.DuckDBPyConnection) -> int | None:
    """The last migration that an open file has been through; None where nothing is laid out yet.

    Before migrations were numbered, an outcome's reward was called value (0), or was not (1).
    """
    try:
        (last,) = query.rows(connection, "00_schema/last_migration")
    except duckdb.CatalogException:
        (found,) = query.rows(connection, "00_schema/layout")
        if not found["tables"]:
            return None
        return 0 if found["valued"] else 1
    return int(str(last["number"]))


def refuse_newer(path: Path, number: int) -> None:
    """Leave a file alone that a newer release has changed.

    Raises
    ------
    ContractBroken
        If its layout is not known here.
    """
    if number > newest():
        raise ContractBroken(
            f"warehouse {path} was made by a newer Evercurrent: its layout is {number}, known here are up to "
            f"{newest()}; install that release again, or put a backup in its place ({backup_of(path, newest()).name})"
        )


def lay_out(connection: duckdb.DuckDBPyConnection) -> None:
    """The tables of a new file; inside a transaction of the caller's."""
    for statement in query.statements("00_schema/tables"):
        connection.execute(statement)
    _record(connection, *scripts())


def migrate(connection: duckdb.DuckDBPyConnection, since: int) -> None:
    """Run what a file of the layout `since` has not been through; inside a transaction of the caller's."""
    missing = [number for number in scripts() if number > since]
    for number in missing:
        for statement in query.statements(f"{FOLDER}/{scripts()[number]}"):
            connection.execute(statement)
    known = query.rows(connection, "00_schema/last_migration")[0]["number"]
    _record(connection, *(missing if known is not None else scripts()))


def _record(connection: duckdb.DuckDBPyConnection, *numbers: int) -> None:
    for number in numbers:
        query.execute(connection, "00_schema/record_migration", number=number, name=scripts()[number])


def backup_of(path: Path, number: int) -> Path:
    """Where a file is kept as it was in a layout: ``warehouse.0001.duckdb`` beside ``warehouse.duckdb``."""
    return path.with_name(f"{path.stem}.{number:04d}{path.suffix}")


def back_up(path: Path, number: int) -> Path:
    """Copy a closed file aside as it is, whole or not at all.

    Raises
    ------
    Transient
        If the disk refuses, or the file changes while it is copied.
    """
    to = backup_of(path, number)
    part = to.with_name(f".{to.name}.{os.getpid()}.part")
    try:
        for _ in range(TRIES):
            before = _stamp(path)
            shutil.copyfile(path, part)
            if _stamp(path) == before:
                _settle(part, to)
                return to
    except OSError as error:
        raise Transient(
            f"cannot back up warehouse {path} to migrate it: {error.strerror or error}; it needs as much room "
            "again as it takes, and rights there; nothing was changed"
        ) from None
    finally:
        part.unlink(missing_ok=True)
    raise Transient(f"warehouse {path} is written to while it is backed up; nothing was changed: try again")


def _settle(part: Path, to: Path) -> None:
    with part.open("rb") as file:
        os.fsync(file.fileno())
    part.replace(to)
    sync_folder(to.parent)


def _stamp(path: Path) -> tuple[int, int, bool]:
    beside = path.with_name(f"{path.name}.wal")
    state = path.stat()
    return state.st_size, state.st_mtime_ns, beside.exists()
