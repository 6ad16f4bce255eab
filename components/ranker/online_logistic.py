"""A logistic regression of a few inputs, learned online, that starts as the identity.

The corrected logit is ``f = w . x`` with ``x = [1, logit, signals]``. The weights start at the identity,
``w0 = [0, 1, 0, ...]``, so that before the first outcome nothing is corrected, and are believed Gaussian,
N(w, (E + P)^-1): P the prior's precision around the identity, E the evidence, discounted as outcomes pass. A
step of n outcomes with probabilities p is one Newton step (recursive Laplace; West, Harrison & Migon 1985, JASA):

    E <- discount E + sum p (1 - p) x x',   w <- w + (E + P)^-1 sum (reward - p) x.

Second-order steps need no learning rate, share credit between signals that say the same, and make a useless
signal cheap: its weight stays near 0 with a standard error of 1 / sqrt(n p (1 - p)). Without signals it is a
calibration: intercept and slope of a logit (Platt 1999). Bias: towards the identity. Variance: at most 1 / P.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from components.domain import Doubles, Floats
from components.sigmoid import sigmoid

LIMIT = 20.0
"""Logits and signals are learned from within +-LIMIT: beyond, a probability no longer changes."""


class OnlineLogistic:
    """Posterior of the weights of ``[1, logit, signals]``, D = S + 2 of them."""

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

    def apply(self, logit: Doubles, signals: Doubles | None = None) -> Doubles:
        """(n,) corrected logits; a change of the logit, so that the identity returns it bit for bit.

        Parameters
        ----------
        logit : (n,). signals : (n, S); None where S is 0.
        """
        moved = np.zeros(len(logit))
        for share in self.shares(logit, signals):  # one after the other: the order of a product's sums varies with n
            moved += share
        return np.asarray(logit + moved)

    def shares(self, logit: Doubles, signals: Doubles | None = None) -> list[Doubles]:
        """What moves the logit: of the intercept, of the logit itself, and of each signal, (n,) each."""
        inputs = [logit] if signals is None else [logit, *signals.T]
        parts = zip(self._change[1:], inputs, strict=True)
        return [np.full(len(logit), self._change[0]), *(w * np.clip(x, -LIMIT, LIMIT) for w, x in parts)]

    def learn(self, logit: Doubles, reward: Floats, signals: Doubles | None = None) -> None:
        """One Newton step on n outcomes, from logits and signals as they were before these outcomes."""
        x = _inputs(logit, signals)
        p = sigmoid(logit + x @ self._change)
        self._evidence *= self._discount ** (len(logit) / 1000)
        self._evidence += x.T @ (x * (p * (1 - p))[:, None])
        self._change = self._change + np.linalg.solve(self._evidence + self._prior, x.T @ (reward - p))

    def state(self) -> Mapping[str, npt.NDArray]:
        """Change from the identity, and evidence."""
        return {"change": self._change.copy(), "evidence": self._evidence.copy()}

    def load(self, state: Mapping[str, npt.NDArray]) -> None:
        """Continue from `state`."""
        self._change, self._evidence = state["change"].copy(), state["evidence"].copy()


def _inputs(logit: Doubles, signals: Doubles | None) -> Doubles:
    columns = [np.ones(len(logit)), np.clip(logit, -LIMIT, LIMIT)]
    return np.column_stack(columns if signals is None else [*columns, np.clip(signals, -LIMIT, LIMIT)])
