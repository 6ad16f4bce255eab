"""Posterior about entities: a Bayesian logistic model of outcomes, learned one pass, online.

Every entity k (a user, an item, a genre, a user with an item's popularity, ...) has an effect b_k on the
logit, believed Gaussian, N(m_k, v_k), with prior N(0, s_k^2). An example touches entities with coefficients x:

    f = offset + sum_k x_k b_k,   mean F = offset + sum x_k m_k,   variance V = sum x_k^2 v_k,
    P(reward = 1) = sigmoid(F / sqrt(1 + pi V / 8)).

One outcome moves every touched effect by its share of the surprise (assumed density filtering, as in
Graepel et al. 2010, adPredictor, ICML, with the logistic model's Laplace step instead of the probit's):

    g = reward - p,  h = p (1 - p),  e_k = 1 + h (V - x_k^2 v_k),
    1/v_k += sum_i x_k^2 h / e_k,   m_k += v_k sum_i x_k g / e_k      (sums over the outcomes of a step).

This is shrinkage that counts: an effect seen n times keeps s^2 / (s^2 + 1/(n h)) of its evidence, and the user
and the item of an outcome share its surprise by how uncertain each is, which separate counters cannot. Sums
of a parent and its refinements (user, user x popularity) are hierarchical back-off: the cell starts at what
its parents believe. Forgetting is the Ornstein-Uhlenbeck return to the prior in event time, d = 2^(-dt/half-life):

    m_k <- d m_k,   v_k <- s_k^2 - (s_k^2 - v_k) d^2.

`offset` decides what is learned. Zero, *outcome* view: the outcomes themselves; needs no model, so history
can be told to it, and it does not care which generation predicted. The model's logit, *residual* view: the
model's own error; biased towards zero by its prior, and stale as soon as the model has learned the same rows.
Bias: towards the prior. Variance: at most s^2 per effect.
"""

from collections.abc import Callable, Mapping
from typing import Literal

import numpy as np

from components.domain import Doubles, Examples, Floats, Ints, Keys, Prediction
from components.memory.entities import Entities
from components.memory.posterior import LAST, MEAN, VARIANCE, Posterior
from components.memory.view import State, grown, without
from components.ranker.key_table import KeyTable
from components.shared_array import SharedArray

Offset = Literal["nothing", "model"]


class PosteriorView:
    """Posterior about the effects of entities; one signal in logits."""

    def __init__(self, entities: Entities, offset: Offset, rebase_keep: float) -> None:
        self._entities, self._offset, self._keep = entities, offset, rebase_keep
        self._table = KeyTable()
        self._beliefs = Posterior.empty(entities)
        self._seen = KeyTable()
        self._count: SharedArray[Ints] = SharedArray(np.zeros(1, np.int64))

    @property
    def signals(self) -> tuple[str, ...]:
        """One signal."""
        return ("outcome",) if self._offset == "nothing" else ("residual",)

    def read(self, examples: Examples, prediction: Prediction) -> Doubles:
        """(n, 1) by how much the believed logit differs from the model's."""
        touched = self._entities.touched(examples, self._experience(examples))
        rows = self._table.find(touched.keys.ravel()).reshape(touched.keys.shape)
        return self._signal(self._beliefs.at(touched, rows, examples.at), prediction)

    def learn(self, examples: Examples, prediction: Prediction, reward: Floats) -> Doubles:
        """Learn n outcomes as one step; the signals as they were before it."""
        touched = self._entities.touched(examples, self._experienced(examples))
        rows = self._table.insert(touched.keys.ravel()).reshape(touched.keys.shape)
        self._beliefs.fit(len(self._table))
        sums = self._beliefs.learn(touched, rows, int(examples.at.max()), self._offsets(prediction), reward)
        return self._signal(sums, prediction)

    def rebase(self, predict: Callable[[Examples], Prediction]) -> None:
        """The model has been warm-started: it has absorbed a part of its own errors, not of the outcomes."""
        if self._offset == "model":
            self._beliefs.fade(self._keep)

    def state(self) -> State:
        """Keys and posterior in row order, and the experience of ids."""
        rows = self._beliefs.values[: len(self._table)]
        return {
            "keys": self._table.keys(),
            "mean": rows[:, MEAN].copy(),
            "variance": rows[:, VARIANCE].copy(),
            "last": rows[:, LAST].astype(np.int64),
            "seen": self._seen.keys(),
            "count": self._count.array[: len(self._seen) + 1].copy(),
        }

    def load(self, state: State) -> None:
        """Continue from `state`."""
        self._table, self._seen = KeyTable.of(state["keys"]), KeyTable.of(state["seen"])
        rows = np.zeros((len(self._table), 4))
        rows[:, MEAN], rows[:, VARIANCE], rows[:, LAST] = state["mean"], state["variance"], state["last"]
        self._beliefs = Posterior(self._entities, rows)
        self._count = SharedArray(state["count"].copy())

    def copy(self) -> "PosteriorView":
        """An independent view with the same content; the arrays are the same until either learns."""
        twin = PosteriorView(self._entities, self._offset, self._keep)
        twin._table, twin._seen, twin._count = self._table.copy(), self._seen.copy(), self._count.copy()
        twin._beliefs = self._beliefs.copy()
        return twin

    def forget(self, field: str, keys: Keys, known: Mapping[str, Keys]) -> None:
        """Drop the effects that these ids are part of, and how often they were seen."""
        state = without(self.state(), self._entities.about(field, keys, known), ("mean", "variance", "last"))
        met = np.r_[True, ~np.isin(state["seen"], keys)]
        self.load({**state, "seen": state["seen"][met[1:]], "count": state["count"][met]})

    def _offsets(self, prediction: Prediction) -> Doubles:
        logit = prediction.logit.astype(np.float64)
        return logit if self._offset == "model" else np.zeros_like(logit)

    def _experience(self, examples: Examples) -> Ints:
        """(n, F) outcomes seen of the ids that experience is counted of."""
        if not self._entities.experienced:
            return np.zeros((len(examples), 0), np.int64)
        ids = self._entities.ids(examples)
        return self._count.array[self._seen.find(ids.ravel()).reshape(ids.shape) + 1]

    def _experienced(self, examples: Examples) -> Ints:
        """The same, as it was before these outcomes, which are counted in."""
        if not self._entities.experienced:
            return np.zeros((len(examples), 0), np.int64)
        ids = self._entities.ids(examples)
        seen = self._seen.insert(ids.ravel()).reshape(ids.shape) + 1
        if len(self._seen) >= len(self._count.array):
            self._count = SharedArray(grown(self._count.array, len(self._seen) + 1, 0))
        count = self._count.own()
        before = count[seen]
        np.add.at(count, seen, 1)
        count[0] = 0
        return before

    def _signal(self, sums: Doubles, prediction: Prediction) -> Doubles:
        mean = self._offsets(prediction) + sums[:, 0]
        return (mean / np.sqrt(1 + np.pi * sums[:, 1] / 8) - prediction.logit)[:, None]
