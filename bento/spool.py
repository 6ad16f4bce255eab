"""Decisions that wait in files for a broker that is away, and how they come into its stream: each once, in order.

Every process has a folder of its own below the spool, with a file that it keeps locked while it lives: whoever finds
one that is not locked moves what a dead one has left. How far a file was moved is entered in the broker, by the same
script that writes its lines there: killed anywhere, and moved by whomever, a line is there once. A file goes once all
of it was moved.

Whoever was forgotten since stays forgotten: the script looks at who that is, at the instant at which it writes.
"""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import cast
from uuid import uuid4

import msgspec
from redis import Redis

from bento.decision_log import DecisionLog
from components.domain import ContractBroken
from components.ingest.log_lines import LineBroken, sound, user_digest
from components.ingest.log_stream import LogStream
from components.ingest.log_tail import ENDING, FOLDER
from components.whole_file import sync_folder

logger = logging.getLogger("bentoml.evercurrent")

MOVE = """
local at = redis.call('hget', KEYS[2], ARGV[1]) or '0'
if at ~= ARGV[2] then return at end
for n = 4, #ARGV, 3 do
  local gone = redis.call('hget', KEYS[3], ARGV[n])
  if not gone or tonumber(gone) < tonumber(ARGV[n + 1]) then
    redis.call('xadd', KEYS[1], '*', 'line', ARGV[n + 2])
  end
end
redis.call('hset', KEYS[2], ARGV[1], ARGV[3])
return ARGV[3]
"""
"""Writes lines of a file (digest of the user, instant, line, of each), if it was moved so far and no further, without
those of users who were forgotten at that instant or later; says how far the file is moved."""
AT_ONCE = 1 << 19
"""Bytes of lines that one script writes: it keeps the others waiting for some milliseconds."""
LOCK, ALIVE = ".lock", ".alive"


class _Whose(msgspec.Struct):
    """Of a line what says whether it may be moved, and as what."""

    type: str
    user_id: str = ""
    at: int = 0
    generation: int = 0


_WHOSE: "msgspec.json.Decoder[_Whose]" = msgspec.json.Decoder(_Whose)


class Spool(DecisionLog):
    """The files of one process, written as a decision log is; and what became of those of others."""

    def __init__(self, folder: Path, process: int, segment_bytes: int) -> None:
        """Below `folder`, which is on this machine and outlives its processes.

        Raises
        ------
        ContractBroken
            If nothing can be written there.
        """
        self.folder, self.own = folder, folder / uuid4().hex
        try:
            with _alone(folder):
                self.own.mkdir()
                self._alive = _locked(self.own / ALIVE)
        except OSError as error:
            raise ContractBroken(
                f"the spool {folder} takes nothing: {error.strerror}; allowed is a folder of this machine that can be "
                "written (EVERCURRENT_SPOOL)"
            ) from None
        super().__init__(self.own, process, segment_bytes)

    def ends(self) -> dict[Path, int]:
        """Its files and how long they are, in order; no line may be on its way into one meanwhile."""
        return _ends(self.own)

    def adopt(self, client: Redis, stream: LogStream) -> int:
        """Move what dead processes have left; how many bytes."""
        moved = 0
        for folder, alive in self._dead():
            try:
                ends = _ends(folder)
                moved += move(client, stream, ends)
                remove(client, stream, ends)
                _leave(folder)
            finally:
                os.close(alive)
        return moved

    def leave(self) -> None:
        """Write no more; what was not moved stays for who comes after."""
        self.close()
        if not self.ends():
            _leave(self.own)
        os.close(self._alive)

    def _dead(self) -> Iterator[tuple[Path, int]]:
        """Folders of processes that are gone, locked now."""
        for folder in sorted(path for path in self.folder.iterdir() if path.is_dir() and path != self.own):
            try:
                with _alone(self.folder):
                    alive = _locked(folder / ALIVE)
            except (BlockingIOError, FileNotFoundError):  # it lives, or somebody else has moved it
                continue
            yield folder, alive


def move(client: Redis, stream: LogStream, ends: dict[Path, int]) -> int:
    """Write the lines of files into the stream, up to an end each, from where that was left; how many bytes.

    Raises
    ------
    RedisError, OSError
        If the broker does not do it; the next call goes on.
    """
    return sum(_move(client, stream, path, end) for path, end in ends.items())


def remove(client: Redis, stream: LogStream, ends: dict[Path, int]) -> None:
    """Delete files of which all was moved; then the broker need not know of them any more."""
    for path in ends:
        path.unlink(missing_ok=True)
    for folder in {path.parent for path in ends}:
        sync_folder(folder)
    for path in ends:
        client.execute_command("HDEL", stream.moved, _name(path))


def _move(client: Redis, stream: LogStream, path: Path, end: int) -> int:
    at = first = int(cast(bytes | None, client.execute_command("HGET", stream.moved, _name(path))) or 0)
    with path.open("rb") as file:
        while at < end:
            file.seek(at)
            lines = _whole(file.readlines(min(AT_ONCE, end - at)), end - at)
            if not lines:  # the last one was cut in two, and never acknowledged
                break
            at = _write(client, stream, path, at, lines)
    if at > first:
        logger.info("stage=serve event=spool_moved file=%s bytes=%d", _name(path), at - first)
    return at - first


def _write(client: Redis, stream: LogStream, path: Path, at: int, lines: list[bytes]) -> int:
    """Where the file is moved to."""
    words: list[str | bytes | int] = []
    for raw in lines:
        whose = _whose(raw)
        if whose.type == "servable":
            client.execute_command("HSETNX", stream.servable, whose.generation, raw)
        else:
            words += [user_digest(whose.user_id), whose.at, raw]
    keys = stream.name, stream.moved, stream.forgotten
    end = at + sum(map(len, lines))
    return int(client.execute_command("EVAL", MOVE, len(keys), *keys, _name(path), at, end, *words))


def _whose(raw: bytes) -> _Whose:
    """Whose a line is; one that is broken is moved as it is, and told of by ingest."""
    try:
        return _WHOSE.decode(sound(raw.rstrip(b"\n")))
    except LineBroken:
        return _Whose("broken")


def _whole(lines: list[bytes], most: int) -> list[bytes]:
    """Those with an end, that are within `most` bytes."""
    kept: list[bytes] = []
    for raw in lines:
        most -= len(raw)
        if most < 0 or not raw.endswith(b"\n"):
            break
        kept.append(raw)
    return kept


def _name(path: Path) -> str:
    """What the broker calls a file: its process's folder is like no other's."""
    return f"{path.parent.parent.name}/{path.name}"


def _ends(folder: Path) -> dict[Path, int]:
    return {path: path.stat().st_size for path in sorted((folder / FOLDER).glob(f"*{ENDING}"))}


def _leave(folder: Path) -> None:
    """Take the folder of a process away; one that is not empty stays."""
    with suppress(OSError):
        for path in (folder / FOLDER).glob(".*.probe"):
            path.unlink()
        if (folder / FOLDER).exists():
            (folder / FOLDER).rmdir()
        (folder / ALIVE).unlink()
        folder.rmdir()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """For the block, nobody else begins or adopts a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _locked(path: Path) -> int:
    """The file, locked as long as the handle is open.

    Raises
    ------
    BlockingIOError
        If somebody else has it.
    """
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(handle)
        raise
    return handle
