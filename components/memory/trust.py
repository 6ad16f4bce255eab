"""Trust: how much each view's signal is worth, learned online from matured outcomes only.

The compensated logit is ``f = w . x`` with ``x = [1, logit, signals]``. The weights start at the identity,
``w0 = [0, 1, 0, ...]``, so that a new memory is exactly the base model, and are believed Gaussian, N(w, (E +
P)^-1): P the prior's precision around the identity, E the evidence, discounted as outcomes pass. A step of n
outcomes with probabilities p is one Newton step (recursive Laplace; West, Harrison & Migon 1985, JASA):

    E <- discount E + sum p (1 - p) x x',   w <- w + (E + P)^-1 sum (reward - p) x.

Second-order steps need no learning rate, share credit between signals that say the same, and make a useless
view cheap: its weight stays near 0 with a standard error of 1 / sqrt(n p (1 - p)).
"""

import numpy as np

from components.domain import Doubles, Floats
from components.memory.view import State, sigmoid

LIMIT = 20.0
"""Logits and signals are learned from within +-LIMIT: beyond, a probability no longer changes."""


class Trust:
    """Belief about the weights of ``[1, logit, signals]``, D = S + 2 of them."""

    def __init__(self, signals: int, precision: float, discount: float) -> None:
        """`precision` of the prior around the identity; `discount` of old evidence per 1,000 outcomes."""
        self._prior = np.diag(np.full(signals + 2, precision))
        self._discount = discount
        self._change = np.zeros(signals + 2)
        self._evidence = np.zeros((signals + 2, signals + 2))

    @property
    def weight(self) -> Doubles:
        """(D,) weights."""
        weight = self._change.copy()
        weight[1] += 1
        return weight

    @property
    def error(self) -> Doubles:
        """(D,) standard errors of the weights."""
        return np.sqrt(np.diag(np.linalg.inv(self._evidence + self._prior)))

    def apply(self, logit: Doubles, signals: Doubles) -> Doubles:
        """(n,) compensated logits; a change of the logit, so that the identity returns it bit for bit."""
        return logit + self._inputs(logit, signals) @ self._change

    def learn(self, logit: Doubles, signals: Doubles, reward: Floats) -> None:
        """One Newton step on n outcomes, from signals as they were before these outcomes."""
        x = self._inputs(logit, signals)
        p = sigmoid(logit + x @ self._change)
        self._evidence *= self._discount ** (len(logit) / 1000)
        self._evidence += x.T @ (x * (p * (1 - p))[:, None])
        self._change = self._change + np.linalg.solve(self._evidence + self._prior, x.T @ (reward - p))

    def state(self) -> State:
        """Change from the identity, and evidence."""
        return {"change": self._change.copy(), "evidence": self._evidence.copy()}

    def load(self, state: State) -> None:
        """Continue from `state`."""
        self._change, self._evidence = state["change"].copy(), state["evidence"].copy()

    def _inputs(self, logit: Doubles, signals: Doubles) -> Doubles:
        return np.column_stack([np.ones(len(logit)), np.clip(logit, -LIMIT, LIMIT), np.clip(signals, -LIMIT, LIMIT)])
