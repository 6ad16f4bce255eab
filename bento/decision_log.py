"""The append-only decision log: what was decided and what came of it, one JSON object per line.

One file per process and day, ``<home>/decisions/<day>-<process>-<start>.jsonl``, so that no
two writers share a file and a line is never torn by another. A line reaches the kernel
before its answer leaves the service; `sync` forces it to the disk. What stands in a line:
`components.ingest.log_lines`.
"""

import logging
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from pydantic import ValidationError

from components.domain import SECOND, Transient
from components.frozen import first_fault
from components.ingest.log_lines import LogLine, ServableLine, parse_line
from components.whole_file import sync_folder

logger = logging.getLogger("bentoml.evercurrent")

FOLDER, ENDING = "decisions", ".jsonl"


def day_of(at: int) -> str:
    """UTC day of an instant in microseconds, as in the names of the files."""
    return datetime.fromtimestamp(at / SECOND, UTC).strftime("%Y-%m-%d")


class DecisionLog:
    """Writes one process's lines. Not for use by several threads at once."""

    def __init__(self, home: Path, process: int) -> None:
        self._folder, self._process = home / FOLDER, process
        self._day = ""
        self._handle: int | None = None
        self._dirty = False
        self._named: set[int] = set()

    def append(self, line: LogLine, at: int) -> None:
        """Write one line of the instant `at`; all of it or nothing.

        Raises
        ------
        Transient
            If the disk refuses (full, read-only): the decision must not leave unlogged.
        """
        content = line.model_dump_json().encode() + b"\n"
        try:
            self._write(self._open(at), content)
        except OSError as error:
            raise Transient(
                f"cannot write the decision log in {self._folder}: {error.strerror}; free space and rights there"
            ) from None
        self._dirty = True

    def name_servable(self, generation: int, items: list[str], at: int) -> None:
        """Say once per file which items a generation may serve."""
        if day_of(at) > self._day or generation not in self._named:
            self.append(ServableLine(generation=generation, items=tuple(items)), at)
            self._named.add(generation)

    def sync(self) -> None:
        """Force what was written to the disk."""
        if self._dirty and self._handle is not None:
            self._dirty = False
            os.fsync(self._handle)

    def close(self) -> None:
        """Sync and close; the next line opens a new file."""
        if self._handle is not None:
            self.sync()
            os.close(self._handle)
        self._handle, self._day = None, ""

    def _open(self, at: int) -> int:
        day = day_of(at)
        if self._handle is None or day > self._day:  # a clock set back writes on in its file
            self.close()
            self._folder.mkdir(parents=True, exist_ok=True)
            path = self._folder / f"{day}-{self._process}-{at}{ENDING}"
            self._handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
            sync_folder(self._folder)
            self._day, self._named = day, set()
        return self._handle

    @staticmethod
    def _write(handle: int, content: bytes) -> None:
        before = os.fstat(handle).st_size
        try:
            written = os.write(handle, content)
            if written < len(content):
                os.write(handle, content[written:])
        except OSError:
            os.ftruncate(handle, before)
            raise


class LogTail:
    """Follows all files of a decision log, from a day on; a line is handed out once it is whole."""

    def __init__(self, home: Path, since: int) -> None:
        self._folder, self._since = home / FOLDER, day_of(max(since, 0))
        self._read: dict[str, int] = {}

    def lines(self) -> Iterator[LogLine]:
        """Lines that were completed since the last call; what is no line of the log is passed over."""
        for entry in sorted(self._entries(), key=lambda e: e.name):
            start = self._read.get(entry.name, 0)
            if entry.stat().st_size <= start:
                continue
            with Path(entry.path).open("rb") as file:
                file.seek(start)
                content = file.read()
            whole = content[: content.rfind(b"\n") + 1]
            self._read[entry.name] = start + len(whole)
            for raw in whole.splitlines():
                line = _parsed(raw)
                if line is not None:
                    yield line

    def _entries(self) -> Iterator[os.DirEntry[str]]:
        if self._folder.is_dir():
            for entry in os.scandir(self._folder):
                if entry.name.endswith(ENDING) and entry.name[:10] >= self._since:
                    yield entry


def _parsed(raw: bytes) -> LogLine | None:
    try:
        return parse_line(raw)
    except ValidationError as error:
        logger.warning("stage=serve event=line_passed_over reason=%s", first_fault(error, "the whole line"))
        return None
