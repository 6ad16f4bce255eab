"""Estimators for slates that differ in what they assume of the user.

`standard` assumes nothing, `independent` that positions do not touch each other, RIPS and
Cascade-DR (`estimators.ips`, `estimators.dr`) that users look from the top down,
`pseudo_inverse` that rewards add up over positions. The more is assumed, the less variance.
Fewer assumptions than that should not be given up: a wrong one is a bias no interval shows.
"""

from components.domain import Doubles
from components.evaluate.estimators import Parts, Terms


def standard(p: Parts) -> Terms:
    """``E_m[W_L sum_l r_l]``, the whole slate as one action. Unbiased; variance grows exponentially in L."""
    return p.terms("slate IPS", p.weight.request * p.log.per_request(p.log.reward))


def independent(p: Parts, target: Doubles, logging: Doubles) -> Terms:
    """``E_m[sum_l r_l pi_l / mu_l]`` with *marginal* probabilities per position (Li et al. 2018, item-position).

    Parameters
    ----------
    target, logging : (n,) marginal probability of the shown item at its position, over all prefixes.

    Notes
    -----
    Unbiased if a position's reward depends on its own item alone; variance of one position.
    """
    w = target / logging
    return Terms("independent IPS", p.log.per_request(w * p.log.reward), p.log.per_request(w), p.log.cluster)


def pseudo_inverse(p: Parts, target: Doubles, logging: Doubles) -> Terms:
    """``E_m[(sum_l pi_l / mu_l - L + 1) sum_l r_l]`` (Swaminathan et al. 2017, section 3, for factored loggers).

    Parameters
    ----------
    target, logging : (n,) marginal probability of the shown item at its position.

    Notes
    -----
    Unbiased if the slate's reward is a sum of effects of (item, position) pairs and the logger
    draws positions independently; variance linear in L instead of exponential.
    """
    log = p.log
    w = log.per_request(target / logging) - log.positions + 1
    return Terms("pseudo-inverse", w * log.per_request(log.reward), w, log.cluster)
