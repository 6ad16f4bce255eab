"""The append-only decision log: what was decided and what came of it, one JSON object per line.

Files per process and day, ``<home>/decisions/<day>-<process>-<start>.jsonl``, so that no two writers share a file and
a line is never torn by another; a file that is full is closed, and never written again. A line reaches the kernel
before its answer is made, and the disk before the answer leaves the service (`bento.group_commit`). What stands in a
line: `components.ingest.log_lines`.
"""

import fcntl
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path

from bento.log import Earned, Known
from components.domain import Transient
from components.ingest.log_lines import LogLine, OutcomeLine, ServableLine, written
from components.ingest.log_tail import ENDING, FOLDER, day_of
from components.whole_file import sync_folder

LOCK = ".outcomes.lock"
PROBE_BYTES = 65_536
"""What a disk must take to count as one that takes lines again."""


@dataclass(frozen=True, slots=True)
class Handed:
    """Receipt of a line: the log it was handed to, how many syncs of that had failed by then, what was told before."""

    log: "DecisionLog"
    failed: int
    earlier: Earned | None = None

    def settled(self) -> Earned | None:
        """As `bento.log.Receipt`: a sync that failed since may have been this line's."""
        if self.log.failed != self.failed:
            raise Transient(self.log.fault or f"{self.log.failed - self.failed} syncs of the decision log failed")
        return self.earlier


class DecisionLog:
    """Writes one process's lines, from one thread; `sync` may run in another. As `bento.log.Log`.

    `fault` says why the disk refused last, None once it takes lines again; `failed` counts the syncs it refused.
    """

    degraded: str | None = None

    def __init__(self, home: Path, process: int, segment_bytes: int = 1 << 26, *, several: bool = False) -> None:
        """Of one process; a file is closed, and the next one opened, where it would pass `segment_bytes`.

        `several` processes of this home may be told the same outcome.
        """
        self._several, self.failed = several, 0
        self._folder, self._process, self._most = home / FOLDER, process, segment_bytes
        self._size = 0
        self._day = ""
        self._handle: int | None = None
        self._dirty = False
        self._named: set[int] = set()
        self._file = threading.Lock()  # held while the file is synced, closed or exchanged
        self._lock: int | None = None
        self.fault: str | None = None

    def append(self, line: LogLine, at: int, naming: ServableLine | None = None) -> Handed:
        """Write one line of the instant `at`; all of it or nothing.

        `naming` says what the line refers to; it stands before it, once per file.

        Raises
        ------
        Transient
            If the disk refuses (full, read-only): the decision must not leave unlogged.
        """
        content, receipt = written(line), Handed(self, self.failed)
        try:
            handle = self._open(at, len(content))
            if naming is not None and naming.generation not in self._named:
                content = written(naming) + content
            self._write(handle, content)
        except OSError as error:
            raise self._refused(error) from None
        self._size += len(content)
        if naming is not None:
            self._named.add(naming.generation)
        self._dirty, self.fault = True, None
        return receipt

    def tell(self, line: OutcomeLine, known: Known) -> Handed:
        """Write an outcome unless it is known: told to several workers at once, the first to come here wins.

        Raises
        ------
        Transient
            If the disk refuses.
        """
        with self.alone() if self._several else nullcontext():
            earlier = known()
            return self.append(line, line.at) if earlier is None else Handed(self, self.failed, earlier)

    @contextmanager
    def alone(self) -> Iterator[None]:
        """For the block, no other process of this home is inside one: what is looked up there stays so until it ends.

        Raises
        ------
        Transient
            If the disk refuses the file that is locked.
        """
        try:
            handle = self._locked()
        except OSError as error:
            raise self._refused(error) from None
        fcntl.flock(handle, fcntl.LOCK_EX)
        try:
            yield
        finally:
            fcntl.flock(handle, fcntl.LOCK_UN)

    def _locked(self) -> int:
        if self._lock is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._lock = os.open(self._folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
        return self._lock

    def sync(self) -> None:
        """Force what was written to the disk.

        Raises
        ------
        Transient
            If the disk refuses. What was written since the last sync may be lost: a second try would report a
            success that the kernel cannot promise (Rebello et al. 2020, "Can applications recover from fsync
            failures?", section 3), so the next line opens a new file.
        """
        with self._file:
            if not self._dirty or self._handle is None:
                return
            self._dirty = False
            try:
                os.fsync(self._handle)
            except OSError as error:
                self._leave()
                self.failed += 1
                raise self._refused(error) from None

    def probe(self) -> None:
        """After a fault, find out whether the disk takes lines again; says so in `fault`."""
        if self.fault is None:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            trial = self._folder / f".{self._process}.probe"
            try:
                trial.write_bytes(b" " * PROBE_BYTES)
            finally:
                trial.unlink(missing_ok=True)
        except OSError as error:
            self._refused(error)
        else:
            self.fault = None

    def close(self) -> None:
        """Sync and close; the next line opens a new file."""
        self.sync()
        with self._file:
            self._leave()

    def _leave(self) -> None:
        if self._handle is not None:
            os.close(self._handle)
        self._handle, self._day = None, ""

    def _refused(self, error: OSError) -> Transient:
        self.fault = f"cannot write the decision log in {self._folder}: {error.strerror}; free space and rights there"
        return Transient(self.fault)

    def _open(self, at: int, size: int) -> int:
        day, full = day_of(at), self._size + size > self._most and self._size > 0
        if self._handle is None or day > self._day or full:  # a clock set back writes on in its file
            day = max(day, self._day)
            self.close()
            self._folder.mkdir(parents=True, exist_ok=True)
            self._handle = self._fresh(day, at)
            sync_folder(self._folder)
            self._day, self._named, self._size = day, set(), 0
        return self._handle

    def _fresh(self, day: str, at: int) -> int:
        """A file of its own name: several may begin at one instant, where lines are large."""
        for number in range(1_000_000):
            name = f"{day}-{self._process}-{at + number}{ENDING}"
            try:
                return os.open(self._folder / name, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL, 0o644)
            except FileExistsError:
                continue
        raise FileExistsError(f"no free name for a file of {day}")

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
