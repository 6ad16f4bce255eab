"""ReLoop2's sketch: sums of outcomes and predictions in buckets of similar hidden states.

After RACE (Coleman & Shrivastava 2020, WWW) as used by Zhu et al. 2023 (KDD, section 4.3): K repetitions of L
random hyperplanes hash a hidden state to one of 2^L buckets each; a bucket holds decayed sums of (1, y, p,
p (1 - p)). Memory is constant, 4 K 2^L numbers. Different from the paper: buckets decay with a half-life
instead of being reset, counts are shrunk, and the repetitions may be combined by a median of means.
"""

from collections.abc import Callable, Mapping

import numpy as np

from components.compiled import compiled
from components.domain import DAY, Doubles, Examples, Floats, Ints, Keys, Prediction
from components.memory.neighbour_statistics import NeighbourStatistics
from components.memory.settings import MemorySettings
from components.memory.view import State
from components.sigmoid import sigmoid


class SketchView:
    """Buckets of similar hidden states; one signal in logits."""

    signals = ("sketch",)

    def __init__(self, hidden_size: int, settings: MemorySettings, seed: int) -> None:
        self._settings, self._hidden_size, self._seed = settings, hidden_size, seed
        k, bits = settings.sketch_arrays, settings.sketch_bits
        rng = np.random.default_rng([seed, 2])
        self._planes = rng.standard_normal((hidden_size, k * bits)).astype(np.float32)
        self._sums = np.zeros((k << bits, 4))
        self._now = 0

    def statistics(self, examples: Examples, prediction: Prediction) -> NeighbourStatistics:
        """Means over the repetitions of the buckets' decayed sums."""
        return self._decayed(self._means(self._cells(prediction.hidden), 1)[:, 0], examples.at)

    def read(self, examples: Examples, prediction: Prediction) -> Doubles:
        """(n, 1) shrunk error of the buckets; with groups, the median over groups of repetitions."""
        return self._signal(self._cells(prediction.hidden), examples.at)

    def learn(self, examples: Examples, prediction: Prediction, reward: Floats) -> Doubles:
        """Decay all buckets to the newest instant and add n outcomes."""
        cells = self._cells(prediction.hidden)
        signals = self._signal(cells, examples.at)
        self._add(cells, examples.at, sigmoid(prediction.logit), reward)
        return signals

    def learn_unread(self, examples: Examples, prediction: Prediction, reward: Floats) -> None:
        """Write without asking what was known before."""
        self._add(self._cells(prediction.hidden), examples.at, sigmoid(prediction.logit), reward)

    def rebase(self, predict: Callable[[Examples], Prediction]) -> None:
        """Forget: in a new hidden space the buckets hold strangers (Zhu et al. 2023 reset them, too)."""
        self._sums[:] = 0

    def state(self) -> State:
        """Sums and the instant they are decayed to."""
        return {"sums": self._sums.copy(), "now": np.array([self._now])}

    def load(self, state: State) -> None:
        """Continue from `state`."""
        self._sums, self._now = state["sums"].copy(), int(state["now"][0])

    def copy(self) -> "SketchView":
        """An independent view with the same content."""
        twin = SketchView(self._hidden_size, self._settings, self._seed)
        twin.load(self.state())
        return twin

    def forget(self, field: str, keys: Keys, known: Mapping[str, Keys]) -> None:
        """Nothing here belongs to an id: a bucket is a sum over everybody whose states are alike."""

    def _cells(self, hidden: Floats) -> Ints:
        """(n, K) cell of each repetition: its block and the sign bits of its hyperplanes."""
        cells = np.empty((len(hidden), self._settings.sketch_arrays), np.int64)
        _pack(hidden @ self._planes, self._settings.sketch_bits, cells)
        return cells

    def _signal(self, cells: Ints, at: Ints) -> Doubles:
        means = self._means(cells, min(self._settings.sketch_groups, cells.shape[1]))
        shrinkage = self._settings.sketch_shrinkage
        parts = [self._decayed(means[:, group], at).signal(shrinkage) for group in range(means.shape[1])]
        return parts[0] if len(parts) == 1 else np.median(np.stack(parts), axis=0)

    def _means(self, cells: Ints, groups: int) -> Doubles:
        """(n, groups, 4) means of the sums over each group of repetitions."""
        means = np.zeros((len(cells), groups, self._sums.shape[1]))
        _mean(cells, self._sums, np.linspace(0, cells.shape[1], groups + 1).astype(np.int64), means)
        return means

    def _add(self, cells: Ints, at: Ints, p: Doubles, reward: Floats) -> None:
        now = max(int(at.max()), self._now)
        if now > self._now:
            self._sums *= self._decay(np.array([now]))[0]
            self._now = now
        weight = np.exp2(-(now - at) / (self._settings.sketch_half_life * DAY))
        _scatter(cells, np.column_stack([np.ones(len(p)), reward, p, p * (1 - p)]) * weight[:, None], self._sums)

    def _decayed(self, means: Doubles, at: Ints) -> NeighbourStatistics:
        return NeighbourStatistics(*(means * self._decay(at)[:, None]).T)

    def _decay(self, at: Ints) -> Doubles:
        return np.exp2(-np.maximum(at - self._now, 0) / (self._settings.sketch_half_life * DAY))


@compiled
def _pack(projected: Floats, bits: int, cells: Ints) -> None:
    for i in range(cells.shape[0]):
        for k in range(cells.shape[1]):
            bucket = 0
            for b in range(bits):
                bucket |= (projected[i, k * bits + b] > 0) << b
            cells[i, k] = (k << bits) | bucket


@compiled
def _mean(cells: Ints, sums: Doubles, bounds: Ints, means: Doubles) -> None:
    for i in range(len(cells)):
        for group in range(len(bounds) - 1):
            a, b, c, d = 0.0, 0.0, 0.0, 0.0
            for k in range(bounds[group], bounds[group + 1]):
                cell = cells[i, k]
                a += sums[cell, 0]
                b += sums[cell, 1]
                c += sums[cell, 2]
                d += sums[cell, 3]
            size = bounds[group + 1] - bounds[group]
            means[i, group, 0], means[i, group, 1] = a / size, b / size
            means[i, group, 2], means[i, group, 3] = c / size, d / size


@compiled
def _scatter(cells: Ints, added: Doubles, sums: Doubles) -> None:
    for i in range(len(cells)):
        for k in range(cells.shape[1]):
            for column in range(4):
                sums[cells[i, k], column] += added[i, column]
