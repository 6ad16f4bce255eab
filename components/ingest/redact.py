"""Taking forgotten users out of the decision log: their lines are overwritten where they stand, byte for byte.

Processes follow the log by how far they have read, and its writer appends; so files keep their length, and whoever
forgot stands there still, by digest. What is to be overwritten is written down first: a cut in the middle is finished
by the next call.
"""

import os
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from components.domain import Transient
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


class Spot(Struct, frozen=True):
    """A line that goes: `length` bytes from `offset` on of a file, and what stands there instead."""

    file: str
    offset: int
    length: int
    instead: ForgetLine | GoneLine


def asked_to_forget(home: Path) -> dict[str, int]:
    """Users whom the log says to forget and still names -> the latest instant of that, microseconds."""
    found: dict[str, int] = {}
    for _, _, line in _lines(home / FOLDER, FORGET):
        if isinstance(line, ForgetLine) and line.user_id:
            found[line.user_id] = max(line.at, found.get(line.user_id, 0))
    return found


def redact(home: Path, forgotten: Mapping[str, int]) -> int:
    """Overwrite what the log holds of users until an instant each; how many lines.

    Raises
    ------
    Transient
        If the disk refuses; the next call goes on.
    """
    folder = home / FOLDER
    plan = folder / PLAN
    if plan.exists():
        _apply(folder, msgspec.json.decode(plan.read_bytes(), type=list[Spot]))
    spots = list(_spots(folder, forgotten)) if forgotten else []
    if spots:
        write_durably(plan, msgspec.json.encode(spots))
        _apply(folder, spots)
    return len(spots)


def _spots(folder: Path, forgotten: Mapping[str, int]) -> Iterator[Spot]:
    def theirs(line: RequestLine | UserLine | ForgetLine) -> bool:
        return line.at <= forgotten.get(line.user_id, -1)

    requests = {line.request_id for _, _, line in _lines(folder) if isinstance(line, RequestLine) and theirs(line)}
    for path, (offset, length), line in _lines(folder):
        if isinstance(line, RequestLine):
            goes = line.request_id in requests
        elif isinstance(line, OutcomeLine):
            goes = parts_of(line.impression_id)[0] in requests
        else:
            goes = isinstance(line, UserLine | ForgetLine) and theirs(line)
        if goes and not isinstance(line, ServableLine):
            instead = ForgetLine(line.user, line.at) if isinstance(line, ForgetLine) else GoneLine(line.at)
            yield Spot(path.name, offset, length, instead)


def _apply(folder: Path, spots: list[Spot]) -> None:
    """Overwrite, force to the disk, and throw the plan away."""
    try:
        for name in sorted({spot.file for spot in spots}):
            handle = os.open(folder / name, os.O_WRONLY)
            try:
                for spot in spots:
                    if spot.file == name:
                        os.pwrite(handle, _filled(spot), spot.offset)
                os.fsync(handle)
            finally:
                os.close(handle)
        (folder / PLAN).unlink(missing_ok=True)
        sync_folder(folder)
    except OSError as error:
        raise Transient(f"cannot overwrite lines in {folder}: {error.strerror}; the next run goes on") from None


def _filled(spot: Spot) -> bytes:
    short = spot.length - len(written(spot.instead))
    assert short >= 0, "no line of the log is that short"
    return written(msgspec.structs.replace(spot.instead, padding=" " * short))


def _lines(folder: Path, begin: bytes = b"") -> Iterator[tuple[Path, tuple[int, int], LogLine]]:
    """Every whole line that can be read, and begins so: its file, its offset and length with its end, what it says."""
    for path in sorted(folder.glob(f"*{ENDING}")):
        offset = 0
        with path.open("rb") as file:
            for raw in file:
                if raw.startswith(begin) and raw.endswith(b"\n"):
                    with suppress(*LineBroken):
                        yield path, (offset, len(raw)), parse_line(raw[:-1])
                offset += len(raw)
