"""Trust: how much each view's signal is worth, learned online from matured outcomes only.

The compensated logit is ``f = w . x`` with ``x = [1, logit, signals]``. The weights start
at the identity, ``w = [0, 1, 0, ...]``, so that a new memory is exactly the base model,
and are learned as a Gaussian posterior N(w, A^-1) of a logistic model: each mini-batch is
one Newton step on its log loss plus the distance to the posterior so far (recursive
Laplace; Spiegelhalter & Lauritzen 1990, West, Harrison & Migon 1985 for the discount).
Second-order steps need no learning rate and make a useless view cheap: its weight is
held at zero by its prior until the evidence outweighs it.
"""

import numpy as np

from components.domain import Doubles, Floats
from components.memory.view import State, sigmoid


class Trust:
    """Posterior over the weights of ``[1, logit, signals]``, D = S + 2 of them."""

    def __init__(self, signals: int, precision: float, discount: float) -> None:
        """`precision` of the prior around the identity; `discount` of old evidence per 1,000 outcomes."""
        self._prior = np.full(signals + 2, precision)
        self._discount = discount
        self._identity = np.zeros(signals + 2)
        self._identity[1] = 1
        self._weight = self._identity.copy()
        self._evidence = np.zeros((signals + 2, signals + 2))

    @property
    def weight(self) -> Doubles:
        """(D,) posterior mean."""
        return self._weight.copy()

    def apply(self, logit: Doubles, signals: Doubles) -> Doubles:
        """(n,) compensated logits.

        Written as a correction to `logit`, so that the identity returns it bit for bit.
        """
        change = self._weight - self._identity
        return logit + change[0] + change[1] * logit + signals @ self._weight[2:]

    def learn(self, logit: Doubles, signals: Doubles, reward: Floats) -> None:
        """One Newton step on n outcomes."""
        x = np.column_stack([np.ones(len(logit)), logit, signals])
        p = sigmoid(self.apply(logit, signals))
        self._evidence *= self._discount ** (len(logit) / 1000)
        self._evidence += x.T @ (x * (p * (1 - p))[:, None])
        gradient = x.T @ (reward - p) - self._pull()
        self._weight = self._weight + np.linalg.solve(self._evidence + np.diag(self._prior), gradient)

    def _pull(self) -> Doubles:
        return np.zeros_like(self._weight)

    def state(self) -> State:
        """Weights and evidence."""
        return {"weight": self._weight.copy(), "evidence": self._evidence.copy()}

    def load(self, state: State) -> None:
        """Continue from `state`."""
        self._weight, self._evidence = state["weight"].copy(), state["evidence"].copy()
