"""What a figure says: axes with units, series of points, and rules; data only, drawn by `drawing.py` without scripts.

The series colours are the ones of Okabe and Ito (2008, "Color Universal Design"), darkened where thin lines on white
need it, so that they stay apart for colour-blind readers; `page.css` says what they are, lighter on a dark page. Every
colour has a mark of its own, so that series are told apart without it, too.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from components.domain import iso
from components.pages.cells import Cell
from components.pages.tables import Column, Row, Table

Ink: TypeAlias = Literal["s0", "s1", "s2", "s3", "s4", "s5", "s6", "ref", "ok", "warn", "bad"]
Mark: TypeAlias = Literal["dot", "ring", "diamond", "square", "triangle", "tick"]
Value: TypeAlias = float | int | str | None
Ends: TypeAlias = Sequence[tuple[float, float] | None]
"""Lower and upper end of every point's whisker; None: it has none."""

SERIES: tuple[Ink, ...] = ("s0", "s1", "s2", "s3", "s4", "s5", "s6")
"""Colours of series in the order of their introduction on a page."""
REFERENCE: Ink = "ref"
"""Colour of what something is compared with: a limit, a baseline, a frozen generation."""
OK: Ink = "ok"
WARN: Ink = "warn"
BAD: Ink = "bad"
"""Colours of marks that carry a tone."""
MARKS: dict[str, Mark] = {"s0": "dot", "s1": "diamond", "s2": "square", "s3": "triangle", "s4": "ring"}
"""The mark of each colour; the others have dots."""


@dataclass(frozen=True, slots=True)
class Axis:
    """What an axis counts, and in which unit.

    Attributes
    ----------
    categories : names in order, from the left or from the top; values are then these names. `short` : what stands at
        the axis for them, where they are long.
    time : values are instants, microseconds UTC. log : logarithmic; values that are not above 0 are left out.
    zero : the axis begins at 0.
    """

    title: str
    categories: Sequence[str] = ()
    short: Sequence[str] = ()
    time: bool = False
    log: bool = False
    zero: bool = False

    def __post_init__(self) -> None:
        if self.short and len(self.short) != len(self.categories):
            raise ValueError(f"axis {self.title!r} has {len(self.categories)} names and {len(self.short)} short ones")


@dataclass(frozen=True, slots=True)
class Series:
    """Points that belong together: joined by a line, as marks alone, or as bars.

    `x` and `y` are values of the axes; a point with None or nan in either is left out, and breaks a line.
    `names` says what each point is, where its place does not.
    """

    name: str
    x: Sequence[Value]
    y: Sequence[Value]
    ink: Ink = "s0"
    draw: Literal["line", "steps", "marks", "bars"] = "line"
    mark: Mark | None = None
    dashed: bool = False
    x_ends: Ends = ()
    y_ends: Ends = ()
    names: Sequence[str] = ()

    def __post_init__(self) -> None:
        if len(self.x) != len(self.y):
            raise ValueError(f"series {self.name!r} has {len(self.x)} x and {len(self.y)} y; allowed are as many")


@dataclass(frozen=True, slots=True)
class Rule:
    """A line across the whole plot at one value of the x axis, with a word at its end."""

    name: str
    at: float
    ink: Ink = "ref"


@dataclass(frozen=True, slots=True)
class Figure:
    """A drawing whose axes both say what they count, and in which unit; its points follow it as a table.

    `height` of the plot in px; `stacked`: bars of one place stand on each other instead of side by side.

    Raises
    ------
    ValueError
        If the figure has no title or an axis has none.
    """

    title: str
    x: Axis
    y: Axis
    series: Sequence[Series]
    caption: str = ""
    height: int = 260
    rules: Sequence[Rule] = ()
    stacked: bool = False

    def __post_init__(self) -> None:
        named = {"title": self.title, "x axis": self.x.title, "y axis": self.y.title}
        if missing := [part for part, text in named.items() if not text]:
            raise ValueError(f"figure {self.title!r} has no words for its {' and '.join(missing)}")


def drawn(value: Value) -> bool:
    """Whether there is something to draw."""
    return value is not None and not (isinstance(value, float) and math.isnan(value))


def points(figure: Figure) -> Table:
    """What a figure draws, as a table: one row per place where all series share them, else one per point."""
    series = list(figure.series)
    shared = len(series) > 1 and not any(s.x_ends or s.y_ends or s.names for s in series)
    if shared and len({tuple(s.x) for s in series}) == 1:
        columns = [_head(figure.x), *(Column(s.name, numeric=True) for s in series)]
        return Table(columns, [Row([told(x, figure.x), *ys]) for x, *ys in zip(series[0].x, *_ys(series), strict=True)])
    rows = [row for one in series for row in _rows(one, figure)]
    both = any(s.x_ends for s in series) and any(s.y_ends for s in series)
    ends = [f"{axis} {end}" if both else end for axis in ("x", "y") for end in ("lower", "upper")]
    heads: list[Column | str] = ["series", "point", _head(figure.x), _head(figure.y), *ends]
    keep = [p for p in range(len(heads)) if p in (2, 3) or any(row[p] not in (None, "") for row in rows)]
    return Table([heads[p] for p in keep], [Row([row[p] for p in keep]) for row in rows])


def told(value: Value, axis: Axis) -> Cell:
    """A value as a cell: instants as text."""
    return iso(int(value)) if axis.time and isinstance(value, float | int) else value


def _ys(series: Sequence[Series]) -> list[Sequence[Value]]:
    return [s.y for s in series]


def _head(axis: Axis) -> Column:
    return Column(axis.title)


def _rows(series: Series, figure: Figure) -> Iterator[list[Cell]]:
    for place, (x, y) in enumerate(zip(series.x, series.y, strict=True)):
        ends = [*(_end(series.x_ends, place) or (None, None)), *(_end(series.y_ends, place) or (None, None))]
        name = series.names[place] if series.names else ""
        yield [series.name, name, told(x, figure.x), told(y, figure.y), *ends]


def _end(ends: Ends, place: int) -> tuple[float, float] | None:
    return ends[place] if ends else None
