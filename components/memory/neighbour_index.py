"""The nearest outcomes with FAISS: an inverted file over most of what is kept, exact search over the newest.

An index is never changed while it may be searched: adding to a FAISS index under another thread's search crashes,
and removing from an inverted file returns wrong ids. A write builds a small flat index of the tail, now and then a
new large one, and swaps the reference. The centroids of the inverted file (spherical k-means on the unit vectors)
are learned anew when the log has doubled, and each time all that they were learned from has been dropped.

Bias against exact search: neighbours in lists that are not probed are not seen; `benchmarks.memory_speed` reports
the recall. With `neighbours_exact` the large index is flat, too.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from components.domain import DAY, Doubles, Floats, Ints
from components.memory.neighbour_statistics import NeighbourStatistics
from components.memory.outcome_log import Kept
from components.memory.settings import MemorySettings
from components.memory.view import State
from components.sigmoid import sigmoid

TAIL = 512
"""Outcomes in the small index before everything is indexed anew; a sixteenth of what is kept where that is more."""
PER_LIST = 39
"""Fewest outcomes per centroid, as FAISS asks for; without that limit there are ``4 sqrt(n)`` lists."""
ROUNDS = 10
"""Iterations of k-means; 25 gave the same recall."""


@dataclass(frozen=True, slots=True)
class Indexed:
    """An index of the outcomes numbered `first` and on; `probes` lists of it are searched, 0: it is flat."""

    index: Any
    first: int
    probes: int = 0

    @classmethod
    def flat(cls, hidden: Floats, first: int) -> "Indexed":
        """All of (m, H) unit vectors, one by one."""
        import faiss

        index = faiss.IndexFlatIP(hidden.shape[1])
        if len(hidden):
            index.add(np.ascontiguousarray(hidden))
        return cls(index, first)

    @classmethod
    def inverted(cls, hidden: Floats, first: int, centroids: Floats, probes: int) -> "Indexed":
        """(m, H) unit vectors by the nearest of (L, H) centroids."""
        import faiss

        index = faiss.IndexIVFFlat(cls.flat(centroids, 0).index, hidden.shape[1], len(centroids))
        index.metric_type, index.is_trained = faiss.METRIC_INNER_PRODUCT, True
        index.add(np.ascontiguousarray(hidden))
        return cls(index, first, probes)

    def search(self, hidden: Floats, k: int, oldest: int) -> tuple[Floats, Ints]:
        """Similarity and place of the k best that are number `oldest` or newer, each pair on its own: in whatever
        index a pair is, its similarity has the same bits."""
        import faiss

        kept = faiss.IDSelectorRange(max(oldest - self.first, 0), int(self.index.ntotal))
        make: Any = faiss.SearchParametersIVF if self.probes else faiss.SearchParameters
        how = make(sel=kept, nprobe=self.probes) if self.probes else make(sel=kept)
        return self.index.search(hidden, k, params=how)

    @property
    def end(self) -> int:
        """Number of the first outcome after it."""
        return self.first + int(self.index.ntotal)


@dataclass(frozen=True, slots=True)
class Centroids:
    """(L, H) unit vectors that lists are filled by, learned after `learned` outcomes had been kept."""

    at: Floats
    learned: int

    @classmethod
    def of(cls, hidden: Floats, learned: int) -> "Centroids":
        """Spherical k-means on (m, H) unit vectors; the same vectors give the same bits."""
        import faiss

        lists = max(1, min(round(4 * len(hidden) ** 0.5), len(hidden) // PER_LIST))
        means = faiss.Kmeans(hidden.shape[1], lists, niter=ROUNDS, seed=1, spherical=True, min_points_per_centroid=1)
        means.train(np.ascontiguousarray(hidden))
        return cls(np.asarray(means.centroids, np.float32).reshape(lists, -1), learned)

    def outdated(self, kept: Kept) -> bool:
        """Whether the log has doubled since, or nothing of it is left."""
        return kept.first >= self.learned or kept.first + len(kept) >= 2 * self.learned


class NeighbourIndex:
    """All that is kept, in a large index and a small one. `parts` is replaced whole, so that readers need no lock."""

    def __init__(self, hidden_size: int, settings: MemorySettings) -> None:
        self._settings = settings
        nothing = np.zeros((0, hidden_size), np.float32)
        self._centroids = Centroids(nothing, 0)
        self._parts = (Indexed.flat(nothing, 0), Indexed.flat(nothing, 0))

    def statistics(self, hidden: Floats, at: Ints, kept: Kept) -> NeighbourStatistics:
        """Softmax-weighted sums over the k nearest of (n, H) unit vectors; what is past the ttl does not count."""
        s = self._settings
        if not len(kept):
            return NeighbourStatistics(*np.zeros((4, len(hidden))))
        similarity, row = self.nearest(hidden, kept)
        known = (row >= 0) & (at[:, None] - kept.examples.at[row] <= s.neighbours_ttl * DAY)
        closeness = np.where(known, np.exp((similarity - 1) / s.neighbours_temperature), 0.0)
        share = closeness / np.maximum(closeness.sum(1, keepdims=True), 1e-12)
        p = sigmoid(kept.logit[row])
        parts = (np.ones_like(p), kept.reward[row], p, p * (1 - p))
        return NeighbourStatistics(*((share * part).sum(1) for part in parts))

    def nearest(self, hidden: Floats, kept: Kept) -> tuple[Doubles, Ints]:
        """Similarity and place in `kept` of the k best of both parts, best first, -1 where there are fewer."""
        found = [(part.search(hidden, self._settings.neighbours, kept.first), part.first) for part in self._parts]
        similarity = np.concatenate([s for (s, _), _ in found], 1).astype(np.float64)
        row = np.concatenate([np.where(r < 0, -1, r + first - kept.first) for (_, r), first in found], 1)
        row[(row < 0) | (row >= len(kept))] = -1
        best = np.argsort(-np.where(row < 0, -np.inf, similarity), axis=1, kind="stable")
        best = best[:, : self._settings.neighbours]
        return np.take_along_axis(similarity, best, 1), np.take_along_axis(row, best, 1)

    def learn(self, kept: Kept) -> None:
        """Take in what the log has and the index has not."""
        base, end = self._parts[0], kept.first + len(kept)
        if end - max(base.end, kept.first) > max(TAIL, len(kept) // 16):
            if self._centroids.outdated(kept):
                self._centroids = self._learned(kept)
            base = self._large(kept, len(kept))
        self._swap(base, kept)

    def state(self) -> State:
        """Which outcomes are in the large index, and the centroids of its lists."""
        c = self._centroids
        return {"based": np.array([self._parts[0].end]), "centroids": c.at.copy(), "learned": np.array([c.learned])}

    def load(self, state: State, kept: Kept) -> None:
        """Continue from `state`."""
        self._centroids = Centroids(np.array(state["centroids"]), int(state["learned"][0]))
        self._swap(self._large(kept, max(int(state["based"][0]) - kept.first, 0)), kept)

    def encode_anew(self, kept: Kept) -> None:
        """The hidden space is another: index everything in it."""
        self._centroids = self._learned(kept)
        self._swap(self._large(kept, len(kept)), kept)

    def _learned(self, kept: Kept) -> Centroids:
        end = kept.first + len(kept)
        return Centroids(kept.hidden[:0], end) if self._settings.neighbours_exact else Centroids.of(kept.hidden, end)

    def _large(self, kept: Kept, rows: int) -> Indexed:
        """The first `rows` of the log, in lists unless all is to be searched."""
        if self._settings.neighbours_exact or not len(self._centroids.at):
            return Indexed.flat(kept.hidden[:rows], kept.first)
        return Indexed.inverted(kept.hidden[:rows], kept.first, self._centroids.at, self._settings.neighbours_probes)

    def _swap(self, base: Indexed, kept: Kept) -> None:
        start = max(base.end, kept.first)
        base = base if base.end == start else Indexed.flat(kept.hidden[:0], start)
        self._parts = (base, Indexed.flat(kept.hidden[start - kept.first :], start))
