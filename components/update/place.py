"""Where the rows of a table live while it learns, and who else learns of the same pass: here and nobody, or elsewhere.

Everything that a warm start does with rows that may be another worker's goes through a `Place`: looking them up, moving
them, adding up what all workers found. `HERE` is one process with the whole table; `components.update.shard` are
several with a part each. Both run the same warm start, and come to the same bits: a batch is worked through in chunks
of `CHUNK` examples wherever that is done, since what a matrix product rounds depends on how many rows it is
given, and chunks are added up in double precision, where the order of a few single numbers is all but without effect.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch

from components.compiled import compiled
from components.domain import Doubles, Examples, Floats, Ints
from components.ranker import strides
from components.ranker.model import Model
from components.ranker.table import EmbeddingTable
from components.update.distinct import Distinct
from components.update.optimizer import Rates, step_rows

CHUNK = 1_024
"""Examples of a batch that one worker works through in one go."""


@dataclass(frozen=True, slots=True)
class Gradients:
    """Of the summed loss of some chunks, in the order of the chunks.

    Attributes
    ----------
    at : (m,) where each of the rows stands among those that the chunks look up, once for each chunk that does.
    vectors : (m, D); first : (m,).
    dense : a list a chunk, of the loss and of every parameter of the dense part.
    """

    at: torch.Tensor
    vectors: torch.Tensor
    first: torch.Tensor
    dense: Sequence[Sequence[torch.Tensor]]


class Held(Protocol):
    """Rows of a table that a batch looks up.

    Attributes
    ----------
    chunks : (p, D + 2) what the table holds, for (p,) rows of each chunk.
    """

    chunks: Sequence[torch.Tensor]

    def step(self, found: Gradients, rates: Rates) -> None:
        """Move in the table the rows that the batch touched."""


class Place(Protocol):
    """See the module. Every worker makes the same calls in the same order."""

    @property
    def rank(self) -> int:
        """Number of this worker."""

    def share(self, many: int) -> slice:
        """Of `many` things in a row those that this worker prepares: a stretch, that of the first worker first."""

    def together(self, mine: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(n, ...) what all workers prepared."""

    def chunks(self, many: int) -> list[slice]:
        """Of a batch of `many` examples the chunks that this worker works through."""

    def gather(self, table: EmbeddingTable, rows: Sequence[torch.Tensor]) -> Held:
        """What the table holds, for (p,) rows of each chunk."""

    def added(self, found: Gradients, like: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """Loss and dense gradients, shaped as `like`, summed over all chunks of all workers."""

    def logits(self, model: Model, examples: Examples, rows: Ints | None = None, *, raw: bool = False) -> Floats:
        """(n,) what the model says of all examples, or of those at `rows`: calibrated, or `raw`."""


class Here:
    """One process with the whole table."""

    rank = 0

    def share(self, many: int) -> slice:
        """All of them."""
        return slice(0, many)

    def together(self, mine: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """There are no others."""
        return mine

    def chunks(self, many: int) -> list[slice]:
        """All of them."""
        return chunks_of(many)

    def gather(self, table: EmbeddingTable, rows: Sequence[torch.Tensor]) -> "HeldHere":
        """See `Place`."""
        return HeldHere(table, rows)

    def added(self, found: Gradients, like: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """See `Place`."""
        if len(found.dense) == 1:
            return list(found.dense[0])
        flat = in_doubles(found, like)
        return shaped(flat, like)

    def logits(self, model: Model, examples: Examples, rows: Ints | None = None, *, raw: bool = False) -> Floats:
        """See `Place`."""
        return strides.logits(model.predict_raw if raw else model.predict, examples, rows)


class HeldHere:
    """See `Held`."""

    def __init__(self, table: EmbeddingTable, rows: Sequence[torch.Tensor]) -> None:
        self._table = table
        self._rows = rows[0] if len(rows) == 1 else torch.cat(list(rows))
        self._values = table.gather(self._rows)
        self.chunks = self._values.split([len(of_chunk) for of_chunk in rows])

    def step(self, found: Gradients, rates: Rates) -> None:
        """See `Held`."""
        at, vectors, first = found.at, found.vectors, found.first
        if len(found.dense) > 1:
            same = Distinct.of(self._rows[at].numpy())
            at = at[torch.from_numpy(same.first)]
            vectors, first = parted(summed(found, torch.from_numpy(same.where), len(same.first)))
        moved = step_rows(self._values.index_select(0, at), vectors, first, rates)
        self._table.scatter(self._rows[at], moved)


HERE = Here()


def chunks_of(many: int) -> list[slice]:
    """A batch of `many` examples in chunks.

    >>> chunks_of(1_500)
    [slice(0, 1024, None), slice(1024, 1500, None)]
    """
    return [slice(at, min(at + CHUNK, many)) for at in range(0, many, CHUNK)]


def summed(found: Gradients, where: torch.Tensor, rows: int) -> torch.Tensor:
    """(rows, D + 1) gradients added up in doubles; `where` (m,) tells whose each of them is."""
    sums = np.zeros((rows, found.vectors.shape[1] + 1))
    _add_up(where.numpy(), found.vectors.numpy(), found.first.numpy(), sums)
    return torch.from_numpy(sums)


def parted(sums: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """(u, D) and (u,) single numbers: gradients of vectors and of first-order weights."""
    return sums[:, :-1].float(), sums[:, -1].float()


def in_doubles(found: Gradients, like: Sequence[torch.Tensor]) -> torch.Tensor:
    """(k,) loss and dense gradients of all chunks, added up, one after the other in one piece."""
    total = torch.zeros(sum(value.numel() for value in like), dtype=torch.float64)
    for chunk in found.dense:
        total += torch.cat([value.reshape(-1) for value in chunk])
    return total


def shaped(flat: torch.Tensor, like: Sequence[torch.Tensor]) -> list[torch.Tensor]:
    """What `in_doubles` put in one piece, in pieces again and as single numbers."""
    parts = flat.float().split([value.numel() for value in like])
    return [part.reshape(value.shape) for part, value in zip(parts, like, strict=True)]


@compiled
def _add_up(where: Ints, vectors: Floats, first: Floats, sums: Doubles) -> None:
    """In the order in which they stand."""
    for i in range(len(where)):
        one, gradient = sums[where[i]], vectors[i]
        for d in range(len(gradient)):
            one[d] += gradient[d]
        one[-1] += first[i]
