"""A table whose rows live with several workers: row r is worker ``r mod W``'s, who alone moves it.

A step is two exchanges and a sum: the distinct rows of a worker's share of the batch come from their owners, their
gradients go back to them, and those of the dense part are added up. A gradient that comes from several workers is
summed in double precision, so that a hot row moves as it does in one process, to the last bits of a float. Synchronous,
and with one worker the same bits as `components.update.place.HERE`.

Rows of the base are mapped from its file by every worker, which is shared memory on one machine; what changes is held
by its owner. Model parallelism of embedding tables: Mudigere et al., ISCA 2022, section 4.2.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from components.domain import Examples, Floats, Ints, Keys
from components.ranker.forward import Forward
from components.ranker.hashing import AnyVocabulary
from components.ranker.layered import Layered
from components.ranker.model import Model
from components.ranker.strides import AT_ONCE
from components.ranker.table import EmbeddingTable
from components.update.optimizer import Rates, step_rows
from components.update.place import Share
from components.update.shard.group import Group
from components.update.touched import Touched


def owner_of(rows: Ints, size: int) -> Ints:
    """(m,) which of `size` workers each row belongs to."""
    return rows % size


@dataclass(frozen=True, slots=True)
class Route:
    """Who has the distinct rows of a batch.

    Attributes
    ----------
    order : (u,) the rows, by owner; counts : (W,) of each owner.
    asked : (r,) rows that others ask of this worker, worker after worker; theirs : (W,) of each.
    """

    order: Ints
    counts: Ints
    asked: Ints
    theirs: Ints


class Shard:
    """One of `group`'s workers; a `components.update.place.Place`."""

    def __init__(self, group: Group) -> None:
        self.group, self.rank = group, group.rank
        self._last: tuple[Touched, Route] | None = None

    def share(self, many: int) -> Share:
        """A stretch of them, as long as everybody's to within one."""
        ends = np.arange(self.group.size + 1) * many // self.group.size
        return Share(many, int(ends[self.rank]), int(ends[self.rank + 1]))

    def whole(self, mine: int) -> Share:
        """See `Place`."""
        counts = self.group.gather(np.array([mine]))
        start = int(counts[: self.rank].sum())
        return Share(int(counts.sum()), start, start + mine)

    def gather(self, table: EmbeddingTable, touched: Touched) -> torch.Tensor:
        """See `Place`; the missing row is zero everywhere."""
        rows = touched.rows.numpy()
        route = self._route(rows)
        self._last = touched, route
        block = np.zeros((len(touched.asked), table.layers.own.shape[1]), np.float32)
        counts = np.diff(np.append(touched.starts.numpy(), len(touched.position)))
        block[touched.position.numpy()] = np.repeat(self._fetched(table.layers, rows, route), counts, 0)
        return torch.from_numpy(block)

    def step(
        self,
        table: EmbeddingTable,
        touched: Touched,
        block: torch.Tensor,
        vectors: torch.Tensor,
        first: torch.Tensor,
        rates: Rates,
    ) -> None:
        """See `Place`: of a batch whose rows were gathered last."""
        if self._last is None or self._last[0] is not touched:
            raise ValueError("a step on rows that were not gathered last")
        route, self._last = self._last[1], None
        sent = np.concatenate([vectors.numpy(), first.numpy()[:, None]], 1)[route.order]
        found = self.group.exchange_known(sent, route.counts, route.theirs)
        rows, where = np.unique(route.asked, return_inverse=True)
        summed = np.zeros((len(rows), found.shape[1]))
        np.add.at(summed, where, found)
        gradient = torch.from_numpy(summed.astype(np.float32))
        mine = torch.from_numpy(rows)
        table.scatter(mine, step_rows(table.gather(mine), gradient[:, :-1].contiguous(), gradient[:, -1].clone(), rates))

    def added(self, values: list[torch.Tensor]) -> list[torch.Tensor]:
        """See `Place`."""
        return self.group.added(values)

    def logits(self, model: Model, examples: Examples, rows: Ints | None = None, *, raw: bool = False) -> Floats:
        """See `Place`: every worker predicts its share, a stretch at a time."""
        index = np.arange(len(examples)) if rows is None else rows
        share = self.share(len(index))
        mine = index[share.start : share.stop]
        rounds = -(-(-(-len(index) // self.group.size)) // AT_ONCE)  # the longest share's
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
        values = self._fetched(model.table.layers, rows, self._route(rows))
        seen = _Fetched(model.vocabulary, rows)
        return replace(model.forward(), vocabulary=seen, table=Layered.whole(values), sums=None)

    def _route(self, rows: Ints) -> Route:
        owner = owner_of(rows, self.group.size)
        order = np.argsort(owner, kind="stable")
        counts = np.bincount(owner, minlength=self.group.size)
        asked, theirs = self.group.exchange(rows[order], counts)
        return Route(order, counts, asked, theirs)

    def _fetched(self, table: Layered[np.float32], rows: Ints, route: Route) -> Floats:
        """(u, D + 2) what the rows hold."""
        found = self.group.exchange_known(table.take(route.asked), route.theirs, route.counts)
        values: npt.NDArray[Any] = np.empty_like(found)
        values[route.order] = found
        return values


class _Fetched:
    """A vocabulary of the rows that were fetched: where each stands among them."""

    def __init__(self, vocabulary: AnyVocabulary, rows: Ints) -> None:
        self._vocabulary, self._rows = vocabulary, rows

    def find(self, keys: Keys, shared: Ints) -> Ints:
        """As `Vocabulary.find`, the place of each row."""
        return np.searchsorted(self._rows, self._vocabulary.find(keys, shared))
