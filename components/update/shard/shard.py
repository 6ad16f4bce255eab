"""A table whose rows live with several workers: row r is worker ``r mod W``'s, who alone moves it.

A step is two exchanges and a sum: the distinct rows of a worker's chunks of the batch come from their owners, their
gradients go back to them, and those of the dense part are added up. Synchronous, and the same update whatever the
number of workers, see `components.update.place`.

Rows of the base are mapped from its file by every worker, which is shared memory on one machine; what changes is held
by its owner. Model parallelism of embedding tables: Mudigere et al., ISCA 2022, section 4.2.
"""

from collections.abc import Sequence
from dataclasses import replace
from math import ceil
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from components.domain import MISSING_KEY, Examples, Floats, Ints, Keys
from components.ranker.forward import Forward
from components.ranker.layered import Layered
from components.ranker.model import Model
from components.ranker.strides import AT_ONCE
from components.ranker.table import EmbeddingTable
from components.ranker.vocabulary import MISSING_ROW
from components.update.distinct import Distinct
from components.update.optimizer import Rates, step_rows
from components.update.place import Gradients, chunks_of, in_doubles, parted, shaped, summed
from components.update.shard.group import Group
from components.update.shard.table import owner_of

NO_ROWS = torch.empty(0, dtype=torch.int64)


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

    def gather(self, table: EmbeddingTable, rows: Sequence[torch.Tensor]) -> "HeldByOwners":
        """See `Place`: one exchange for all of them."""
        return HeldByOwners(self.group, table, rows)

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
            forward, named = self._view(model, part)
            if len(part):
                said.append((forward.predict_raw(named) if raw else forward.predict(named)).logit)
        return self.group.gather(np.concatenate(said))

    def _view(self, model: Model, part: Examples) -> tuple[Forward, Examples]:
        """What predicts `part`, from the rows that it reads, which their owners send; and `part` in its words.

        Its keys are numbers of those that are in `part`, so that each is looked up once.
        """
        flat = part.keys.ravel()
        keys = Distinct.of(flat)
        vocabulary = model.spec.vocabulary_of_column[keys.first % part.keys.shape[1]]
        rows = model.vocabulary.find(flat[keys.first][:, None], vocabulary[:, None])  # (k, P)
        fetched = Fetched(self.group, model.table, np.append(MISSING_ROW, rows))
        places = np.concatenate([np.full((1, rows.shape[1]), fetched.where[0]), fetched.where[1:].reshape(rows.shape)])
        named = np.where(part.keys == MISSING_KEY, 0, 1 + keys.where.reshape(part.keys.shape)).astype(np.uint64)
        held = Layered.whole(fetched.values)
        forward = replace(model.forward(), vocabulary=_Named(places), table=held, sums=None)
        return forward, replace(part, keys=named)


class Fetched:
    """Rows of a table from their owners, each distinct one once.

    Attributes
    ----------
    values : (u, D + 2) what distinct rows hold; where : (m,) which of them each row that was asked for is.
    asked : (r,) rows of this worker that others, and itself, have asked for.
    """

    def __init__(self, group: Group, table: EmbeddingTable, rows: Ints) -> None:
        self._group = group
        same = Distinct.of(rows)
        distinct = rows[same.first]
        owner = owner_of(distinct, group.size).astype(np.uint16)  # few bits: sorted by counting
        order = np.argsort(owner, kind="stable")
        self._counts = np.bincount(owner, minlength=group.size)
        self.asked, self._theirs = group.exchange(distinct[order], self._counts)
        self.sent: Floats = table.gather(torch.from_numpy(self.asked)).numpy()
        self.values: Floats = group.exchange_known(self.sent, self._theirs, self._counts)
        place = np.empty(len(order), np.int64)
        place[order] = np.arange(len(order))
        self.where = place[same.where]

    def answer(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(r, ...) what those who asked for `asked` have for them: each worker has `values` (u, ...) for its owners."""
        return self._group.exchange_known(values, self._counts, self._theirs)


class HeldByOwners:
    """See `components.update.place.Held`; a worker's gradients go to their rows' owners as sums of its chunks."""

    def __init__(self, group: Group, table: EmbeddingTable, rows: Sequence[torch.Tensor]) -> None:
        asked = torch.cat([NO_ROWS, *rows])
        self._table = table
        self._fetched = Fetched(group, table, asked.numpy())
        self._where = torch.from_numpy(self._fetched.where)
        values = torch.from_numpy(self._fetched.values).index_select(0, self._where)
        self.chunks = values.split([len(of_chunk) for of_chunk in rows]) if rows else ()

    def step(self, found: Gradients, rates: Rates) -> None:
        """See `Held`. What nobody has learned of is the missing row."""
        sums = summed(found, self._where[found.at], len(self._fetched.values))
        theirs = torch.from_numpy(self._fetched.answer(sums.numpy()))
        asked, sent = self._fetched.asked, self._fetched.sent
        same = Distinct.of(asked)
        total = torch.zeros(len(same.first), theirs.shape[1], dtype=torch.float64)
        total.index_add_(0, torch.from_numpy(same.where), theirs)
        moved = step_rows(torch.from_numpy(sent[same.first]), *parted(total), rates)
        mine = torch.from_numpy(asked[same.first])
        learned = mine != MISSING_ROW
        self._table.scatter(mine[learned], moved[learned])


class _Named:
    """A vocabulary of numbered keys: (k + 1, P) where their rows are held, that of no value first."""

    def __init__(self, places: Ints) -> None:
        self._places = places

    def find(self, keys: Keys, shared: Ints) -> Ints:
        """As `Vocabulary.find`, the place of each row."""
        return self._places[keys.view(np.int64)].reshape(len(keys), -1)
