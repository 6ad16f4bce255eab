"""How a run that ends badly says so: one line, and an exit code that means something."""

import errno
import os
import traceback
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import typer

from components.domain import ContractBroken, Transient

USAGE, BROKEN, FAULT, BUSY, INTERRUPTED = 2, 3, 1, 75, 130
"""Wrong words on the command line; data that breaks a contract; a fault of ours; try again later; Ctrl-C."""

REFUSED, HELD = 4, 5
"""An evaluation whose diagnostics refuse the log, and one that says HOLD; PROMOTE is 0. A script that releases on 0
releases nothing else."""

LET_THROUGH = 6
"""A drill in which a case did not end as it should."""

TO_MEND = 7
"""A doctor who found something that has to be mended."""

FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


@runtime_checkable
class WrongWords(Protocol):
    """How the command line's library says that it was called wrongly; it keeps the type to itself."""

    def format_message(self) -> str:
        """What was wrong."""
        ...


@dataclass(frozen=True, slots=True)
class News:
    """One line for people, and the exit code."""

    line: str
    code: int


def explain(error: BaseException) -> News:
    """What to say of an error, looking through what libraries wrapped around it."""
    for cause in _chain(error):
        if isinstance(cause, ContractBroken):
            return News(f"error: {cause}", BROKEN)
        if isinstance(cause, Transient):
            return News(f"busy: {cause}", BUSY)
        if isinstance(cause, KeyboardInterrupt | typer.Abort):
            return News("interrupted; nothing is half-written: run the same command again to go on", INTERRUPTED)
        if isinstance(cause, WrongWords):
            return News(f"error: {cause.format_message().rstrip('.')}; see --help", USAGE)
        if _disk_full(cause):
            return News(f"busy: the disk refuses to take more ({_first_line(cause)}); free space and run again", BUSY)
    if os.environ.get("EVERCURRENT_DEBUG"):
        traceback.print_exception(error)
    kind = type(error).__name__
    return News(f"fault: {kind}: {_first_line(error)}; set EVERCURRENT_DEBUG=1 to see where", FAULT)


def _chain(error: BaseException | None) -> list[BaseException]:
    out: list[BaseException] = []
    while error is not None and error not in out:
        out.append(error)
        error = error.__cause__ or error.__context__
    return out


def _disk_full(error: BaseException) -> bool:
    if isinstance(error, OSError) and error.errno in FULL:
        return True
    text = str(error).lower()
    return any(word in text for word in ("file too large", "no space left", "disk is full", "disk full"))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [""])[0][:200]
