"""A heat map: how far many figures are from their limits, place by place; it is its own table."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

LEVELS = (0.5, 0.75, 1.0, 1.5, 2.5)
"""Ends of the shades, in limits: below the third a figure is within its limit."""


@dataclass(frozen=True, slots=True)
class HeatCell:
    """One figure over its limit; `note` is told on pointing at it. None: not measured."""

    ratio: float | None
    note: str = ""

    @property
    def shade(self) -> str:
        """Name of its shade in the style sheet."""
        if self.ratio is None or math.isnan(self.ratio):
            return "none"
        return f"h{sum(self.ratio > end for end in LEVELS)}"

    @property
    def text(self) -> str:
        """What stands in the cell: two digits are enough to see how far it is."""
        return "\N{EN DASH}" if self.shade == "none" else f"{self.ratio:.1f}"

    @property
    def over(self) -> bool:
        """Above the limit: marked, not only coloured."""
        return self.shade in ("h3", "h4", "h5")


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Rows by name, columns by name; `unit` says what the numbers in the cells are.

    Raises
    ------
    ValueError
        If a row has another number of cells than there are columns.
    """

    title: str
    columns: Sequence[str]
    rows: Sequence[tuple[str, Sequence[HeatCell]]]
    unit: str
    caption: str = ""

    def __post_init__(self) -> None:
        for name, cells in self.rows:
            if len(cells) != len(self.columns):
                raise ValueError(
                    f"row {name!r} of {self.title!r} has {len(cells)} cells for {len(self.columns)} columns"
                )
