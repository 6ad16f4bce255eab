"""Where the rows of a table live while it learns, and who else learns of the same pass: here and nobody, or elsewhere.

Everything that a warm start does with rows that may be another worker's goes through a `Place`: looking them up, moving
them, adding up what all workers found. `HERE` is one process with the whole table; `components.update.shard` are
several with a part each. Both run the same warm start.
"""

from dataclasses import dataclass
from typing import Protocol

import torch

from components.domain import Examples, Floats, Ints
from components.ranker import strides
from components.ranker.model import Model
from components.ranker.table import EmbeddingTable
from components.update.optimizer import Rates, step_rows
from components.update.touched import Touched


@dataclass(frozen=True, slots=True)
class Share:
    """Of `many` things in a row those of one worker, ``[start, stop)``."""

    many: int
    start: int
    stop: int

    def mine(self, index: torch.Tensor) -> torch.Tensor:
        """Of indices into all things those of this worker's, counted from its first."""
        if self.stop - self.start == self.many:
            return index
        return index[(index >= self.start) & (index < self.stop)] - self.start

    def of(self, start: int, things: Ints) -> Ints:
        """Of `things`, which stand from `start` on, those of this worker's."""
        return things[max(self.start - start, 0) : max(self.stop - start, 0)]


class Place(Protocol):
    """See the module. Every worker makes the same calls in the same order."""

    @property
    def rank(self) -> int:
        """Number of this worker."""

    def share(self, many: int) -> Share:
        """This worker's of `many` things."""

    def whole(self, mine: int) -> Share:
        """The same, from how many are this worker's."""

    def gather(self, table: EmbeddingTable, touched: Touched) -> torch.Tensor:
        """(p, D + 2) the row at each position of a batch."""

    def step(
        self,
        table: EmbeddingTable,
        touched: Touched,
        block: torch.Tensor,
        vectors: torch.Tensor,
        first: torch.Tensor,
        rates: Rates,
    ) -> None:
        """Move the rows that a batch touched: `block` as gathered, `vectors` (u, D) and `first` (u,) gradients."""

    def added(self, values: list[torch.Tensor]) -> list[torch.Tensor]:
        """Each summed over all workers."""

    def logits(self, model: Model, examples: Examples, rows: Ints | None = None, *, raw: bool = False) -> Floats:
        """(n,) what the model says of all examples, or of those at `rows`: calibrated, or `raw`."""


class Here:
    """One process with the whole table."""

    rank = 0

    def share(self, many: int) -> Share:
        """All of them."""
        return Share(many, 0, many)

    def whole(self, mine: int) -> Share:
        """There are no others."""
        return Share(mine, 0, mine)

    def gather(self, table: EmbeddingTable, touched: Touched) -> torch.Tensor:
        """See `Place`."""
        return table.gather(touched.asked)

    def step(
        self,
        table: EmbeddingTable,
        touched: Touched,
        block: torch.Tensor,
        vectors: torch.Tensor,
        first: torch.Tensor,
        rates: Rates,
    ) -> None:
        """See `Place`."""
        table.scatter(touched.rows, step_rows(block.index_select(0, touched.example), vectors, first, rates))

    def added(self, values: list[torch.Tensor]) -> list[torch.Tensor]:
        """Nothing is added."""
        return values

    def logits(self, model: Model, examples: Examples, rows: Ints | None = None, *, raw: bool = False) -> Floats:
        """See `Place`."""
        return strides.logits(model.predict_raw if raw else model.predict, examples, rows)


HERE = Here()
