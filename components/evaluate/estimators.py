"""Estimators of a policy's value: expected reward per request under a target policy.

Notation, per request and its positions l: reward r_l, propensity mu_l, target pi_l,
step weight w_l = pi_l / mu_l, running weight W_l = prod_{k<=l} w_k (W_0 = 1), reward
model q, ``qbar_l = sum_a pi_l(a) q(a)``, E_m the mean over requests. With slates of one
item W = w and the sums over positions vanish. On longer slates the same formulas are
the sequential estimators: IPS is RIPS (McInerney et al. 2020, "Counterfactual evaluation
of slate recommendations with sequential reward interactions", section 4), DR is
Cascade-DR (Kiyohara et al. 2022, "Doubly robust off-policy evaluation for ranking
policies under the cascade behavior model", section 3.2), with q the expected reward from
this position on, or of this position alone: both are unbiased.

Every estimator returns `Terms`: one number per request whose mean is the estimate and
whose spread is its uncertainty (influence function plus the value), so that intervals,
decay and segments need to know no estimator. With shares h (subsampled logs, decay) E_m
is the weighted mean ``sum h t / sum h``.
"""

from dataclasses import dataclass

import numpy as np

from components.domain import Doubles, Ints
from components.evaluate.by_user import collapsed, per_user
from components.evaluate.logged_decisions import LoggedDecisions
from components.evaluate.weights import Weights, weights


@dataclass(frozen=True)
class Terms:
    """An estimator's terms: `each` (m,) float64 with ``mean(each) = value``; `weight` (m,) that they rest on.

    `cluster` (m,) is the log's: whose request each is.
    """

    name: str
    each: Doubles
    weight: Doubles
    cluster: Ints | None = None

    @property
    def ess(self) -> float:
        """Effective sample size of the weights, in users."""
        return effective(per_user(self.weight, self.cluster))

    @property
    def clustered(self) -> Doubles:
        """(C,) terms of the users, from which intervals are made; their mean is the estimate."""
        return collapsed(self.each, self.cluster)

    @property
    def value(self) -> float:
        """The estimate: expected reward per request."""
        return float(self.each.mean())


@dataclass(frozen=True)
class Parts:
    """What all estimators of one policy on one log share, computed once.

    Attributes
    ----------
    shown, qbar : (n,) q of the shown entry, and its expectation under the policy on the same
        eligible set; zeros without a model.
    share : (m,) weight of each request in E_m, with mean 1; None counts all alike.
    """

    log: LoggedDecisions
    weight: Weights
    shown: Doubles
    qbar: Doubles
    modelled: bool
    share: Doubles | None = None

    @property
    def whole(self) -> Doubles:
        """(m,) whole-slate weights h W."""
        w = self.weight.request
        return w if self.share is None else w * self.share

    def terms(self, name: str, each: Doubles) -> Terms:
        """Terms of a mean over requests."""
        if self.share is None:
            return Terms(name, each, self.whole, self.log.cluster)
        value = float(each @ self.share) / len(each)
        return Terms(name, value + self.share * (each - value), self.whole, self.log.cluster)


def parts(
    log: LoggedDecisions,
    policy: Doubles,
    q: Doubles | None = None,
    *,
    weight: Weights | None = None,
    share: Doubles | None = None,
) -> Parts:
    """Weights and model expectations of `policy`; `policy` and `q` are arrays (nnz,)."""
    weight = weights(log, policy) if weight is None else weight
    share = None if share is None else share / share.mean()
    if q is None:
        nothing = np.broadcast_to(0.0, len(log))
        return Parts(log, weight, nothing, nothing, False, share)
    return Parts(log, weight, q[log.action], log.per_row(policy * q), True, share)


def effective(w: Doubles) -> float:
    """Effective sample size ``(sum w)^2 / sum w^2`` (Kish 1965); 0 where all weights are 0.

    >>> effective(np.array([1.0, 1.0, 0.0, 0.0]))
    2.0
    """
    squares = float(w @ w)
    return float(w.sum()) ** 2 / squares if squares > 0 else 0.0


def ips(p: Parts) -> Terms:
    """``E_m[sum_l W_l r_l]``. Unbiased under full support; variance grows with E[W^2 r^2]."""
    return p.terms("IPS", p.log.per_request(p.weight.through * p.log.reward))


def clipped_ips(p: Parts, limit: float) -> Terms:
    """``E_m[sum_l min(W_l, limit) r_l]`` (Bottou et al. 2013). Biased downwards by E[(W - limit)^+ r]."""
    w = np.minimum(p.weight.through, limit)
    return p.terms("clipped IPS", p.log.per_request(w * p.log.reward))


def snips(p: Parts) -> Terms:
    """``sum_l E[W_l r_l] / E[W_l]``, self-normalised per position (Swaminathan and Joachims 2015).

    Bias O(1/m); variance of ``W_l (r_l - V_l)``, small where rewards are alike. The terms
    carry the ratio's influence function, denominator included.
    """
    return _self_normalised("SNIPS", p, np.zeros(len(p.log)), p.log.reward)


def dm(p: Parts) -> Terms:
    """``E_m[sum_l qbar_l]``: the model's word. No weights: variance of qbar only, bias of the model in full.

    On slates the prefix is taken as logged, which adds the bias of another prefix.
    """
    terms = p.terms("DM", p.log.per_request(p.qbar))
    return Terms("DM", terms.each, np.broadcast_to(1.0, p.log.requests), p.log.cluster)


def dr(p: Parts) -> Terms:
    """``E_m[sum_l W_{l-1} qbar_l + W_l (r_l - q_l)]`` (Dudik, Langford, Li 2011; Cascade-DR on slates).

    Unbiased if either weights or q are right; variance of the residual instead of the reward.
    """
    w = p.weight
    return p.terms("DR", p.log.per_request(w.prefix * p.qbar + w.through * (p.log.reward - p.shown)))


def sndr(p: Parts) -> Terms:
    """``sum_l E[W_{l-1} qbar_l] + E[W_l (r_l - q_l)] / E[W_l]``: DR with the correction self-normalised.

    Bias O(1/m); variance of ``W (r - q - D)`` with D the mean correction (Kallus and Uehara 2019).
    """
    return _self_normalised("SNDR", p, p.weight.prefix * p.qbar, p.log.reward - p.shown)


def switch_dr(p: Parts, limit: float) -> Terms:
    """DR whose correction is dropped where ``W_l > limit`` (Wang, Agarwal, Dudik 2017).

    Bias: the model's error on the dropped part; variance bounded by the limit. limit = 0 is DM.
    """
    w = np.where(p.weight.through <= limit, p.weight.through, 0.0)
    return _shrunk("Switch-DR", p, w)


def dros(p: Parts, limit: float) -> Terms:
    """DR with optimistically shrunk weights ``limit W / (W^2 + limit)`` (Su et al. 2020, section 3.2).

    limit = 0 is DM, limit = inf is DR; between, bias and variance are traded smoothly.
    """
    w = p.weight.through
    return _shrunk("DRos", p, w if np.isinf(limit) else limit * w / (w * w + limit) if limit > 0 else np.zeros(len(w)))


def controlled(p: Parts) -> Terms:
    """DR (IPS without a model) less the multiple of the whole-slate weight's error ``W - 1`` of least variance.

    W has mean 1, so any multiple leaves the mean alone (Vlassis, Chandrashekar, Amat Gil and Kallus 2021, "Control
    variates for slate off-policy evaluation", section 4). The multiple is ``Cov(t, W) / Var(W)`` by user; bias O(1/m)
    from estimating it.
    """
    base, weight = (dr if p.modelled else ips)(p), p.terms("W", p.weight.request)
    t, w = (per_user(x - x.mean(), p.log.cluster) for x in (base.each, weight.each))
    squares = float(w @ w)
    multiple = float(t @ w) / squares if squares > 0 else 0.0
    name = f"{base.name} with a control variate"
    return Terms(name, base.each - multiple * (weight.each - 1), base.weight, p.log.cluster)


def _shrunk(name: str, p: Parts, w: Doubles) -> Terms:
    return p.terms(name, p.log.per_request(p.weight.prefix * p.qbar + w * (p.log.reward - p.shown)))


def _self_normalised(name: str, p: Parts, base: Doubles, residual: Doubles) -> Terms:
    """Terms of ``E[base] + sum_l E[h W_l x_l] / E[h W_l]`` for a residual x."""
    log = p.log
    h = None if p.share is None else p.share if log.single else np.repeat(p.share, log.positions)
    w = p.weight.through if h is None else p.weight.through * h
    if log.single:
        ratio = _ratio_terms(w, residual, h)
    else:
        ratio = np.zeros(len(log))
        for position in range(int(log.position.max()) + 1):
            rows = np.flatnonzero(log.position == position)
            ratio[rows] = _ratio_terms(w[rows], residual[rows], None if h is None else h[rows])
    each = log.per_request(ratio)
    if not base.any():
        return Terms(name, each, p.whole, log.cluster)
    return Terms(name, each + p.terms(name, log.per_request(base)).each, p.whole, log.cluster)


def _ratio_terms(w: Doubles, residual: Doubles, h: Doubles | None) -> Doubles:
    """Influence terms of ``sum w x / sum w``, with mean equal to the ratio (times the share h here)."""
    mean = w.mean()
    if not mean > 0:
        return np.zeros(len(w))
    value = (w @ residual) / w.sum()
    return (value if h is None else value * h.mean()) + w * (residual - value) / mean
