"""How a run that ends badly says so: one line, and an exit code that means something."""

import errno
import os
import traceback
from dataclasses import dataclass

import click

from components.domain import ContractBroken, Transient

USAGE, BROKEN, FAULT, BUSY, INTERRUPTED = 2, 3, 1, 75, 130
"""Wrong words on the command line; data that breaks a contract; a fault of ours; try again later; Ctrl-C."""

FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)


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
        if isinstance(cause, KeyboardInterrupt | click.Abort):
            return News("interrupted; nothing is half-written: run the same command again to go on", INTERRUPTED)
        if isinstance(cause, click.ClickException):
            return News(f"error: {cause.format_message()}; see --help", USAGE)
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
