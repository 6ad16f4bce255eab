"""The building blocks of every page: data only; how each is drawn stands in `blocks.html`, one macro per type.

Colour is never the only sign: every tone has a mark of its own.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from plotly.graph_objects import Figure as PlotlyFigure

ABSENT = "\N{EN DASH}"
"""What a cell shows where there is no figure."""


class Tone(StrEnum):
    """How a value is to be read; `PLAIN` says nothing."""

    PLAIN = "plain"
    OK = "ok"
    WARN = "warn"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Badge:
    """A verdict or an action in one or two words."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Link:
    """A link; `href` is relative, ``#anchor``, or http(s)."""

    text: str
    href: str

    def __post_init__(self) -> None:
        if urlsplit(self.href.strip()).scheme not in ("", "http", "https"):
            raise ValueError(f"link to {self.href!r}; allowed are relative, http and https addresses")


Cell: TypeAlias = str | int | float | Badge | Link | None


@dataclass(frozen=True, slots=True)
class Text:
    """Paragraphs of running text."""

    paragraphs: Sequence[str]


@dataclass(frozen=True, slots=True)
class KeyFigure:
    """One tile: a number that matters, what it is, and a line below it (unit, interval, limit)."""

    label: str
    value: Cell
    note: str = ""
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class KeyFigures:
    """Tiles side by side."""

    figures: Sequence[KeyFigure]


@dataclass(frozen=True, slots=True)
class Column:
    """Head of a column; `spec` is a Python format spec for its numbers, such as ``.3f`` or ``.1%``.

    `numeric` aligns to the right; None: decided by the cells.
    """

    label: str
    spec: str | None = None
    numeric: bool | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table, coloured by its tone."""

    cells: Sequence[Cell]
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Table:
    """Columns (or just their labels) and rows (or just their cells); `empty` is said when there are none."""

    columns: Sequence[Column | str]
    rows: Sequence[Row | Sequence[Cell]]
    caption: str = ""
    empty: str = "Nothing to show."

    def __post_init__(self) -> None:
        for row in self.lines:
            if len(row.cells) != len(self.columns):
                raise ValueError(f"a row has {len(row.cells)} cells; the table has {len(self.columns)} columns")

    @property
    def lines(self) -> list[Row]:
        """Every row with its tone."""
        return [row if isinstance(row, Row) else Row(row) for row in self.rows]

    @property
    def heads(self) -> Iterator[Column]:
        """Every column with its alignment decided."""
        for place, column in enumerate(self.columns):
            head = column if isinstance(column, Column) else Column(column)
            cells = [row.cells[place] for row in self.lines]
            yield Column(head.label, head.spec, _numbers(cells) if head.numeric is None else head.numeric)


@dataclass(frozen=True, slots=True)
class Figure:
    """A plotly figure whose axes both say what they count, and in which unit; its points follow it as a table.

    Make it with `components.pages.figures.blank`. `height` in px.

    Raises
    ------
    ValueError
        If the figure has no title or an axis has none.
    """

    title: str
    figure: "PlotlyFigure"
    caption: str = ""
    height: int = 320

    def __post_init__(self) -> None:
        layout = self.figure.layout
        named = {"title": self.title, "x axis": layout.xaxis.title.text, "y axis": layout.yaxis.title.text}
        if missing := [part for part, text in named.items() if not text]:
            raise ValueError(f"figure {self.title!r} has no words for its {' and '.join(missing)}")


@dataclass(frozen=True, slots=True)
class Badges:
    """Badges side by side."""

    badges: Sequence[Badge]


@dataclass(frozen=True, slots=True)
class Links:
    """Links below each other."""

    links: Sequence[Link]


Block: TypeAlias = Text | KeyFigures | Table | Figure | Badges | Links


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it; an empty heading draws none."""

    heading: str
    blocks: Sequence[Block]


def show(value: Cell, spec: str | None = None) -> str:
    """Text of a cell: counts with thousands separators, fractions with four significant digits.

    >>> show(1234567), show(0.123456), show(0.5, ".1%"), show(float("nan"))
    ('1,234,567', '0.1235', '50.0%', '–')
    """
    if isinstance(value, Badge | Link):
        return value.text
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ABSENT
    if isinstance(value, str | bool):
        return str(value)
    if spec is not None:
        return format(value, spec)
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1000 else f"{value:,.0f}"


def _numbers(cells: Sequence[Cell]) -> bool:
    present = [cell for cell in cells if cell is not None]
    return bool(present) and all(isinstance(c, int | float) and not isinstance(c, bool) for c in present)
