"""Nearest outcomes: what happened to the examples whose hidden states are most like this one's.

A ring of the newest outcomes with their hidden states, rewards and the predictions made before them. Read
for a query: the k most similar (cosine, FAISS, exact), weighted ``a_i = softmax(s_i / tau)`` (Zhu et al.
2023, KDD, section 4.2). Outcomes older than a ttl are not counted.

An index is never changed while it may be searched: adding to a FAISS index under another thread's search
crashes, and removing from an inverted file returns wrong ids. A write builds a small new index of the
tail, now and then a new one of everything, and swaps the reference.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from components.domain import DAY, Doubles, Examples, Floats, Ints, Prediction
from components.memory.recalled import Recalled
from components.memory.settings import MemorySettings
from components.memory.view import State, sigmoid

TAIL = 4096
"""Outcomes in the small index before everything is indexed anew: 20 rebuilds per 80,000 outcomes, 5 ms each."""


@dataclass(frozen=True, slots=True)
class Kept:
    """The newest outcomes, oldest first: the examples, their reward, and logit and hidden as predicted."""

    examples: Examples
    reward: Floats
    logit: Floats
    hidden: Floats

    def __len__(self) -> int:
        return len(self.reward)

    def last(self, rows: int) -> "Kept":
        """The newest `rows` outcomes."""
        step = slice(max(len(self) - rows, 0), None)
        return Kept(self.examples.take(step), self.reward[step], self.logit[step], self.hidden[step])

    def then(self, newer: "Kept") -> "Kept":
        """These and `newer`."""
        return Kept(
            Examples.concat([self.examples, newer.examples]),
            np.concatenate([self.reward, newer.reward]),
            np.concatenate([self.logit, newer.logit]),
            np.concatenate([self.hidden, newer.hidden]),
        )


class NeighbourView:
    """The nearest outcomes; one signal in logits."""

    signals = ("neighbours",)

    def __init__(self, empty: Examples, hidden_size: int, settings: MemorySettings) -> None:
        """`empty` has no rows and the columns of the feature spec."""
        self._settings = settings
        none = np.zeros(0, np.float32)
        self._kept = Kept(empty, none, none, np.zeros((0, hidden_size), np.float32))
        self._based = 0
        self._indexes: tuple[Any, ...] = ()

    def __len__(self) -> int:
        return len(self._kept)

    def recall(self, examples: Examples, prediction: Prediction) -> Recalled:
        """Softmax-weighted sums over the k nearest outcomes within the ttl."""
        kept, indexes = self._kept, self._indexes
        if not indexes:
            return Recalled(*np.zeros((4, len(examples))))
        similarity, row = self._nearest(indexes, unit(prediction.hidden))
        age = examples.at[:, None] - kept.examples.at[row]
        known = (row >= 0) & (age <= self._settings.neighbours_ttl * DAY)
        closeness = np.where(known, np.exp((similarity - 1) / self._settings.neighbours_temperature), 0.0)
        share = closeness / np.maximum(closeness.sum(1, keepdims=True), 1e-12)
        p = sigmoid(kept.logit[row])
        parts = (np.ones_like(p), kept.reward[row], p, p * (1 - p))
        return Recalled(*((share * part).sum(1) for part in parts))

    def read(self, examples: Examples, prediction: Prediction) -> Doubles:
        """(n, 1) error of the neighbours; weights sum to 1, so that the shrinkage is one average outcome's."""
        return self.recall(examples, prediction).signal(0.25)

    def write(self, examples: Examples, prediction: Prediction, reward: Floats) -> Doubles:
        """Keep n outcomes; the oldest beyond the capacity are dropped."""
        signals = self.read(examples, prediction)
        self.add(examples, prediction, reward)
        return signals

    def add(self, examples: Examples, prediction: Prediction, reward: Floats) -> None:
        """Write without asking what was known before."""
        newer = Kept(examples, reward, prediction.logit, unit(prediction.hidden))
        kept = self._kept.then(newer)
        based = self._based
        if len(kept) - based > TAIL or len(kept) > self._settings.neighbours_kept + TAIL:
            kept = kept.last(self._settings.neighbours_kept)
            based = len(kept)
        self._swap(kept, based)

    def rebase(self, predict: Callable[[Examples], Prediction]) -> None:
        """Encode the kept examples anew; rewards and the predictions made before them stay."""
        kept = self._kept
        if len(kept):
            hidden = unit(predict(kept.examples).hidden)
            self._indexes = ()
            self._swap(Kept(kept.examples, kept.reward, kept.logit, hidden), self._based)

    def state(self) -> State:
        """What is kept, oldest first, and how much of it is in the large index."""
        e = self._kept.examples
        outcome = {"reward": self._kept.reward, "logit": self._kept.logit, "hidden": self._kept.hidden}
        return {"keys": e.keys, "numeric": e.numeric, "at": e.at, **outcome, "based": np.array([self._based])}

    def load(self, state: State) -> None:
        """Continue from `state`."""
        examples = Examples(state["keys"], state["numeric"], state["at"])
        self._indexes = ()
        self._swap(Kept(examples, state["reward"], state["logit"], state["hidden"]), int(state["based"][0]))

    def copy(self) -> "NeighbourView":
        """A view with the same content; what both hold is never changed, only replaced."""
        twin = NeighbourView(self._kept.examples, 0, self._settings)
        twin._kept, twin._based, twin._indexes = self._kept, self._based, self._indexes
        return twin

    def _swap(self, kept: Kept, based: int) -> None:
        base = self._indexes[0] if self._indexes and based == self._based else _index(kept.hidden[:based])
        self._kept, self._based, self._indexes = kept, based, (base, _index(kept.hidden[based:]))

    def _nearest(self, indexes: tuple[Any, ...], queries: Floats) -> tuple[Doubles, Ints]:
        """Similarity and row of the k best of both indexes, best first, -1 where there are fewer."""
        found = [index.search(queries, self._settings.neighbours) for index in indexes]
        similarity = np.concatenate([s for s, _ in found], 1).astype(np.float64)
        row = np.concatenate([found[0][1], np.where(found[1][1] < 0, -1, found[1][1] + indexes[0].ntotal)], 1)
        best = np.argsort(-np.where(row < 0, -np.inf, similarity), axis=1, kind="stable")
        best = best[:, : self._settings.neighbours]
        return np.take_along_axis(similarity, best, 1), np.take_along_axis(row, best, 1)


def unit(hidden: Floats) -> Floats:
    """Rows scaled to length 1; a row of zeros stays."""
    length = np.sqrt((hidden.astype(np.float64) ** 2).sum(1, keepdims=True))
    return (hidden / np.maximum(length, 1e-12)).astype(np.float32)


def _index(hidden: Floats) -> Any:
    import faiss

    index = faiss.IndexFlatIP(hidden.shape[1])
    if len(hidden):
        index.add(np.ascontiguousarray(hidden))
    return index
