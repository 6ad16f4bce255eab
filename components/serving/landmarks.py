"""A person's best items out of a million, from how the model scores two hundred for them.

A network that looks at user and item together has no vectors whose product is its score. So they are made from its
scores. Offline, S sample users score all k items; the centred scores, as a matrix, are factored,

    score(u, i) = mean_i + x_u v_i,     V = the d leading right singular vectors, scaled so that x has unit variance,

and `L` items are kept as landmarks. Online the real model and memory score the landmarks for the person who asks,
and least squares gives the vector: ``x = (score - mean)_L V_L (V_L' V_L + ridge)^-1``. What a memory has learned of a
person since is in those scores. Then ``mean_i + x v_i`` is an inner product of ``[x ; 1]`` and ``[v_i ; mean_i]``, and
its largest values are found by FAISS (Douze et al. 2024, arXiv 2401.08281). Inner products are searched as distances,
by one more dimension that gives every item the same length (Bachrach et al. 2014, RecSys, section 3.1): lists of an
inverted file hold what is near, not what is large.

Error against scoring everything: what d dimensions do not hold, and what items learned since the index was made.
`Found` says how much that was, over other users than the sample.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.domain import Bools, Doubles, Floats, Ints
from components.frozen import Frozen

SAMPLE = 64
"""Users whose scores of all items the vectors are made of."""
JUDGES = 32
"""Other users, by whose ten best the index is judged."""
DIMENSIONS, LANDMARKS = 16, 128
RIDGE = 1e-3
"""Of the mean square of the landmarks' vectors: two landmarks may say the same."""
FLAT = 50_000
"""Items up to which every distance is computed: exact, and about a tenth of a millisecond for ten thousand."""
PROBES = 32
"""Lists of an inverted file that are searched."""
BEST = 10

Score = Callable[[Ints, Ints], Doubles]
"""Users and items by number, (s,) and (n,) -> (s, n) what the policy ranks by."""


class Found(Frozen):
    """How well an index finds what scoring everything finds.

    `recall` is the share of the `BEST` best items among the `candidates` found, over `judges` users; `kept` the
    expected reward of a slate drawn from what is retrieved, with all exploration, over that of the best slate.
    """

    items: int
    sample: int
    judges: int
    candidates: int
    recall: float
    kept: float


@dataclass(frozen=True, slots=True)
class Landmarks:
    """How to get from scores of a few items to the best of all k.

    Attributes
    ----------
    rows, mean : (L,) the landmark items, and their mean scores over the sample.
    solver : (L, d) from centred scores to a person's vector.
    index : FAISS index of the (k, d + 2) items.
    """

    rows: Ints
    mean: Doubles
    solver: Doubles
    index: Any

    @classmethod
    def fit(cls, scores: Doubles, rng: np.random.Generator) -> "Landmarks":
        """From the (S, k) scores that sample users give all items."""
        mean = scores.mean(0)
        centred = scores - mean
        values, users = np.linalg.eigh(centred @ centred.T / len(scores))  # S x S: k may be a million
        kept = [at for at in np.argsort(-values)[:DIMENSIONS] if values[at] > 1e-9 * max(values.max(), 1e-30)]
        vectors = centred.T @ users[:, kept] / np.sqrt(len(scores))  # (k, d): users' vectors have unit variance
        rows = _landmarks(vectors, mean, rng)
        own = vectors[rows]
        ridge = RIDGE * len(rows) * max(float((own**2).mean()) if own.size else 0.0, 1e-12)
        solver = np.linalg.solve(own.T @ own + ridge * np.eye(own.shape[1]), own.T).T
        return cls(rows, mean[rows], solver, _index(_lengthened(np.column_stack([vectors, mean - mean.mean()])), rng))

    def __len__(self) -> int:
        return int(self.index.ntotal)

    def nearest(self, scores: Doubles, count: int, allowed: Bools | None = None) -> Ints:
        """(r, at most count) rows of the items that should score best, best first.

        Parameters
        ----------
        scores : (r, L) scores of the landmarks. allowed : (k,) the items that may be found; none: all.
        """
        allowed = None if allowed is None else allowed[: len(self)]  # items that came later are not in the index
        person = (scores - self.mean) @ self.solver
        query = np.column_stack([person, np.ones(len(person)), np.zeros(len(person))]).astype(np.float32)
        count = min(count, len(self) if allowed is None else int(allowed.sum()))
        found = self._search(query, count, allowed, PROBES)
        if (found < 0).any():  # few are allowed, and stand in other lists
            found = self._search(query, count, allowed, 1 << 30)
        return found

    def _search(self, query: Floats, count: int, allowed: Bools | None, probes: int) -> Ints:
        import faiss

        bitmap: Any = faiss.IDSelectorBitmap
        chosen = None if allowed is None else bitmap(np.packbits(allowed, bitorder="little"))
        lists = getattr(self.index, "nlist", 0)
        kind: Any = faiss.SearchParametersIVF if lists else faiss.SearchParameters
        told = kind(sel=chosen, nprobe=min(probes, lists)) if lists else kind(sel=chosen)
        return np.asarray(self.index.search(query, count, params=told)[1], np.int64)


def _landmarks(vectors: Doubles, mean: Doubles, rng: np.random.Generator) -> Ints:
    """Rows of items that tell the vectors apart: the farthest from those before them, the best, and any others."""
    left, telling = vectors.copy(), []
    for _ in range(vectors.shape[1]):  # greedy pivots of a QR decomposition (Businger & Golub 1965)
        length = (left**2).sum(1)
        row = int(length.argmax())
        if length[row] <= 0:
            break
        telling.append(row)
        axis = left[row] / np.sqrt(length[row])
        left -= np.outer(left @ axis, axis)
    best = np.argsort(-mean, kind="stable")[: LANDMARKS // 2]
    others = rng.permutation(len(mean))[:LANDMARKS]
    rows = list(dict.fromkeys([*telling, *best.tolist(), *others.tolist()]))
    return np.sort(np.array(rows[:LANDMARKS], np.int64))


def _lengthened(vectors: Doubles) -> Floats:
    """(k, d + 1) vectors of one length, in whose distances the inner products of the (k, d) are in order."""
    squares = (vectors**2).sum(1)
    return np.column_stack([vectors, np.sqrt(squares.max() - squares)]).astype(np.float32)


def _index(vectors: Floats, rng: np.random.Generator) -> Any:
    import faiss

    vectors = np.ascontiguousarray(vectors)
    flat = faiss.IndexFlatL2(vectors.shape[1])
    if len(vectors) <= FLAT:
        flat.add(vectors)
        return flat
    lists = int(4 * np.sqrt(len(vectors)))
    index = faiss.IndexIVFFlat(flat, vectors.shape[1], lists)
    index.cp.seed, index.cp.niter = int(rng.integers(1 << 31)), 10
    index.train(vectors[rng.permutation(len(vectors))[: 50 * lists]])
    index.add(vectors)
    return index
