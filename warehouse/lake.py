"""What was taken of a lake: its files by name, size and instant; of a Delta table also how far it was followed."""

from dataclasses import dataclass

import duckdb

from components.ingest.lake import LakeFile, Stamp
from warehouse import query
from warehouse.connect import Warehouse, connect


@dataclass(frozen=True, slots=True)
class Position:
    """How far a Delta table was followed; `opening` while the files of its first version are being taken."""

    version: int
    opening: bool


def lake_files(w: Warehouse, lake: str) -> dict[str, LakeFile]:
    """What was taken of a lake, by the name of the file."""
    with connect(w.path) as connection:
        found = query.table(connection, "01_ingest/lake_files", source=w.source, lake=lake)
    columns = (found[name].to_pylist() for name in ("file", "size", "written_ns", "digest", "columns", "fault"))
    return {
        file: LakeFile(lake, file, Stamp(size, written_ns), frozenset(of_description), digest, fault)
        for file, size, written_ns, digest, of_description, fault in zip(*columns, strict=True)
    }


def enter_file(connection: duckdb.DuckDBPyConnection, source: str, file: LakeFile) -> None:
    """Enter a file, within a transaction of the caller."""
    query.execute(
        connection,
        "01_ingest/enter_lake_file",
        source=source,
        lake=file.lake,
        file=file.name,
        size=file.stamp.size,
        written_ns=file.stamp.written_ns,
        digest=file.digest,
        columns=sorted(file.columns),
        fault=file.fault,
    )


def note_file(w: Warehouse, file: LakeFile) -> None:
    """Enter a file that brings no rows: one that could not be taken, or that was only touched."""
    with connect(w.path) as connection:
        enter_file(connection, w.source, file)


def position(w: Warehouse, lake: str) -> Position | None:
    """How far a Delta table was followed; None before it was."""
    with connect(w.path) as connection:
        found = query.rows(connection, "01_ingest/lake_version", source=w.source, lake=lake)
    return Position(int(str(found[0]["version"])), bool(found[0]["opening"])) if found else None


def enter_position(w: Warehouse, lake: str, at: Position) -> None:
    """Go on from `at` the next time."""
    with connect(w.path) as connection:
        query.execute(
            connection,
            "01_ingest/enter_lake_version",
            source=w.source,
            lake=lake,
            version=at.version,
            opening=at.opening,
        )
