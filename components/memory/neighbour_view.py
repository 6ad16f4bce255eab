"""Nearest outcomes: what happened to the examples whose hidden states are most like this one's.

The newest outcomes are kept with their hidden states, rewards and the predictions made before them. Read for a
query: the most similar, by cosine, weighted ``a_i = softmax(s_i / tau)`` (Zhu et al. 2023, KDD, section 4.2).
Outcomes older than a ttl are not counted. Which are the most similar is told by FAISS.
"""

from collections.abc import Callable, Mapping

import numpy as np

from components.domain import Doubles, Examples, Floats, Ints, Keys, Prediction
from components.memory.neighbour_index import NeighbourIndex
from components.memory.neighbour_statistics import NeighbourStatistics
from components.memory.outcome_log import COLUMNS, OutcomeLog
from components.memory.settings import MemorySettings
from components.memory.view import State

PRIOR = 0.25
"""Precision of the prior of the signal: one outcome at a prediction of one half."""


class NeighbourView:
    """The nearest outcomes; one signal in logits."""

    signals = ("neighbours",)

    def __init__(self, empty: Examples, hidden_size: int, settings: MemorySettings) -> None:
        """`empty` has no rows and the columns of the feature spec."""
        self._empty, self._hidden_size, self._settings = empty, hidden_size, settings
        self._log = OutcomeLog(empty, hidden_size, settings.neighbours_kept)
        self._index = NeighbourIndex(hidden_size, settings)

    def __len__(self) -> int:
        return len(self._log)

    def statistics(self, examples: Examples, prediction: Prediction) -> NeighbourStatistics:
        """Softmax-weighted sums over the nearest outcomes within the ttl."""
        return self._statistics(unit(prediction.hidden), examples.at)

    def recall_at_k(self, prediction: Prediction) -> float:
        """recall@k: the share of the k nearest kept outcomes that the index finds, over n queries; slow."""
        kept, hidden = self._log.kept(), unit(prediction.hidden)
        k = min(self._settings.neighbours, len(kept))
        nearest = np.argpartition(-hidden @ kept.hidden.T, k - 1, axis=1)[:, :k]
        found = self._index.nearest(hidden, kept)[1]
        return float(np.mean([np.isin(*pair).mean() for pair in zip(nearest, found, strict=True)]))

    def read(self, examples: Examples, prediction: Prediction) -> Doubles:
        """(n, 1) error of the neighbours; weights sum to 1, so that the shrinkage is one average outcome's."""
        return self.statistics(examples, prediction).signal(PRIOR)

    def learn(self, examples: Examples, prediction: Prediction, reward: Floats) -> Doubles:
        """Keep n outcomes; the oldest beyond the capacity are dropped."""
        hidden = unit(prediction.hidden)
        signals = self._statistics(hidden, examples.at).signal(PRIOR)
        self._keep(examples, prediction, reward, hidden)
        return signals

    def learn_unread(self, examples: Examples, prediction: Prediction, reward: Floats) -> None:
        """Write without asking what was known before."""
        self._keep(examples, prediction, reward, unit(prediction.hidden))

    def rebase(self, predict: Callable[[Examples], Prediction]) -> None:
        """Encode the kept examples anew; rewards and the predictions made before them stay."""
        if len(self._log):
            self._log.encode_anew(unit(predict(self._log.kept().examples).hidden))
            self._index.encode_anew(self._log.kept())

    def state(self) -> State:
        """What is kept, oldest first, and how it is indexed."""
        return {**self._log.state(), **self._index.state()}

    def load(self, state: State) -> None:
        """Continue from `state`."""
        self._log.load(state)
        self._index.load(state, self._log.kept())

    def copy(self) -> "NeighbourView":
        """An independent view with the same content."""
        twin = NeighbourView(self._empty, self._hidden_size, self._settings)
        twin.load(self.state())
        return twin

    def forget(self, field: str, keys: Keys, known: Mapping[str, Keys]) -> None:
        """Drop the outcomes of these ids, and index the others anew."""
        state = self._log.state()
        kept = ~np.isin(state["keys"], keys).any(1)
        if not kept.all():
            rows = {name: state[name][kept] for name in COLUMNS}
            self._log.load({**rows, "first": state["first"] + np.count_nonzero(~kept)})
            self._index = NeighbourIndex(self._hidden_size, self._settings)
            self._index.learn(self._log.kept())

    def _statistics(self, hidden: Floats, at: Ints) -> NeighbourStatistics:
        return self._index.statistics(hidden, at, self._log.kept())

    def _keep(self, examples: Examples, prediction: Prediction, reward: Floats, hidden: Floats) -> None:
        self._log.append(examples, prediction, reward, hidden)
        self._index.learn(self._log.kept())


def unit(hidden: Floats) -> Floats:
    """Rows scaled to length 1; a row of zeros stays."""
    length = np.sqrt((hidden.astype(np.float64) ** 2).sum(1, keepdims=True))
    return (hidden / np.maximum(length, 1e-12)).astype(np.float32)
