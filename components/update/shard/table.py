"""The part of a table that is one worker's: row r of the table is row ``r // W`` of worker ``r mod W``.

It is asked and told by the numbers that rows have in the whole table. The base is seen through, not copied; what
there is for every row, its place among those that changed, there is for the rows of the part alone.
"""

import numpy as np
import torch

from components.domain import Floats, Ints
from components.ranker.layered import Layered
from components.ranker.table import EmbeddingTable
from components.update.shard.group import Group


def owner_of(rows: Ints, size: int) -> Ints:
    """(m,) which of `size` workers each row belongs to."""
    return rows % size


class TablePart(EmbeddingTable):
    """As `EmbeddingTable`, of this worker's rows; what it is told of others' it lets pass."""

    def __init__(self, layers: "Layered[np.float32]", rows: int, group: Group) -> None:
        super().__init__(layers)
        self._rows, self._group = rows, group

    @classmethod
    def of(cls, table: EmbeddingTable, group: Group) -> "TablePart":
        """The part of a whole table that is worker `group.rank`'s."""
        whole, rank, size = table.layers, group.rank, group.size
        changed = whole.changed
        mine = changed[owner_of(changed, size) == rank]
        part = Layered(whole.base[rank::size], mine // size, whole.take(mine), len(range(rank, whole.rows, size)))
        return cls(part, whole.rows, group)

    def copy(self) -> "TablePart":
        """An independent copy."""
        return TablePart(self.layers.copy(), self._rows, self._group)

    @property
    def rows(self) -> int:
        """Rows in use of the whole table."""
        return self._rows

    @property
    def changed(self) -> Ints:
        """(m,) rows of the part that are not as in the base, ascending."""
        return self.layers.changed * self._group.size + self._group.rank

    def resize(self, rows: int) -> None:
        """The whole table has at least so many rows, new ones zero."""
        self._rows = max(rows, self._rows)
        self.layers.resize(len(range(self._group.rank, self._rows, self._group.size)))

    def put(self, rows: Ints, values: Floats | float) -> None:
        """Overwrite those of `rows` (m,) that are in the part with theirs of (m, D + 2) values, or with one number."""
        mine = owner_of(rows, self._group.size) == self._group.rank
        self.layers.put(rows[mine] // self._group.size, values if isinstance(values, float) else values[mine])

    def gather(self, rows: torch.Tensor) -> torch.Tensor:
        """(m, D + 2) a copy of `rows` (m,), all of them in the part."""
        return super().gather(rows // self._group.size)

    def scatter(self, rows: torch.Tensor, values: torch.Tensor) -> None:
        """Overwrite distinct `rows` (m,), all of them in the part, with `values` (m, D + 2)."""
        super().scatter(rows // self._group.size, values)
