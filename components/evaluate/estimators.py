"""Estimators of a policy's value: expected reward per request under a target policy.

Notation, per request and its positions l: reward r_l, propensity mu_l, target pi_l,
step weight w_l = pi_l / mu_l, running weight W_l = prod_{k<=l} w_k (W_0 = 1), reward
model q, ``qbar_l = sum_a pi_l(a) q(a)``, E_m the mean over requests. With slates of one
item W = w and the sums over positions vanish. On longer slates the same formulas are
the sequential estimators: IPS is RIPS (McInerney et al. 2020, "Counterfactual evaluation
of slate recommendations with sequential reward interactions", section 4), DR is
Cascade-DR (Kiyohara et al. 2022, section 3.3).

Every estimator returns `Terms`: one number per request whose mean is the estimate and
whose spread is its uncertainty (influence function plus the value), so that intervals,
decay and segments need to know no estimator.
"""

from dataclasses import dataclass

import numpy as np

from components.domain import Doubles
from components.evaluate.log import LoggedDecisions
from components.evaluate.weights import Weights, weights


@dataclass(frozen=True)
class Terms:
    """An estimator's terms: `each` (m,) float64 with ``mean(each) = value``; `ess` in requests."""

    name: str
    each: Doubles
    ess: float

    @property
    def value(self) -> float:
        """The estimate: expected reward per request."""
        return float(self.each.mean())


@dataclass(frozen=True)
class Parts:
    """What all estimators of one policy on one log share, computed once.

    Attributes
    ----------
    reward, through : (n,) r_l and W_l.
    shown, expected : (n,) q of the shown entry and ``W_{l-1} qbar_l``; zeros without a model.
    qbar : (n,) model's expectation under the policy, the logged prefix taken as given.
    """

    log: LoggedDecisions
    weight: Weights
    shown: Doubles
    qbar: Doubles
    modelled: bool

    @property
    def ess(self) -> float:
        """Effective sample size of the whole-slate weights, (sum W)^2 / sum W^2."""
        return effective(self.weight.request)


def parts(log: LoggedDecisions, policy: Doubles, q: Doubles | None = None, *, weight: Weights | None = None) -> Parts:
    """Weights and model expectations of `policy`, both arrays (nnz,)."""
    weight = weights(log, policy) if weight is None else weight
    if q is None:
        nothing = np.zeros(len(log))
        return Parts(log, weight, nothing, nothing, False)
    return Parts(log, weight, q[log.action], log.per_row(policy * q), True)


def effective(w: Doubles) -> float:
    """Effective sample size ``(sum w)^2 / sum w^2`` (Kish 1965); 0 where all weights are 0.

    >>> effective(np.array([1.0, 1.0, 0.0, 0.0]))
    2.0
    """
    squares = float(w @ w)
    return float(w.sum()) ** 2 / squares if squares > 0 else 0.0


def ips(p: Parts) -> Terms:
    """``E_m[sum_l W_l r_l]``. Unbiased under full support; variance grows with E[W^2 r^2]."""
    return Terms("IPS", p.log.per_request(p.weight.through * p.log.reward), p.ess)


def snips(p: Parts) -> Terms:
    """``sum_l E[W_l r_l] / E[W_l]``, self-normalised per position (Swaminathan and Joachims 2015).

    Bias O(1/m); variance of ``W_l (r_l - V_l)``, small where rewards are alike. The terms
    carry the ratio's influence function, denominator included.
    """
    log, w = p.log, p.weight.through
    if log.single:
        return Terms("SNIPS", _ratio_terms(w, log.reward), p.ess)
    each = np.zeros(len(log))
    for position in range(int(log.position.max()) + 1):
        rows = np.flatnonzero(log.position == position)
        each[rows] = _ratio_terms(w[rows], log.reward[rows])
    return Terms("SNIPS", log.per_request(each), p.ess)


def _ratio_terms(w: Doubles, reward: Doubles) -> Doubles:
    mean = w.mean()
    if not mean > 0:
        return np.zeros(len(w))
    value = (w @ reward) / w.sum()
    return value + w * (reward - value) / mean


def dm(p: Parts) -> Terms:
    """``E_m[sum_l qbar_l]``: the model's word. No weights: variance of qbar only, bias of the model in full.

    On slates the prefix is taken as logged, which adds the bias of another prefix.
    """
    return Terms("DM", p.log.per_request(p.qbar), float(p.log.requests))


def dr(p: Parts) -> Terms:
    """``E_m[sum_l W_{l-1} qbar_l + W_l (r_l - q_l)]`` (Dudik, Langford, Li 2011; Cascade-DR on slates).

    Unbiased if either weights or q are right; variance of the residual instead of the reward.
    """
    w = p.weight
    return Terms("DR", p.log.per_request(w.prefix * p.qbar + w.through * (p.log.reward - p.shown)), p.ess)


def difference(target: Parts, champion: Parts) -> Terms:
    """Paired difference target - champion with the variance-optimal baseline.

    ``A - beta B`` with ``A = DR_t - DR_c`` (IPS without a model), ``B = sum_l (W_t,l - W_c,l)``,
    ``beta = Cov(A, B) / Var(B)``: B has mean 0, so any beta leaves the mean alone, and this
    one has the least variance. For one item it is Delta-OPE's baseline (Jeunen and
    Ustimenko 2024, equation 9). Bias O(1/m) from estimating beta. Requests on which the
    policies agree contribute nothing to the variance.
    """
    a, b = difference_parts(target, champion)
    spread = float(b.var())
    beta = float(((a - a.mean()) * (b - b.mean())).mean()) / spread if spread > 0 else 0.0
    return Terms("paired DR" if target.modelled else "paired IPS", a - beta * b, min(target.ess, champion.ess))


def difference_parts(target: Parts, champion: Parts) -> tuple[Doubles, Doubles]:
    """A and B of `difference`, both (m,): what the sequential gate keeps sums of."""
    estimator = dr if target.modelled else ips
    each = estimator(target).each - estimator(champion).each
    gap = target.log.per_request(target.weight.through - champion.weight.through)
    return each, gap
