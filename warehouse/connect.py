"""Open the warehouse briefly: DuckDB lets one process write and locks every other out while it does.

A second process waits with a message and then fails as `Transient`. Whatever lives
outside the flows reads exported files and never opens the warehouse.

Opening a file costs DuckDB thirty milliseconds, and a turn asks the ledger some fifty questions; so a file stays open
until nobody has asked it anything for a moment. What was written is in the file itself by then, not beside it.
"""

import atexit
import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import duckdb

from components.domain import Transient
from warehouse.migrate import back_up, backup_of, lay_out, layout, migrate, newest, refuse_newer
from warehouse.quiet_end import end_quietly

log = logging.getLogger(__name__)

CONFIG: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": "false",  # no network: everything needed is built in
    "autoload_known_extensions": "false",
    "memory_limit": "1536MB",  # a turn has this beside its arrays; sorts and joins that need more go to the disk
}


@dataclass(frozen=True, slots=True)
class Warehouse:
    """The DuckDB file at `path`, and the one source whose rows are meant."""

    path: Path
    source: str


LINGER = 0.2
"""Seconds a file stays open after its last question: longer than most stages think between two."""


@dataclass(slots=True)
class _Open:
    """An open file: which one it is on the disk, who uses it, and what will close it."""

    connection: duckdb.DuckDBPyConnection
    inode: int
    users: int = 0
    closing: threading.Timer | None = field(default=None, repr=False)


_open_files: dict[Path, _Open] = {}
_guard = threading.RLock()


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
    _end_closed()
    path = path.absolute()
    opened = _take(path, patience)
    linger = 0.0
    try:
        with opened.connection.cursor() as cursor:
            cursor.execute("set enable_progress_bar = false")  # it would draw into the JSON of `python -c`
            yield cursor
        linger = LINGER
    finally:
        _give_back(path, opened, linger)


def users_of(path: Path) -> int:
    """How many in this process use the file at the moment."""
    with _guard:
        opened = _open_files.get(path.absolute())
        return 0 if opened is None else opened.users


@contextmanager
def kept_open(path: Path) -> Iterator[None]:
    """The file stays open until the block ends, for many transactions in a row; each is durable once committed."""
    with connect(path):
        yield


def _take(path: Path, patience: float) -> _Open:
    """The file, open; opened anew if another one lies at its path by now."""
    with _guard:
        opened = _open_files.get(path)
        if opened is not None and not opened.users and opened.inode != _inode(path):
            _close(path, opened)
            opened = None
        if opened is None:
            connection = _open(path, patience)
            opened = _open_files[path] = _Open(connection, _inode(path))
        if opened.closing is not None:
            opened.closing.cancel()
            opened.closing = None
        opened.users += 1
        return opened


def _give_back(path: Path, opened: _Open, linger: float) -> None:
    """Close the file in a moment if nobody asks again, and at once where something went wrong."""
    with _guard:
        opened.users -= 1
        if opened.users:
            return
        beside = path.with_name(f"{path.name}.wal")
        if not linger or opened.inode != _inode(path):
            _close(path, opened)
            return
        if beside.exists() and beside.stat().st_size:
            opened.connection.execute("checkpoint")
        opened.closing = threading.Timer(linger, _close_idle, (path, opened))
        opened.closing.daemon = True
        opened.closing.start()


def _close_idle(path: Path, opened: _Open) -> None:
    with _guard:
        if not opened.users and _open_files.get(path) is opened:
            _close(path, opened)


@cache
def _end_closed() -> None:
    """Let the process end with every file closed: a timer that closes one while the interpreter ends aborts it."""
    atexit.register(_close_all)


def _close_all() -> None:
    with _guard:
        for path, opened in list(_open_files.items()):
            if opened.closing is not None:
                opened.closing.cancel()
            _close(path, opened)


def _close(path: Path, opened: _Open) -> None:
    opened.connection.close()
    if _open_files.get(path) is opened:
        del _open_files[path]


def _inode(path: Path) -> int:
    return path.stat().st_ino if path.exists() else 0


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
    """The file, laid out as this release works on it: one of an earlier release is copied aside and migrated."""
    path.parent.mkdir(parents=True, exist_ok=True)
    give_up = time.monotonic() + patience
    backed_up: int | None = None
    while True:
        connection = _connected(path, give_up, patience)
        try:
            number = layout(connection)
            if number == newest():
                return connection
            if number is None or number == backed_up:
                _bring_up(connection, path, number)
                return connection
            refuse_newer(path, number)
        except BaseException:
            connection.close()
            raise
        connection.close()  # a copy of an open file is none: what is open here may not be whole on the disk
        back_up(path, number)
        backed_up = number


def _bring_up(connection: duckdb.DuckDBPyConnection, path: Path, number: int | None) -> None:
    with transaction(connection):
        if number is None:
            lay_out(connection)
        else:
            migrate(connection, number)
    if number is not None:
        kept = backup_of(path, number)
        log.warning("event=warehouse_migrated path=%s from=%d to=%d backup=%s", path, number, newest(), kept)


def _connected(path: Path, give_up: float, patience: float) -> duckdb.DuckDBPyConnection:
    told = False
    while True:
        try:
            return duckdb.connect(str(path), config=CONFIG)
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
