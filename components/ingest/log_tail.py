"""Following a decision log while it grows: each line once, as soon as it is whole."""

import logging
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from os import scandir
from pathlib import Path
from time import time_ns
from typing import Generic, Protocol, TypeVar

from components.domain import SECOND
from components.ingest.log_lines import LineBroken

logger = logging.getLogger("bentoml.evercurrent")

FOLDER, ENDING = "decisions", ".jsonl"


def day_of(at: int) -> str:
    """UTC day of an instant in microseconds, as in the names of the files."""
    return datetime.fromtimestamp(at / SECOND, UTC).strftime("%Y-%m-%d")


BLOCK = 1 << 22
"""Bytes that are read at once: a log of days is not held in memory to be read."""

SETTLED_NS = 1_000_000_000
"""A folder that changed more recently may change again within one tick of its clock."""

Line = TypeVar("Line")
Read = TypeVar("Read", covariant=True)


class Tail(Protocol[Read]):
    """Whatever hands out the lines of a decision log as they come."""

    def lines(self) -> Iterator[Read]:
        """Lines that have come since the last call, each once; never waits for the network."""
        ...

    def reach(self, reading: Callable[[], object] | None = None) -> None:
        """Return once all that is in the log at the call can be had from `lines`; `reading` takes them meanwhile."""
        ...

    def close(self) -> None:
        """Follow no further."""
        ...


class LogTail(Generic[Line]):
    """Follows all files of a decision log, from a day on; a line is handed out once it is whole."""

    def __init__(self, home: Path, since: int, parse: Callable[[bytes], Line]) -> None:
        self._folder, self._since, self._parse = home / FOLDER, day_of(max(since, 0)), parse
        self._read: dict[str, int] = {}
        self._open: list[Path] = []  # files that may still grow, in order of their names
        self._listed = -1
        self.passed_over = 0

    def lines(self) -> Iterator[Line]:
        """Lines that were completed since the last call; what is no line of the log is passed over."""
        for path in self._files():
            for raw in self._new(path):
                line = self._parsed(raw)
                if line is not None:
                    yield line

    def reach(self, reading: Callable[[], object] | None = None) -> None:
        """At once: `lines` reads the files itself."""

    def close(self) -> None:
        """Nothing is held open."""

    def _new(self, path: Path) -> Iterator[bytes]:
        """Whole lines after what was read, block by block."""
        rest = b""
        try:
            if path.stat().st_size <= self._read.get(path.name, 0):
                return
            log = path.open("rb")
        except FileNotFoundError:  # archived since the folder was listed
            return
        with log as file:
            file.seek(self._read.get(path.name, 0))
            while block := file.read(BLOCK):
                whole, end, rest = (rest + block).rpartition(b"\n")
                if end:
                    self._read[path.name] = file.tell() - len(rest)
                    yield from whole.split(b"\n")

    def _files(self) -> list[Path]:
        """Files that may have grown: listed again when the folder changed, without those of days that are over.

        A writer of a day opens no file of the day before, and ends its own with its day: what has been read of
        a file two days older than the newest is all there will be.
        """
        try:
            changed = self._folder.stat().st_mtime_ns
        except FileNotFoundError:
            return []
        if changed != self._listed:
            found = sorted(e.name for e in scandir(self._folder) if e.name.endswith(ENDING))
            names = [name for name in found if name[:10] >= self._since]
            closed = str(date.fromisoformat(names[-1][:10]) - timedelta(days=1)) if names else ""
            self._open = [self._folder / n for n in names if n[:10] >= closed or n not in self._read]
            young = time_ns() - changed < SETTLED_NS
            self._listed = -1 if young else changed
        return self._open

    def _parsed(self, raw: bytes) -> Line | None:
        try:
            return self._parse(raw)
        except LineBroken as error:
            self.passed_over += 1
            logger.warning("stage=serve event=line_passed_over reason=%s", error)
            return None
