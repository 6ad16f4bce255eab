"""SLOPE++: how far may weights be shrunk before bias shows? (Tucker and Lee 2021; Su et al. 2020.)

Candidates go from the one of least bias and most variance to the most shrunk. The last
one whose interval still agrees with all before it is chosen: shrinking stops where the
estimates begin to move by more than chance. SLOPE++ orders by observed width instead of
asking for a known order of variance.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from components.domain import Doubles
from components.evaluate.estimators import Parts, Terms, clipped_ips, dros, switch_dr
from components.evaluate.intervals import moments

SLOPE_CONSTANT = float(np.sqrt(6) - 1)
"""Constant of the interval-overlap test in Su, Srinath and Krishnamurthy (2020), equation 4."""


GRID = 5
"""Candidate limits per estimator: neighbours differ by more than chance can tell apart."""


@dataclass(frozen=True)
class Shrink:
    """A way to shrink weights: the estimator that uses it, and the weights it leaves.

    `power` is the unit of the limit: 1 for limits on w, 2 for limits on w^2.
    """

    estimator: Callable[[Parts, float], Terms]
    left: Callable[[Doubles, float], Doubles]
    power: int


CLIP = Shrink(clipped_ips, np.minimum, 1)
SWITCH = Shrink(switch_dr, lambda w, limit: np.where(w <= limit, w, 0.0), 1)
OPTIMISTIC = Shrink(dros, lambda w, limit: w if np.isinf(limit) else limit * w / (w * w + limit), 2)


@dataclass(frozen=True)
class Chosen:
    """The chosen terms, the limit that made them, and `removed`, the mean weight the limit took away.

    With rewards and model in [0, R] the bias is at most ``R removed``.
    """

    terms: Terms
    limit: float
    removed: float


def tuned(p: Parts, shrink: Shrink, budget: float, alpha: float = 0.05) -> Chosen:
    """An estimator with a limit (clipped IPS, Switch-DR, DRos), the limit chosen by SLOPE++.

    Only limits that remove a mean weight of at most `budget` are candidates, so that the
    chosen one's interval, widened by its bias bound, still holds.
    """
    candidates = [Chosen(shrink.estimator(p, float("inf")), float("inf"), 0.0)]
    for limit in _limits(p.weight.through, shrink.power):
        removed = _removed(p, shrink, limit)
        if removed > budget:
            break
        candidates.append(Chosen(shrink.estimator(p, limit), limit, removed))
    return candidates[choose([c.terms for c in candidates], alpha)]


def _limits(w: Doubles, power: int) -> list[float]:
    """Geometric, from just below the largest weight (its square, times 1000) down to the mean weight."""
    largest, low = float(w.max()), max(float(w.mean()), 1e-12)
    if largest <= 1.001 * low:
        return []
    top = largest if power == 1 else 1000 * largest**2
    return np.geomspace(top, low**power, GRID + 2)[1:-1].tolist()


def _removed(p: Parts, shrink: Shrink, limit: float) -> float:
    w = p.weight.through
    return float((w - shrink.left(w, limit)).sum()) / p.log.requests


def choose(candidates: Sequence[Terms], alpha: float = 0.05) -> int:
    """Index of the chosen candidate; candidates in any order, the widest is trusted to be least biased.

    Accept candidate i (by decreasing width) while ``|V_i - V_j| <= c_i + (sqrt(6) - 1) c_j`` for
    every wider j, with half-widths c.
    """
    z = float(ndtri(1 - alpha / 2))
    half = [z * moments(t.clustered).error for t in candidates]
    order = sorted(range(len(candidates)), key=lambda i: -half[i])
    for at, i in enumerate(order):
        wider = order[:at]
        gaps = [abs(candidates[i].value - candidates[j].value) - SLOPE_CONSTANT * half[j] for j in wider]
        if any(gap > half[i] + 1e-12 for gap in gaps):
            return order[at - 1]
    return order[-1]
