"""Entity counters: how far the model is off for this user, this item, this combination.

For every key k of a column the view keeps, decayed in event time with half-life h,

    error_k = sum (reward - p),    information_k = sum p (1 - p),

with p the prediction made before the outcome. The signal is one Newton step from the
model's logit towards the key's own, shrunk by a Gaussian prior of precision s on it:

    signal_k = error_k / (s + information_k).

Bias: towards zero by s / (s + information). Variance: at most 1 / (4 s).
"""

from collections.abc import Callable, Mapping

import numpy as np

from components.compiled import compiled, plain
from components.domain import DAY, MISSING_KEY, Doubles, Examples, Floats, Ints, Keys, Prediction
from components.feature_spec import FeatureSpec
from components.memory.settings import Interaction, MemorySettings
from components.memory.view import State, grown, without
from components.ranker.features import cross_keys
from components.ranker.key_table import KeyTable
from components.sigmoid import sigmoid

ERROR, INFORMATION, LAST = range(3)
"""Columns of a row of sums; they hold at the instant `LAST`. A fourth is left free, so that rows do not straddle."""


class EntityView:
    """Counters for a list of interactions; the signal of a multi-valued one is the mean over its values."""

    def __init__(self, spec: FeatureSpec, interactions: tuple[Interaction, ...], settings: MemorySettings) -> None:
        self._spec, self._crossings, self._settings = spec, interactions, settings
        self._half_life, self._shrinkage = settings.counter_half_life * DAY, settings.counter_shrinkage
        self._table = KeyTable()
        self._sums = np.zeros((0, 4))

    @property
    def signals(self) -> tuple[str, ...]:
        """One per interaction."""
        return tuple(" x ".join(c) for c in self._crossings)

    def read(self, examples: Examples, prediction: Prediction) -> Doubles:
        """(n, S) shrunk error of each interaction's key."""
        keys, bounds = self._keys(examples)
        return self._said(self._table.find(keys.ravel()).reshape(keys.shape), keys, bounds, examples.at)

    def learn(self, examples: Examples, prediction: Prediction, reward: Floats) -> Doubles:
        """Add n outcomes to the counters of their keys."""
        keys, bounds = self._keys(examples)
        rows = self._table.insert(keys.ravel()).reshape(keys.shape)
        self._sums = grown(self._sums, len(self._table), 0)
        signals = self._said(rows, keys, bounds, examples.at)
        p = sigmoid(prediction.logit)
        _add(rows, plain(examples.at), self._half_life, reward - p, p * (1 - p), self._sums)
        return signals

    def rebase(self, predict: Callable[[Examples], Prediction]) -> None:
        """The model has learned these outcomes: a part of the error is gone."""
        self._sums[:, ERROR] *= self._settings.rebase_keep

    def state(self) -> State:
        """Keys, sums and the instant they are decayed to, in row order."""
        rows = self._sums[: len(self._table)]
        sums, last = rows[:, :LAST].copy(), rows[:, LAST].astype(np.int64)
        return {"keys": self._table.keys(), "sums": sums, "last": last}

    def load(self, state: State) -> None:
        """Continue from `state`."""
        self._table = KeyTable.of(state["keys"])
        free = np.zeros((len(self._table), 1))
        self._sums = np.column_stack([state["sums"], state["last"].astype(np.float64), free])

    def copy(self) -> "EntityView":
        """An independent view with the same content."""
        twin = EntityView(self._spec, self._crossings, self._settings)
        twin._table, twin._sums = self._table.copy(), self._sums.copy()
        return twin

    def forget(self, field: str, keys: Keys, known: Mapping[str, Keys]) -> None:
        """Drop the counters that these ids are part of."""
        crossed = [
            cross_keys(*np.ix_(*(keys if name == field else known.get(name, keys[:0]) for name in c))).ravel()
            for c in self._crossings
            if field in c and len(c) > 1
        ]
        self.load(without(self.state(), np.concatenate([keys, *crossed]), ("sums", "last")))

    def _keys(self, examples: Examples) -> tuple[Keys, Ints]:
        """(n, C) keys of all interactions, and the first column of each; one field of it at most has several values."""
        columns = self._spec.columns
        parts = [
            examples.keys[:, columns[c[0]]]
            if len(c) == 1
            else cross_keys(*(examples.keys[:, columns[name]] for name in c))
            for c in self._crossings
        ]
        return np.concatenate(parts, 1), np.cumsum([0, *(part.shape[1] for part in parts)])

    def _said(self, rows: Ints, keys: Keys, bounds: Ints, at: Ints) -> Doubles:
        signals = np.zeros((len(keys), len(self._crossings)))
        _say(rows, keys, bounds, plain(at), self._half_life, self._shrinkage, self._sums, signals)
        return signals


@compiled
def _say(
    rows: Ints,
    keys: Keys,
    bounds: Ints,
    at: Ints,
    half_life: float,
    shrinkage: float,
    sums: Doubles,
    signals: Doubles,
) -> None:
    for i in range(len(rows)):
        for interaction in range(len(bounds) - 1):
            total, present = 0.0, 0
            for j in range(bounds[interaction], bounds[interaction + 1]):
                row = rows[i, j]
                present += keys[i, j] != MISSING_KEY
                if row >= 0:
                    gap = at[i] - sums[row, LAST]
                    kept = 1.0 if gap <= 0.0 else np.exp2(-gap / half_life)
                    total += sums[row, ERROR] * kept / (shrinkage + sums[row, INFORMATION] * kept)
            signals[i, interaction] = total / max(present, 1)


@compiled
def _add(rows: Ints, at: Ints, half_life: float, error: Doubles, information: Doubles, sums: Doubles) -> None:
    """Decay a row to its newest outcome, or the outcome to the row, then add."""
    for i in range(len(rows)):
        for j in range(rows.shape[1]):
            row = rows[i, j]
            if row >= 0:
                gap = at[i] - sums[row, LAST]
                if gap > 0.0:
                    kept = np.exp2(-gap / half_life)
                    sums[row, ERROR] *= kept
                    sums[row, INFORMATION] *= kept
                    sums[row, LAST] = at[i]
                weight = 1.0 if gap >= 0.0 else np.exp2(gap / half_life)
                sums[row, ERROR] += weight * error[i]
                sums[row, INFORMATION] += weight * information[i]
