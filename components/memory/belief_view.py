"""Beliefs about entities: a Bayesian logistic model of outcomes, learned one pass, online.

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

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from components.domain import Doubles, Examples, Floats, Ints, Prediction
from components.memory.entities import Entities, Touched
from components.memory.key_table import KeyTable
from components.memory.view import State, grown, sigmoid

Offset = Literal["nothing", "model"]

LONG_AGO = np.int64(-(2**62))
"""Instant of a row never written: everything about it is forgotten, so it reads its prior."""


@dataclass(frozen=True, slots=True)
class Belief:
    """`mean` and `variance` (n, J) of the effects that n examples touch, at one instant."""

    mean: Doubles
    variance: Doubles


@dataclass(slots=True)
class Rows:
    """Beliefs by row, decayed to `last`; row 0 belongs to no entity. The last two are scratch, zero between writes."""

    mean: Doubles
    variance: Doubles
    last: Ints
    gradient: Doubles
    information: Doubles

    @classmethod
    def of(cls, mean: Doubles, variance: Doubles, last: Ints) -> "Rows":
        """Copies of the arrays, with scratch of the same length."""
        return cls(mean.copy(), variance.copy(), last.copy(), np.zeros_like(mean), np.zeros_like(mean))

    @classmethod
    def empty(cls) -> "Rows":
        """Row 0 alone."""
        return cls.of(np.zeros(1), np.ones(1), np.full(1, LONG_AGO))

    def fit(self, rows: int) -> None:
        """Make room for `rows` rows."""
        self.mean, self.variance = grown(self.mean, rows, 0), grown(self.variance, rows, 1)
        self.last = grown(self.last, rows, LONG_AGO)
        self.gradient, self.information = grown(self.gradient, rows, 0), grown(self.information, rows, 0)

    def reset(self) -> None:
        """Row 0 as it was: missing ids write there and must leave no trace."""
        self.mean[0], self.variance[0], self.last[0] = 0, 1, LONG_AGO


class BeliefView:
    """Beliefs about the effects of entities; one signal in logits."""

    def __init__(self, entities: Entities, offset: Offset, rebase_keep: float) -> None:
        self._entities, self._offset, self._keep = entities, offset, rebase_keep
        self._table = KeyTable()
        self._rows = Rows.empty()
        self._seen = KeyTable()
        self._count: Ints = np.zeros(1, np.int64)

    @property
    def signals(self) -> tuple[str, ...]:
        """One signal."""
        return ("outcome",) if self._offset == "nothing" else ("residual",)

    def read(self, examples: Examples, prediction: Prediction) -> Doubles:
        """(n, 1) by how much the believed logit differs from the model's."""
        touched = self._touched(examples)
        at_rows = self._table.find(touched.keys.ravel()).reshape(touched.keys.shape) + 1
        return self._signal(touched, self._believed(at_rows, examples.at[:, None]), prediction)

    def write(self, examples: Examples, prediction: Prediction, reward: Floats) -> Doubles:
        """Learn n outcomes as one step; the signals as they were before it."""
        touched = self._touched(examples)
        at_rows = self._table.insert(touched.keys.ravel()).reshape(touched.keys.shape) + 1
        self._rows.fit(len(self._table) + 1)
        now = examples.at.max()
        before = self._believed(at_rows, now)
        self._learn(at_rows, touched.share, before, self._offsets(prediction), reward)
        self._rows.last[at_rows] = np.maximum(self._rows.last[at_rows], now)
        self._rows.reset()
        self._count_ids(examples)
        return self._signal(touched, before, prediction)

    def rebase(self, predict: Callable[[Examples], Prediction]) -> None:
        """The model has been warm-started: it has absorbed a part of its own errors, not of the outcomes."""
        if self._offset == "model":
            self._rows.mean *= self._keep

    def state(self) -> State:
        """Keys and beliefs in row order, and the experience of ids."""
        n = len(self._table) + 1
        rows = {"mean": self._rows.mean[:n], "variance": self._rows.variance[:n], "last": self._rows.last[:n]}
        seen = {"seen": self._seen.keys(), "count": self._count[: len(self._seen) + 1]}
        return {"keys": self._table.keys(), **{name: part.copy() for name, part in (rows | seen).items()}}

    def load(self, state: State) -> None:
        """Continue from `state`."""
        self._table, self._seen = KeyTable.of(state["keys"]), KeyTable.of(state["seen"])
        self._rows = Rows.of(state["mean"], state["variance"], state["last"])
        self._count = state["count"].copy()

    def copy(self) -> "BeliefView":
        """An independent view with the same content."""
        twin = BeliefView(self._entities, self._offset, self._keep)
        twin._table, twin._seen, twin._count = self._table.copy(), self._seen.copy(), self._count.copy()
        twin._rows = Rows.of(self._rows.mean, self._rows.variance, self._rows.last)
        return twin

    def _offsets(self, prediction: Prediction) -> Doubles:
        logit = prediction.logit.astype(np.float64)
        return logit if self._offset == "model" else np.zeros_like(logit)

    def _touched(self, examples: Examples) -> Touched:
        names = self._entities.experienced
        if not names:
            return self._entities.touched(examples, {})
        ids = np.stack([self._entities.ids(examples, name) for name in names])
        counts = self._count[self._seen.find(ids.ravel()) + 1].reshape(ids.shape)
        seen = dict(zip(names, counts, strict=True))
        return self._entities.touched(examples, seen)

    def _believed(self, at_rows: Ints, now: Ints | np.int64) -> Belief:
        """Beliefs of (n, J) rows as they are at `now`; an id without a row reads its prior."""
        gap = np.maximum(now - self._rows.last[at_rows], 0)
        kept = np.exp2(gap / -self._entities.half_life)
        prior = self._entities.variance
        return Belief(self._rows.mean[at_rows] * kept, prior - (prior - self._rows.variance[at_rows]) * kept * kept)

    def _signal(self, touched: Touched, belief: Belief, prediction: Prediction) -> Doubles:
        mean = self._offsets(prediction) + (touched.share * belief.mean).sum(1)
        variance = (touched.share**2 * belief.variance).sum(1)
        return (mean / np.sqrt(1 + np.pi * variance / 8) - prediction.logit)[:, None]

    def _learn(self, at_rows: Ints, share: Doubles, belief: Belief, offset: Doubles, reward: Floats) -> None:
        """One step of assumed density filtering; rows may repeat, and every repetition assigns the same value."""
        square = share * share
        variance = (square * belief.variance).sum(1)
        p = sigmoid((offset + (share * belief.mean).sum(1)) / np.sqrt(1 + np.pi * variance / 8))
        others = 1 + (p * (1 - p))[:, None] * (variance[:, None] - square * belief.variance)
        rows = self._rows
        np.add.at(rows.gradient, at_rows.ravel(), (share * (reward - p)[:, None] / others).ravel())
        np.add.at(rows.information, at_rows.ravel(), (square * (p * (1 - p))[:, None] / others).ravel())
        new = 1 / (1 / belief.variance + rows.information[at_rows])
        rows.variance[at_rows] = new
        rows.mean[at_rows] = belief.mean + new * rows.gradient[at_rows]
        rows.gradient[at_rows] = 0
        rows.information[at_rows] = 0

    def _count_ids(self, examples: Examples) -> None:
        for name in self._entities.experienced:
            rows = self._seen.insert(self._entities.ids(examples, name)) + 1
            self._count = grown(self._count, len(self._seen) + 1, 0)
            np.add.at(self._count, rows, 1)
        self._count[0] = 0
