"""Taking forgotten users out of the decision log: their lines are overwritten where they stand, byte for byte.

Processes follow the log by how far they have read, and its writer appends; so files keep their length, and whoever
forgot stands there still, by digest. What is to be overwritten is written down first: a cut in the middle is finished
by the next call. Archives are written anew, line by line of the same length.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from components.domain import Transient
from components.ingest.archive import archive_of, archived_lines, archives, write_lines
from components.ingest.log_lines import (
    ForgetLine,
    GoneLine,
    LineBroken,
    LogLine,
    OutcomeLine,
    RequestLine,
    ServableLine,
    UserLine,
    parse_line,
    parts_of,
    written,
)
from components.ingest.log_tail import ENDING, FOLDER
from components.whole_file import sync_folder, write_durably

PLAN = ".redaction.json"
FORGET = b'{"type":"forget"'

Settle = Callable[[frozenset[str]], None]
"""Told of the files whose lines were overwritten, before that counts as done; it may be told twice."""


class Spot(Struct, frozen=True):
    """A line that goes: `length` bytes from `offset` on of a file, and what stands there instead.

    `archived`: of the file's archive. `instead` None: blanks, of a broken line that is too short for more.
    """

    file: str
    offset: int
    length: int
    instead: ForgetLine | GoneLine | None
    archived: bool = False


class _Found(Struct, frozen=True):
    """A line where it stands: `line` None where it is broken."""

    file: str
    offset: int
    raw: bytes
    line: LogLine | None
    archived: bool


def nobody_else(_: frozenset[str]) -> None:
    """Where nobody keeps count of the files' bytes."""


def asked_to_forget(home: Path, since: Mapping[str, int] | None = None) -> dict[str, int]:
    """Users whom the log says to forget and still names -> the latest instant of that, microseconds.

    Parameters
    ----------
    since : file -> bytes of it that are known already, and not looked at.
    """
    found: dict[str, int] = {}
    for path in sorted((home / FOLDER).glob(f"*{ENDING}")):
        known = (since or {}).get(path.name, 0)
        if path.stat().st_size <= known:
            continue
        for one in _of_file(path, FORGET, known):
            if isinstance(one.line, ForgetLine) and one.line.user_id:
                found[one.line.user_id] = max(one.line.at, found.get(one.line.user_id, 0))
    return found


def redact(home: Path, forgotten: Mapping[str, int], settle: Settle = nobody_else) -> int:
    """Overwrite what the log and its archives hold of users until an instant each; how many lines.

    Raises
    ------
    Transient
        If the disk refuses; the next call goes on.
    """
    finish_redaction(home, settle)
    spots = list(_spots(home, forgotten)) if forgotten else []
    if spots:
        write_durably(home / FOLDER / PLAN, msgspec.json.encode(spots))
        _apply(home, spots, settle)
    return len(spots)


def finish_redaction(home: Path, settle: Settle = nobody_else) -> None:
    """Finish what a cut has left half done.

    Raises
    ------
    Transient
        If the disk refuses; the next call goes on.
    """
    plan = home / FOLDER / PLAN
    if plan.exists():
        _apply(home, msgspec.json.decode(plan.read_bytes(), type=list[Spot]), settle)


def requests_of(home: Path, forgotten: Mapping[str, int]) -> set[str]:
    """The requests of users until an instant each, by files and archives of the log."""
    asked = (one.line for one in _everything(home) if isinstance(one.line, RequestLine))
    return {line.request_id for line in asked if line.at <= forgotten.get(line.user_id, -1)}


def as_logged(user_id: str) -> str:
    """A user's id as it stands in a line of the log, with its quotes: what a broken line is searched for.

    >>> as_logged('a"b')
    '"a\\\\"b"'
    """
    return msgspec.json.encode(user_id).decode()


def _spots(home: Path, forgotten: Mapping[str, int]) -> Iterator[Spot]:
    def theirs(line: RequestLine | UserLine | ForgetLine) -> bool:
        return line.at <= forgotten.get(line.user_id, -1)

    names = {as_logged(user).encode(): at for user, at in forgotten.items()}
    requests = requests_of(home, forgotten)
    for one in _everything(home):
        line = one.line
        instead: ForgetLine | GoneLine | None = None
        if line is None:
            named = [at for name, at in names.items() if name in one.raw]
            if not named:
                continue
            gone = GoneLine(max(named))
            instead = gone if len(written(gone)) <= len(one.raw) else None
        elif isinstance(line, ForgetLine):
            if not theirs(line):
                continue
            instead = ForgetLine(line.user, line.at)
        elif isinstance(line, ServableLine) or not _goes(line, requests, theirs):
            continue
        else:
            instead = GoneLine(line.at)
        yield Spot(one.file, one.offset, len(one.raw), instead, one.archived)


def _goes(line: LogLine, requests: set[str], theirs: Callable[[RequestLine | UserLine | ForgetLine], bool]) -> bool:
    if isinstance(line, RequestLine):
        return line.request_id in requests
    if isinstance(line, OutcomeLine):
        return parts_of(line.impression_id)[0] in requests
    return isinstance(line, UserLine) and theirs(line)


def _apply(home: Path, spots: list[Spot], settle: Settle) -> None:
    """Overwrite, force to the disk, tell, and throw the plan away."""
    folder = home / FOLDER
    try:
        for name in sorted({spot.file for spot in spots if not spot.archived}):
            if (folder / name).exists():  # it may have been archived since, and its archive is in the plan, too
                _overwrite(folder / name, [spot for spot in spots if spot.file == name and not spot.archived])
        for name in sorted({spot.file for spot in spots if spot.archived}):
            _write_anew(home, name, [spot for spot in spots if spot.file == name and spot.archived])
        settle(frozenset(spot.file for spot in spots))
        (folder / PLAN).unlink(missing_ok=True)
        sync_folder(folder)
    except OSError as error:
        raise Transient(f"cannot overwrite lines in {folder}: {error.strerror}; the next run goes on") from None


def _overwrite(path: Path, spots: list[Spot]) -> None:
    handle = os.open(path, os.O_WRONLY)
    try:
        for spot in spots:
            os.pwrite(handle, _filled(spot), spot.offset)
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_anew(home: Path, file: str, spots: list[Spot]) -> None:
    archive, instead = archive_of(home, file), {spot.offset: _filled(spot) for spot in spots}
    lines, offset = [], 0
    for raw in archived_lines(archive):
        lines.append(instead.get(offset, raw))
        offset += len(raw)
    write_lines(file, lines, archive)


def _filled(spot: Spot) -> bytes:
    if spot.instead is None:
        return b" " * (spot.length - 1) + b"\n"
    short = spot.length - len(written(spot.instead))
    assert short >= 0, "no line of the log is that short"
    return written(msgspec.structs.replace(spot.instead, padding=" " * short))


def _everything(home: Path) -> Iterator[_Found]:
    """Every whole line of files and archives."""
    for path in sorted((home / FOLDER).glob(f"*{ENDING}")):
        yield from _of_file(path, b"", 0)
    for file, archive in archives(home).items():
        yield from _read(file, archived_lines(archive), 0, b"", archived=True)


def _of_file(path: Path, begin: bytes, since: int) -> Iterator[_Found]:
    with path.open("rb") as lines:
        lines.seek(since)
        yield from _read(path.name, lines, since, begin)


def _read(file: str, lines: Iterable[bytes], offset: int, begin: bytes, *, archived: bool = False) -> Iterator[_Found]:
    for raw in lines:
        if raw.startswith(begin) and raw.endswith(b"\n"):
            line = None
            with suppress(*LineBroken):
                line = parse_line(raw[:-1])
            yield _Found(file, offset, raw, line, archived)
        offset += len(raw)
