"""Against what was logged: the paired difference where nobody knows the champion's distribution.

What was logged is a policy that needs no model and no propensity: its value is the mean reward of the log, each of
its weights is 1. So the difference to it is identified although its probabilities of everything that was not shown
are unknown. What cannot be formed is the champion's expectation under a reward model. Two things stand in for it:

``A = sum_l (W_l - 1) r_l - (W_l - W_{l-1}) qbar_l + lambda W_l (qbar_l - q_l)``

The second term is a baseline per request, the target's own expectation: it has mean 0 given the prefix whatever the
logger was, and vanishes where both policies agree. The third has mean 0 as well, because qbar_l is the target's
expectation of q_l; with lambda = 1 A is the target's DR minus the reward as logged, with lambda = 0 it is IPS with a
baseline per request. lambda is the one of least variance (a control variate: Owen 2013, "Monte Carlo theory,
methods and examples", section 8.9), within [0, 1]. Bias O(1/m) from estimating it; the
variance is never above the better of both by more than that. Without a model q is 0, and A that of `difference`.
"""

import numpy as np

from components.domain import Doubles
from components.evaluate.by_user import per_user
from components.evaluate.difference import Paired, baseline
from components.evaluate.estimators import Parts
from components.evaluate.logged_decisions import LoggedDecisions
from components.evaluate.weights import Weights


def as_logged(log: LoggedDecisions, share: Doubles | None) -> Parts:
    """What was logged, as a policy: weights of 1, no model; `share` (m,) with mean 1 weighs requests."""
    one, nothing = np.broadcast_to(1.0, len(log)), np.broadcast_to(0.0, len(log))
    return Parts(log, Weights(one, one, one, np.broadcast_to(1.0, log.requests)), nothing, nothing, False, share)


def paired_with_log(target: Parts, policy: Doubles) -> Paired:
    """A and B of `target` minus what was logged; `policy` (nnz,) is the target's distribution."""
    log, w = target.log, target.weight
    b = log.per_request(w.through - 1)
    steps = (w.through - w.prefix) * target.qbar
    plain = log.per_request((w.through - 1) * log.reward - steps)
    if target.modelled:
        control = log.per_request(w.through * (target.qbar - target.shown))
        return _shared(target, plain + _lambda(plain, control, target) * control, b)
    if log.logger_propensity is not None:
        return _shared(target, plain, b)
    sums = np.array([b @ b, b @ plain, plain @ plain])
    return _shared(target, plain, b, log.per_request(_least_spread(target, policy)), sums)


def _lambda(plain: Doubles, control: Doubles, target: Parts) -> float:
    """``-Cov(plain, control) / Var(control)`` by user, within [0, 1]; 0 where too few users carry the control."""
    share = 1.0 if target.share is None else target.share
    x, c = (per_user(share * (each - each.mean()), target.log.cluster) for each in (plain, control))
    squares, count = c * c, len(c)
    cross, square, fourth = float(x @ c), float(squares.sum()), float(squares @ squares)
    return min(max(-baseline(cross / count, square / count, fourth / count, count), 0.0), 1.0)


def _shared(
    target: Parts, a: Doubles, b: Doubles, spread: Doubles | None = None, sums: Doubles | None = None
) -> Paired:
    cluster, share = target.log.cluster, target.share
    if share is None:
        return Paired(a, b, spread, sums, cluster)
    mean = float(a @ share) / len(a)
    return Paired(
        mean + share * (a - mean), share * b, None if spread is None else share * share * spread, sums, cluster
    )


def _least_spread(target: Parts, policy: Doubles) -> Doubles:
    """(n,) the least that each position adds to ``E[B^2 | x]``, when of the logger only the shown entry's mu is known.

    ``(2 (L - l) - 1) E[(W_l - 1)^2 | prefix]`` as in `components.evaluate.difference.gap_spread`, least where the
    logger splits what is left as the target does: two groups, the shown entry and the rest. Exact for two eligible
    entries, and in expectation never above the true spread.
    """
    log, before = target.log, target.weight.prefix
    pi, mu = policy[log.action], log.propensity
    shown, rest = before * pi - mu, before * (1 - pi) - (1 - mu)
    left = np.zeros(len(log))
    np.divide(rest * rest, 1 - mu, out=left, where=1 - mu > 1e-12)
    following = np.repeat(log.positions, log.positions) - log.position
    return (2 * following - 1) * (shown * shown / mu + left)
