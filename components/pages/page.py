"""One HTML page from typed sections: a single file, readable offline, with one look for the whole product.

A page says what was measured (tiles, tables, figures) and what was decided (badges). Style,
script and data are inside the file, and its content policy forbids any request, so a page that
was kept with a generation reads the same in ten years. All text is escaped: ids and reasons
come from users' logs. Colour is never the only sign; every tone has a mark of its own.
"""

import gzip
import math
from base64 import b64encode
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias
from urllib.parse import urlsplit

from components.whole_file import write_whole

if TYPE_CHECKING:
    from jinja2 import Template
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


Cell: TypeAlias = str | int | float | Badge | None


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


@dataclass(frozen=True, slots=True)
class Figure:
    """A plotly figure (give it `components.pages.figures.figure_style()` as template); `height` in px."""

    figure: "PlotlyFigure"
    caption: str = ""
    height: int = 320


@dataclass(frozen=True, slots=True)
class Badges:
    """Badges side by side."""

    badges: Sequence[Badge]


@dataclass(frozen=True, slots=True)
class Link:
    """A link; `href` is relative, ``#anchor``, or http(s)."""

    text: str
    href: str

    def __post_init__(self) -> None:
        if urlsplit(self.href.strip()).scheme not in ("", "http", "https"):
            raise ValueError(f"link to {self.href!r}; allowed are relative, http and https addresses")


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
    if isinstance(value, Badge):
        return value.text
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ABSENT
    if isinstance(value, str | bool):
        return str(value)
    if spec is not None:
        return format(value, spec)
    return f"{value:,.4g}" if isinstance(value, float) and abs(value) < 1000 else f"{value:,.0f}"


def render(title: str, subtitle: str, sections: Sequence[Section], badges: Sequence[Badge] = ()) -> str:
    """HTML of a page.

    Parameters
    ----------
    title, subtitle : what the page is of, and of when; plain text.
    sections : in reading order.
    badges : shown beside the title: the verdict of the page.

    Returns
    -------
    A complete document. plotly.js (1.8 MB, packed) is part of it only if a section has a figure.
    """
    drawn = any(isinstance(block, Figure) for section in sections for block in section.blocks)
    return _template().render(
        title=title,
        subtitle=subtitle,
        page_badges=badges,
        sections=[(section.heading, [_view(block) for block in section.blocks]) for section in sections],
        style=_asset("page.css"),
        plotly=_plotly_js() if drawn else "",
    )


def write_page(path: Path, html: str) -> None:
    """Write `html` to `path` so that a reader sees the old page or the new one, never half of it."""
    write_whole(path, lambda part: part.write_text(html, encoding="utf-8"))


@dataclass(frozen=True, slots=True)
class _TableView:
    """A table as the template wants it: text, alignment and tone of every cell decided."""

    heads: Sequence["_CellView"]
    rows: Sequence["_RowView"]
    caption: str
    empty: str


@dataclass(frozen=True, slots=True)
class _CellView:
    text: str
    numeric: bool
    badge: Tone | None = None


@dataclass(frozen=True, slots=True)
class _RowView:
    cells: Sequence[_CellView]
    tone: Tone


@dataclass(frozen=True, slots=True)
class _FigureView:
    data: str
    caption: str
    height: int


@dataclass(frozen=True, slots=True)
class _View:
    kind: str
    block: Block | _TableView | _FigureView


def _view(block: Block) -> _View:
    if isinstance(block, Table):
        return _View("table", _table_view(block))
    if isinstance(block, Figure):
        data = str(block.figure.to_json()).replace("<", "\\u003c")
        return _View("figure", _FigureView(data, block.caption, block.height))
    return _View(type(block).__name__.lower(), block)


def _table_view(table: Table) -> _TableView:
    columns = [c if isinstance(c, Column) else Column(c) for c in table.columns]
    rows = [r if isinstance(r, Row) else Row(r) for r in table.rows]
    for row in rows:
        if len(row.cells) != len(columns):
            raise ValueError(f"a row has {len(row.cells)} cells; the table has {len(columns)} columns")
    numeric = [_is_numeric(column, [row.cells[at] for row in rows]) for at, column in enumerate(columns)]
    return _TableView(
        [_CellView(c.label, n) for c, n in zip(columns, numeric, strict=True)],
        [_RowView(list(_cells(row, columns, numeric)), row.tone) for row in rows],
        table.caption,
        table.empty,
    )


def _cells(row: Row, columns: Sequence[Column], numeric: Sequence[bool]) -> Iterator[_CellView]:
    for cell, column, right in zip(row.cells, columns, numeric, strict=True):
        spec = None if isinstance(cell, str | Badge) else column.spec
        yield _CellView(show(cell, spec), right, cell.tone if isinstance(cell, Badge) else None)


def _is_numeric(column: Column, cells: Sequence[Cell]) -> bool:
    if column.numeric is not None:
        return column.numeric
    present = [cell for cell in cells if cell is not None]
    return bool(present) and all(isinstance(c, int | float) and not isinstance(c, bool) for c in present)


@cache
def _asset(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text("utf-8")


@cache
def _template() -> "Template":
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters["show"] = show
    return environment.from_string(_asset("page.html"))


@cache
def _plotly_js() -> str:
    """plotly.js as base64 of gzip, which the page unpacks itself: 1.8 MB instead of 4.5 in every page that is kept."""
    from plotly.offline import get_plotlyjs

    return b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()
