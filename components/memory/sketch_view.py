"""ReLoop2's sketch: sums of outcomes and predictions in buckets of similar hidden states.

After RACE (Coleman & Shrivastava 2020, WWW) as used by Zhu et al. 2023 (KDD, section 4.3): K repetitions of L
random hyperplanes hash a hidden state to one of 2^L buckets each; a bucket holds decayed sums of (1, y, p,
p (1 - p)). Memory is constant, 4 K 2^L numbers. Different from the paper: buckets decay with a half-life
instead of being reset, counts are shrunk, and the repetitions may be combined by a median of means.
"""

from collections.abc import Callable

import numpy as np

from components.domain import DAY, Doubles, Examples, Floats, Ints, Prediction
from components.memory.recalled import Recalled
from components.memory.settings import MemorySettings
from components.memory.view import State, sigmoid


class SketchView:
    """Buckets of similar hidden states; one signal in logits."""

    signals = ("sketch",)

    def __init__(self, hidden_size: int, settings: MemorySettings, seed: int) -> None:
        self._settings, self._hidden_size, self._seed = settings, hidden_size, seed
        k, bits = settings.sketch_arrays, settings.sketch_bits
        rng = np.random.default_rng([seed, 2])
        self._planes = rng.standard_normal((hidden_size, k * bits)).astype(np.float32)
        self._first = np.arange(k) << bits
        self._sums = np.zeros((k << bits, 4))
        self._now = 0

    def recall(self, examples: Examples, prediction: Prediction) -> Recalled:
        """Means over the repetitions of the buckets' decayed sums."""
        return self._mean(self._sums[self._buckets(prediction.hidden)], examples.at)

    def read(self, examples: Examples, prediction: Prediction) -> Doubles:
        """(n, 1) shrunk error of the buckets; with groups, the median over groups of repetitions."""
        cells = self._sums[self._buckets(prediction.hidden)]
        groups = np.array_split(np.arange(cells.shape[1]), min(self._settings.sketch_groups, cells.shape[1]))
        parts = [self._mean(cells[:, g], examples.at).signal(self._settings.sketch_shrinkage) for g in groups]
        return np.median(np.stack(parts), axis=0)

    def write(self, examples: Examples, prediction: Prediction, reward: Floats) -> Doubles:
        """Decay all buckets to the newest instant and add n outcomes."""
        signals = self.read(examples, prediction)
        self.add(examples, prediction, reward)
        return signals

    def add(self, examples: Examples, prediction: Prediction, reward: Floats) -> None:
        """Write without asking what was known before."""
        p = sigmoid(prediction.logit)
        now = max(int(examples.at.max()), self._now)
        self._sums *= self._decay(np.array([now]))[0]
        self._now = now
        weight = np.exp2(-(now - examples.at) / (self._settings.sketch_half_life * DAY))
        added = np.column_stack([np.ones(len(p)), reward, p, p * (1 - p)]) * weight[:, None]
        cells = self._buckets(prediction.hidden)
        for column in range(added.shape[1]):
            np.add.at(self._sums[:, column], cells, added[:, column, None])

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

    def _buckets(self, hidden: Floats) -> Ints:
        """(n, K) cell of each repetition: its block and the sign bits of its hyperplanes."""
        bits = self._settings.sketch_bits
        signs = (hidden @ self._planes > 0).reshape(len(hidden), len(self._first), bits)
        return signs @ (1 << np.arange(bits)) + self._first

    def _mean(self, cells: Doubles, at: Ints) -> Recalled:
        mean = cells.mean(axis=1) * self._decay(at)[:, None]
        return Recalled(*mean.T)

    def _decay(self, at: Ints) -> Doubles:
        return np.exp2(-np.maximum(at - self._now, 0) / (self._settings.sketch_half_life * DAY))
