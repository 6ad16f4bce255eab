"""One thing that `evercurrent doctor` looked at."""

from enum import StrEnum

from components.frozen import Frozen


class Level(StrEnum):
    """Fine; worth knowing; has to be mended."""

    FINE = "fine"
    NOTE = "note"
    MEND = "mend"


class Finding(Frozen):
    """What was looked at, what is so, and what to do about it where it has to be mended."""

    check: str
    level: Level
    said: str
    mend: str = ""


def fine(check: str, said: str) -> Finding:
    """All is well."""
    return Finding(check=check, level=Level.FINE, said=said)


def note(check: str, said: str) -> Finding:
    """Worth knowing, and nothing to mend."""
    return Finding(check=check, level=Level.NOTE, said=said)


def mend(check: str, said: str, how: str) -> Finding:
    """Wrong, and how to mend it."""
    return Finding(check=check, level=Level.MEND, said=said, mend=how)
