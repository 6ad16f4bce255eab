"""The files of a day that leaves the warehouse: written beside their place, held to the rows, then put there whole.

A user who is forgotten later is taken out of them file by file: each is replaced whole, and the one by which the others
are found comes last, so that a cut is gone on from.
"""

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import duckdb

from components.domain import ContractBroken, Transient
from components.ingest.day_folders import DAY_FILES, DESCRIPTION, day_folder, day_folders
from components.whole_file import sync_folder, write_durably, write_whole
from warehouse import query
from warehouse.connect import Warehouse, connect

WRITTEN = {"users": "07_retention/write_users", "items": "07_retention/write_items"}
"""What lies beside the days, and what writes it."""
REST = {
    "outcomes": "07_retention/rest_of_outcomes",
    "quarantine": "07_retention/rest_of_quarantine",
    "impressions": "07_retention/rest_of_impressions",
    "requests": "07_retention/rest_of_requests",
}
"""What a day's file keeps when users are forgotten, in order: what finds the others comes last."""


def write_day(connection: duckdb.DuckDBPyConnection, archive: Path, day: date) -> None:
    """Write the rows of the views ``going_*`` into the folder of their day.

    A folder that is there already is of a run that was cut before it deleted what it had written, and is replaced.

    Raises
    ------
    ContractBroken
        If a file, read again, does not hold the rows.
    Transient
        If the disk refuses; nothing is left behind.
    """
    folder = day_folder(archive, day)
    part, before = (archive / f".{folder.name}.{os.getpid()}{what}.part" for what in ("", ".before"))
    with _room(archive, part, before):
        part.mkdir()
        for name in DAY_FILES:
            _write(connection, f"going_{name}", part / f"{name}.parquet")
        sync_folder(part)
        if folder.exists():
            folder.replace(before)
        part.replace(folder)
        sync_folder(archive)


def write_beside(w: Warehouse, archive: Path, description: Path) -> None:
    """Write what the days need beside them to be brought into a new home: users, items, and the source."""
    with _disk(archive), connect(w.path) as connection:
        for name, text in WRITTEN.items():
            write_whole(archive / f"{name}.parquet", _copier(connection, text, source=w.source))
        write_durably(archive / DESCRIPTION, description.read_bytes())


def forget_in_days(w: Warehouse, archive: Path) -> int:
    """Take users out who are to be forgotten; the requests that went.

    Raises
    ------
    Transient
        If the disk refuses; the next call goes on.
    """
    gone = 0
    for unfinished in archive.glob(".day=*.part"):
        shutil.rmtree(unfinished)
    for folder in day_folders(str(archive)) if archive.is_dir() else []:
        with _disk(folder), connect(w.path) as connection:
            gone += _forget_in(connection, w.source, folder)
    return gone


def _forget_in(connection: duckdb.DuckDBPyConnection, source: str, folder: Path) -> int:
    paths = {name: str(folder / f"{name}.parquet") for name in DAY_FILES}
    asked = {"source": source, "requests": paths["requests"]}
    query.execute(connection, "07_retention/of_forgotten_in_day", **asked)
    ((requests,),) = connection.execute(query.text("07_retention/count_of_forgotten")).fetchall()
    if requests:
        for name, text in REST.items():
            needed = {p: paths[p] for p in query.parameters_of(text) if p in paths}
            if Path(paths[name]).exists():
                write_whole(Path(paths[name]), _copier(connection, text, **needed), durable=True)
    return int(requests)


def _copier(connection: duckdb.DuckDBPyConnection, name: str, **parameters: query.Parameter) -> Callable[[Path], None]:
    def copy(part: Path) -> None:
        query.execute(connection, name, part=str(part), **parameters)

    return copy


def _write(connection: duckdb.DuckDBPyConnection, view: str, path: Path) -> None:
    slots = {"table": view}
    (meant,) = query.fill(connection, "07_retention/digest_going", slots).fetchall()
    query.fill(connection, "07_retention/write_going", slots, path=str(path))
    (found,) = query.fill(connection, "07_retention/digest_file", {}, path=str(path)).fetchall()
    if meant != found:
        raise ContractBroken(
            f"{path} does not hold what was written: {found[0]:,} rows, digest {found[1]}; meant were {meant[0]:,}, "
            f"{meant[1]}; nothing was deleted: look at the disk, then prune again"
        )
    with path.open("rb") as file:
        os.fsync(file.fileno())


@contextmanager
def _room(archive: Path, *parts: Path) -> Iterator[None]:
    """Where the unfinished lies for the block; nothing of it is left, whatever happens."""
    with _disk(archive):
        archive.mkdir(parents=True, exist_ok=True)
        try:
            for part in parts:
                shutil.rmtree(part, ignore_errors=True)
            yield
        finally:
            for part in parts:
                shutil.rmtree(part, ignore_errors=True)


@contextmanager
def _disk(folder: Path) -> Iterator[None]:
    try:
        yield
    except (OSError, duckdb.IOException) as error:
        reason = " ".join(str(error).split())[:160]
        raise Transient(f"cannot write in {folder}: {reason}; space and rights there are needed") from None
