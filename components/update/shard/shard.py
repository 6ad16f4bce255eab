"""A table whose rows live with several workers: row r is worker ``r mod W``'s, who alone moves it.

A step is two exchanges and a sum: the distinct rows of a worker's chunks of the batch come from their owners, their
gradients go back to them, and those of the dense part are added up. Synchronous, and the same update whatever the
number of workers, see `components.update.place`.

Rows of the base are mapped from its file by every worker, which is shared memory on one machine; what changes is held
by its owner. Model parallelism of embedding tables: Mudigere et al., ISCA 2022, section 4.2.
"""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from components.domain import Examples, Floats, Ints, Keys
from components.ranker.forward import Finds, Forward
from components.ranker.layered import Layered
from components.ranker.model import Model
from components.ranker.strides import AT_ONCE
from components.ranker.table import EmbeddingTable
from components.update.optimizer import Rates, step_rows
from components.update.place import Gradients, chunks_of, in_doubles, shaped, summed
from components.update.shard.group import Group

NO_ROWS = np.empty(0, np.int64)


def owner_of(rows: Ints, size: int) -> Ints:
    """(m,) which of `size` workers each row belongs to."""
    return rows % size


class Shard:
    """One of `group`'s workers; a `components.update.place.Place`."""

    def __init__(self, group: Group) -> None:
        self.group, self.rank = group, group.rank

    def share(self, many: int) -> slice:
        """A stretch of them, as long as everybody's to within one."""
        start, stop = (rank * many // self.group.size for rank in (self.rank, self.rank + 1))
        return slice(start, stop)

    def together(self, mine: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """See `Place`."""
        return self.group.gather(mine)

    def chunks(self, many: int) -> list[slice]:
        """Every so many-th."""
        return chunks_of(many)[self.rank :: self.group.size]

    def gather(self, table: EmbeddingTable, rows: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """See `Place`: one exchange for all of them."""
        asked = [of_chunk.numpy() for of_chunk in rows]
        distinct, where = np.unique(np.concatenate([NO_ROWS, *asked]), return_inverse=True)
        values = self._fetched(table.layers, distinct)
        ends = np.cumsum([0, *map(len, asked)])
        return [torch.from_numpy(values[where[start:end]]) for start, end in pairwise(ends)]

    def step(self, table: EmbeddingTable, found: Gradients, rates: Rates) -> None:
        """See `Place`: gradients go to their rows' owners."""
        rows = found.rows.numpy()
        order, counts = self._by_owner(rows)
        numbers = torch.cat([found.vectors, found.first[:, None]], 1).numpy()
        mine, theirs = self.group.exchange(rows[order], counts)
        values = torch.from_numpy(self.group.exchange_known(numbers[order], counts, theirs))
        own = Gradients(torch.from_numpy(mine), values[:, :-1], values[:, -1], ())
        distinct, vectors, first = summed(own)
        table.scatter(distinct, step_rows(table.gather(distinct), vectors, first, rates))

    def added(self, found: Gradients, like: Sequence[torch.Tensor]) -> list[torch.Tensor]:
        """See `Place`."""
        return shaped(self.group.add(in_doubles(found, like)), like)

    def logits(self, model: Model, examples: Examples, rows: Ints | None = None, *, raw: bool = False) -> Floats:
        """See `Place`: every worker predicts its share, a stretch at a time."""
        index = np.arange(len(examples)) if rows is None else rows
        mine = index[self.share(len(index))]
        rounds = ceil(ceil(len(index) / self.group.size) / AT_ONCE)  # of the longest share
        said = [np.empty(0, np.float32)]
        for at in range(rounds):
            part = examples.take(mine[at * AT_ONCE : (at + 1) * AT_ONCE])
            forward = self._view(model, part.keys)
            if len(part):
                said.append((forward.predict_raw(part) if raw else forward.predict(part)).logit)
        return self.group.gather(np.concatenate(said))

    def _view(self, model: Model, keys: Keys) -> Forward:
        """What predicts examples of `keys`: the model on the rows that they read, which their owners send."""
        rows = np.unique(model.rows(keys))
        held = Layered.whole(self._fetched(model.table.layers, rows))
        return replace(model.forward(), vocabulary=_Fetched(model.vocabulary, rows), table=held, sums=None)

    def _by_owner(self, rows: Ints) -> tuple[Ints, Ints]:
        """(m,) order in which rows stand owner after owner, and (W,) how many are of each."""
        owner = owner_of(rows, self.group.size)
        return np.argsort(owner, kind="stable"), np.bincount(owner, minlength=self.group.size)

    def _fetched(self, table: Layered[np.float32], rows: Ints) -> Floats:
        """(m, D + 2) what distinct rows hold, from their owners."""
        order, counts = self._by_owner(rows)
        asked, theirs = self.group.exchange(rows[order], counts)
        found = self.group.exchange_known(table.take(asked), theirs, counts)
        values: Floats = np.empty_like(found)
        values[order] = found
        return values


class _Fetched:
    """A vocabulary of the rows that were fetched: where each stands among them."""

    def __init__(self, vocabulary: Finds, rows: Ints) -> None:
        self._vocabulary, self._rows = vocabulary, rows

    def find(self, keys: Keys, shared: Ints) -> Ints:
        """As `Vocabulary.find`, the place of each row."""
        return np.searchsorted(self._rows, self._vocabulary.find(keys, shared))
