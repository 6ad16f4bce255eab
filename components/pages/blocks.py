"""The building blocks of every page: data only; how each is drawn stands in `blocks.html`, one macro per type.

Colour is never the only sign: every tone has a mark of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from components.pages.cells import ABSENT, Badge, Cell, Folded, Link, Tone, show
from components.pages.figures import Figure
from components.pages.heat_map import HeatMap
from components.pages.lineage import Lineage
from components.pages.tables import Column, Row, Table

__all__ = [
    "ABSENT",
    "Badge",
    "Badges",
    "Block",
    "Cell",
    "Column",
    "Figure",
    "Folded",
    "HeatMap",
    "KeyFigure",
    "KeyFigures",
    "Lineage",
    "Link",
    "Links",
    "Row",
    "Section",
    "SideBySide",
    "Table",
    "Text",
    "Tone",
    "show",
]


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
class SideBySide:
    """Figures in two columns where the screen is wide enough."""

    figures: Sequence[Figure]


@dataclass(frozen=True, slots=True)
class Badges:
    """Badges side by side."""

    badges: Sequence[Badge]


@dataclass(frozen=True, slots=True)
class Links:
    """Links below each other."""

    links: Sequence[Link]


Block: TypeAlias = Text | KeyFigures | Table | Figure | SideBySide | HeatMap | Lineage | Badges | Links


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it; an empty heading draws none. `anchor`: other places link to it."""

    heading: str
    blocks: Sequence[Block]
    anchor: str = ""
