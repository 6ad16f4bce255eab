"""One file of the decision log, read on from where the last reading ended.

What was taken of a file is told by its length, by the CRC-32 of those bytes, which goes on from reading to reading, and
by that of their last few, which can be looked at without reading the rest.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO
from zlib import crc32

from components.domain import ContractBroken

EDGE = 4_096
"""Bytes before the end of what was taken that are looked at before a file is read on: a few lines."""
BLOCK = 1 << 22


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken of one file: bytes, whole lines, the CRC-32 of those bytes, and of the last `EDGE` of them.

    `written_ns` is when the file had been written to last, by its own clock, when that was read.
    """

    file: str
    bytes: int = 0
    lines: int = 0
    crc: int = 0
    edge: int = 0
    written_ns: int = 0


@dataclass(frozen=True, slots=True)
class Span:
    """Whole lines of a file that were not taken before: `content` follows `before`; `after` is what is taken then."""

    before: Taken
    content: bytes
    after: Taken

    @property
    def lines(self) -> list[bytes]:
        """The lines, without their ends."""
        return self.content[:-1].split(b"\n") if self.content else []


def read_on(path: Path, before: Taken, most: int) -> Iterator[Span]:
    """The whole lines that a file has beyond what was taken, about `most` bytes at a time; a torn last one is left.

    Raises
    ------
    ContractBroken
        If the file is shorter than what was taken of it, or what was taken is not what stands there.
    """
    with path.open("rb") as file:
        state = os.fstat(file.fileno())
        _check_length(path, before, state.st_size)
        if state.st_size == before.bytes:
            if state.st_mtime_ns != before.written_ns:
                _check_whole(path, before)
                yield Span(before, b"", _at(before, state.st_mtime_ns))
            return
        last = _edge(path, before)
        file.seek(before.bytes)
        while content := _whole_lines(file, most, state.st_size - before.bytes):
            last = (last + content)[-EDGE:]
            after = Taken(
                before.file,
                before.bytes + len(content),
                before.lines + content.count(b"\n"),
                crc32(content, before.crc),
                crc32(last),
                state.st_mtime_ns,
            )
            yield Span(before, content, after)
            before = after
            file.seek(before.bytes)


def reckoned(path: Path, taken: Taken) -> Taken:
    """What was taken of a file as it stands now: lines of it were overwritten by purpose."""
    crc, last = 0, b""
    with path.open("rb") as file:
        state = os.fstat(file.fileno())
        _check_length(path, taken, state.st_size)
        for block in _blocks(file, taken.bytes):
            crc, last = crc32(block, crc), (last + block)[-EDGE:]
    return Taken(taken.file, taken.bytes, taken.lines, crc, crc32(last), state.st_mtime_ns)


def check_whole(path: Path, taken: Taken) -> None:
    """Every byte that was taken stands there as it was.

    Raises
    ------
    ContractBroken
        If not.
    """
    _check_length(path, taken, path.stat().st_size)
    _check_whole(path, taken)


def taken_whole(path: Path, taken: Taken) -> bool:
    """Whether every whole line of a file was taken: what is beyond them is torn."""
    with path.open("rb") as file:
        file.seek(taken.bytes)
        return b"\n" not in file.read()


def _check_length(path: Path, taken: Taken, size: int) -> None:
    if size < taken.bytes:
        raise ContractBroken(
            f"{path} has {size} bytes, {taken.bytes} of it are in the warehouse: the log only grows; put the file back "
            "as it was, or move it away"
        )


def _edge(path: Path, taken: Taken) -> bytes:
    with path.open("rb") as file:
        file.seek(max(taken.bytes - EDGE, 0))
        last = file.read(min(EDGE, taken.bytes))
    if crc32(last) != taken.edge:
        raise _changed(path, taken)
    return last


def _check_whole(path: Path, taken: Taken) -> None:
    crc = 0
    with path.open("rb") as file:
        for block in _blocks(file, taken.bytes):
            crc = crc32(block, crc)
    if crc != taken.crc:
        raise _changed(path, taken)


def _changed(path: Path, taken: Taken) -> ContractBroken:
    return ContractBroken(
        f"{path} was changed within the {taken.bytes} bytes that are in the warehouse; allowed is that lines follow, "
        "or `evercurrent forget`; put the file back as it was, or move it away"
    )


def _at(taken: Taken, written_ns: int) -> Taken:
    return Taken(taken.file, taken.bytes, taken.lines, taken.crc, taken.edge, written_ns)


def _blocks(file: BinaryIO, size: int) -> Iterator[bytes]:
    while size > 0 and (block := file.read(min(BLOCK, size))):
        size -= len(block)
        yield block


def _whole_lines(file: BinaryIO, most: int, size: int) -> bytes:
    """About `most` bytes of whole lines from here on, of `size` that there are; more only where one line is longer."""
    content = file.read(min(most, size))
    while b"\n" not in content and len(content) < size and (more := file.read(min(most, size - len(content)))):
        content += more
    return content[: content.rfind(b"\n") + 1]
