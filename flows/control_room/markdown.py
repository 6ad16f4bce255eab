"""Markdown of artifacts. What comes from users' logs stays text: it can make no link, no markup and no new column."""

import math
import re
from collections.abc import Iterable, Sequence


class Raw(str):
    """Markdown of our own in a cell: it is not escaped."""

    __slots__ = ()


Cell = str | int | float | None

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>()#!|~$])")
ABSENT = "\N{EN DASH}"


def text(value: str) -> str:
    """A text of whatever origin on one line, as it is.

    >>> print(text("a|b <b>c</b>"))
    a\\|b \\<b\\>c\\</b\\>
    """
    return _SPECIAL.sub(r"\\\1", " ".join(value.split()))


def shown(cell: Cell) -> str:
    """A cell: counts with thousands separators, fractions with four significant digits.

    >>> shown(12345), shown(0.123456), shown(float("nan"))
    ('12,345', '0.1235', '–')
    """
    if cell is None or (isinstance(cell, float) and math.isnan(cell)):
        return ABSENT
    if isinstance(cell, str):
        return str(cell) if isinstance(cell, Raw) else text(cell)
    if isinstance(cell, float) and abs(cell) < 1000:
        return f"{cell:.4g}"
    return f"{cell:,.0f}"


def table(head: Sequence[str], rows: Iterable[Sequence[Cell]]) -> str:
    """A table; columns of numbers are aligned to the right. Without rows it says so."""
    lines = [list(row) for row in rows]
    if not lines:
        return "_Nothing to show._\n"
    aligned = ["--:" if _numbers([line[i] for line in lines]) else ":--" for i in range(len(head))]
    cells = [head, aligned, *([shown(cell) for cell in line] for line in lines)]
    return "\n".join(f"| {' | '.join(line)} |" for line in cells) + "\n"


def bullets(lines: Iterable[str]) -> str:
    """One line each."""
    return "".join(f"- {text(line)}\n" for line in lines)


def _numbers(cells: Sequence[Cell]) -> bool:
    known = [cell for cell in cells if cell is not None]
    return bool(known) and all(isinstance(cell, int | float) for cell in known)
