"""Neighbours exactly: FAISS over everything kept, milliseconds per query at 100,000 kept.

An index is never changed while it may be searched: adding to a FAISS index under another thread's search crashes,
and removing from an inverted file returns wrong ids. A write builds a small new index of the tail, now and
then a new one of everything, and swaps the reference.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from components.domain import DAY, Doubles, Floats, Ints
from components.memory.neighbour_statistics import Recalled
from components.memory.outcome_log import Kept
from components.memory.settings import MemorySettings
from components.memory.view import State
from components.ranker.online_logistic import sigmoid

TAIL = 4096
"""Outcomes in the small index before everything is indexed anew: 20 rebuilds per 80,000 outcomes, 5 ms each."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """An index of the outcomes numbered `first` and on."""

    index: Any
    first: int

    @classmethod
    def of(cls, hidden: Floats, first: int) -> "Indexed":
        """All of (m, H) unit vectors."""
        import faiss

        index = faiss.IndexFlatIP(hidden.shape[1])
        if len(hidden):
            index.add(np.ascontiguousarray(hidden))
        return cls(index, first)

    def search(self, hidden: Floats, k: int, oldest: int) -> tuple[Floats, Ints]:
        """Similarity and place of the k best that are number `oldest` or newer, each pair on its own: in whatever
        index a pair is, its similarity has the same bits."""
        import faiss

        kept = faiss.IDSelectorRange(max(oldest - self.first, 0), int(self.index.ntotal))
        return self.index.search(hidden, k, params=faiss.SearchParameters(sel=kept))  # type: ignore[call-arg]

    @property
    def end(self) -> int:
        """Number of the first outcome after it."""
        return self.first + int(self.index.ntotal)


class ExactIndex:
    """All that is kept, in two flat indexes."""

    def __init__(self, hidden_size: int, settings: MemorySettings) -> None:
        self._settings = settings
        none = Indexed.of(np.zeros((0, hidden_size), np.float32), 0)
        self._parts = (none, none)

    def recall(self, hidden: Floats, at: Ints, kept: Kept) -> Recalled:
        """Softmax-weighted sums over the k nearest of (n, H) unit vectors; what is past the ttl does not count."""
        s = self._settings
        similarity, row = self._nearest(hidden, kept)
        age = at[:, None] - kept.examples.at[row] if len(kept) else np.zeros(row.shape)
        known = (row >= 0) & (age <= s.neighbours_ttl * DAY)
        closeness = np.where(known, np.exp((similarity - 1) / s.neighbours_temperature), 0.0)
        share = closeness / np.maximum(closeness.sum(1, keepdims=True), 1e-12)
        if not len(kept):
            return Recalled(*np.zeros((4, len(hidden))))
        p = sigmoid(kept.logit[row])
        return Recalled(*((share * part).sum(1) for part in (np.ones_like(p), kept.reward[row], p, p * (1 - p))))

    def sees(self, hidden: Floats) -> Ints:
        """(n, m) all that is indexed."""
        return np.tile(np.arange(self._parts[0].first, self._parts[1].end), (len(hidden), 1))

    def add(self, kept: Kept, new: int) -> None:
        """Take in the newest `new` of the log."""
        base, end = self._parts[0], kept.first + len(kept)
        if end - max(base.end, kept.first) > TAIL:
            base = Indexed.of(kept.hidden, kept.first)
        self._swap(base, kept)

    def state(self) -> State:
        """Which outcomes are in the large index."""
        return {"based": np.array([self._parts[0].end])}

    def load(self, state: State, kept: Kept) -> None:
        """Continue from `state`."""
        self._swap(Indexed.of(kept.hidden[: max(int(state["based"][0]) - kept.first, 0)], kept.first), kept)

    def encode_anew(self, kept: Kept) -> None:
        """The hidden space is another: index everything in it."""
        self._swap(Indexed.of(kept.hidden, kept.first), kept)

    def _swap(self, base: Indexed, kept: Kept) -> None:
        start = max(base.end, kept.first)
        base = base if base.end == start else Indexed.of(kept.hidden[:0], start)
        self._parts = (base, Indexed.of(kept.hidden[start - kept.first :], start))

    def _nearest(self, hidden: Floats, kept: Kept) -> tuple[Doubles, Ints]:
        """Similarity and place in `kept` of the k best of both parts, best first, -1 where there are fewer."""
        found = [(part.search(hidden, self._settings.neighbours, kept.first), part.first) for part in self._parts]
        similarity = np.concatenate([s for (s, _), _ in found], 1).astype(np.float64)
        row = np.concatenate([np.where(r < 0, -1, r + first - kept.first) for (_, r), first in found], 1)
        row[(row < 0) | (row >= len(kept))] = -1
        best = np.argsort(-np.where(row < 0, -np.inf, similarity), axis=1, kind="stable")
        best = best[:, : self._settings.neighbours]
        return np.take_along_axis(similarity, best, 1), np.take_along_axis(row, best, 1)
