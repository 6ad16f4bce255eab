"""Tables: columns with their alignment, rows with their tone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from components.pages.cells import Cell, Tone


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
    """One row of a table, coloured by its tone; other places link to it by its `anchor`."""

    cells: Sequence[Cell]
    tone: Tone = Tone.PLAIN
    anchor: str = ""


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


def _numbers(cells: Sequence[Cell]) -> bool:
    present = [cell for cell in cells if cell is not None]
    return bool(present) and all(isinstance(c, int | float) and not isinstance(c, bool) for c in present)
