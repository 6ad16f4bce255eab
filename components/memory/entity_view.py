"""Entity counters: how far the model is off for this user, this item, this combination.

For every key k of a column the view keeps, decayed in event time with half-life h,

    error_k = sum (reward - p),    information_k = sum p (1 - p),

with p the prediction made before the outcome. The signal is one Newton step from the
model's logit towards the key's own, shrunk by a Gaussian prior of precision s on it:

    signal_k = error_k / (s + information_k).

Bias: towards zero by s / (s + information). Variance: at most 1 / (4 s).
"""

from collections.abc import Callable

import numpy as np

from components.domain import DAY, Doubles, Examples, FeatureSpec, Floats, Ints, Keys, Prediction
from components.memory.key_table import KeyTable
from components.memory.settings import Crossing, MemorySettings
from components.memory.view import State, sigmoid
from components.ranker.features import cross_keys


class EntityView:
    """Counters for a list of crossings; the signal of a multi-valued one is the mean over its values."""

    def __init__(self, spec: FeatureSpec, crossings: tuple[Crossing, ...], settings: MemorySettings) -> None:
        self._spec, self._crossings, self._settings = spec, crossings, settings
        self._half_life, self._shrinkage = settings.counter_half_life * DAY, settings.counter_shrinkage
        self._keys = KeyTable()
        self._sums = np.zeros((1024, 2))
        self._last = np.zeros(1024, np.int64)

    @property
    def signals(self) -> tuple[str, ...]:
        """One per crossing."""
        return tuple(" x ".join(c) for c in self._crossings)

    def read(self, examples: Examples, prediction: Prediction) -> Doubles:
        """(n, S) shrunk error of each crossing's key."""
        out = np.zeros((len(examples), len(self._crossings)))
        for column, keys in enumerate(self._columns(examples)):
            rows = self._keys.find(keys.ravel())
            gap = np.maximum(np.repeat(examples.at, keys.shape[1]) - self._last[rows], 0)
            sums = self._sums[rows] * np.exp2(-gap / self._half_life)[:, None]
            signal = np.where(rows < 0, 0.0, sums[:, 0] / (self._shrinkage + sums[:, 1])).reshape(keys.shape)
            out[:, column] = signal.sum(1) / np.maximum((keys != 0).sum(1), 1)
        return out

    def write(self, examples: Examples, prediction: Prediction, reward: Floats) -> Doubles:
        """Add n outcomes to the counters of their keys."""
        signals = self.read(examples, prediction)
        p = sigmoid(prediction.logit)
        for keys in self._columns(examples):
            present = keys != 0
            which = np.nonzero(present)[0]
            rows = self._rows(keys[present])
            decay = self._touch(rows, examples.at[which])
            np.add.at(self._sums, rows, np.column_stack([(reward - p)[which], (p * (1 - p))[which]]) * decay[:, None])
        return signals

    def rebase(self, predict: Callable[[Examples], Prediction]) -> None:
        """The model has learned these outcomes: a part of the error is gone."""
        self._sums[:, 0] *= self._settings.rebase_keep

    def state(self) -> State:
        """Keys, sums and the instant they are decayed to, in row order."""
        n = len(self._keys)
        return {"keys": self._keys.keys(), "sums": self._sums[:n].copy(), "last": self._last[:n].copy()}

    def load(self, state: State) -> None:
        """Continue from `state`."""
        self._keys = KeyTable.of(state["keys"])
        self._sums, self._last = state["sums"].copy(), state["last"].copy()

    def copy(self) -> "EntityView":
        """An independent view with the same content."""
        twin = EntityView(self._spec, self._crossings, self._settings)
        twin._keys, twin._sums, twin._last = self._keys.copy(), self._sums.copy(), self._last.copy()
        return twin

    def _columns(self, examples: Examples) -> list[Keys]:
        """Per crossing (n, width) keys; at most one field of a crossing may have several values."""
        columns = self._spec.columns
        return [
            examples.keys[:, columns[c[0]]]
            if len(c) == 1
            else cross_keys(*(examples.keys[:, columns[name]] for name in c))
            for c in self._crossings
        ]

    def _rows(self, keys: Keys) -> Ints:
        rows = self._keys.insert(keys)
        short = len(self._keys) - len(self._last)
        if short > 0:
            more = max(short, len(self._last))
            self._sums = np.vstack([self._sums, np.zeros((more, 2))])
            self._last = np.append(self._last, np.zeros(more, np.int64))
        return rows

    def _touch(self, rows: Ints, at: Ints) -> Doubles:
        """Decay the rows to their newest instant; the weight of each new outcome at that instant.

        Rows may repeat: every repetition computes and assigns the same value.
        """
        before = self._last[rows]
        np.maximum.at(self._last, rows, at)
        newest = self._last[rows]
        self._sums[rows] *= np.exp2(-(newest - before) / self._half_life)[:, None]
        return np.exp2(-(newest - at) / self._half_life)
