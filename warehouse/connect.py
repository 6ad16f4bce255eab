"""Open the warehouse briefly: DuckDB lets one process write and locks every other out while it does.

A second process waits with a message and then fails as `Transient`. Whatever lives
outside the flows reads exported files and never opens the warehouse.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb

from components.domain import Transient
from warehouse.query import statements
from warehouse.quiet_end import end_quietly

log = logging.getLogger(__name__)

CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",  # no network: everything needed is built in
    "autoload_known_extensions": "false",
    "memory_limit": "4GB",  # a quarter of a small machine; the default is 80 % of it
}


@dataclass(frozen=True, slots=True)
class Warehouse:
    """The DuckDB file at `path`, and the one source whose rows are meant."""

    path: Path
    source: str


@contextmanager
def connect(path: Path, patience: float = 30.0) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection to the warehouse at `path`, its tables in place, closed when the block ends.

    Parameters
    ----------
    patience : seconds to wait for another process to let go.

    Raises
    ------
    Transient
        If the file is still locked after `patience` seconds.
    """
    end_quietly()
    connection = _open(path, patience)
    try:
        yield connection
    finally:
        connection.close()


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Everything inside the block is written, or nothing is."""
    connection.begin()
    try:
        yield
    except BaseException:
        connection.rollback()
        raise
    connection.commit()


def _open(path: Path, patience: float) -> duckdb.DuckDBPyConnection:
    path.parent.mkdir(parents=True, exist_ok=True)
    give_up = time.monotonic() + patience
    told = False
    while True:
        try:
            connection = duckdb.connect(str(path), config=CONFIG)
        except duckdb.IOException as error:
            if "lock" not in str(error):
                raise
            if time.monotonic() >= give_up:
                raise Transient(
                    f"warehouse {path} is held by another process after {patience:g} s of waiting; "
                    "one process at a time is allowed: try again when it is done"
                ) from None
            if not told:
                log.warning("event=warehouse_busy path=%s waiting_seconds=%g", path, patience)
                told = True
            time.sleep(0.2)
        else:
            _lay_out(connection)
            connection.execute("set enable_progress_bar = false")  # it would draw into the JSON of `python -c`
            return connection


def _lay_out(connection: duckdb.DuckDBPyConnection) -> None:
    """The tables of a new file, all or none; and those, and the columns, that a file of an earlier release lacks."""
    wanted = statements("00_schema/tables")
    tables = sum(statement.startswith("create table") for statement in wanted)
    if connection.execute("select count(*) from duckdb_tables()").fetchone() == (tables,):
        return
    with transaction(connection):
        for statement in wanted:
            connection.execute(statement)
