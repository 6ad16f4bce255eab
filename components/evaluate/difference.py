"""The gate's quantity: challenger - champion on the same requests, with the variance-optimal baseline.

Requests on which the policies agree cancel, and with them most of the noise of two separate
values (Jeunen and Ustimenko 2024, "Delta-OPE"). `Paired` also knows what spread its weights were
bound to have, because a sample that missed its rare heavy weights looks surer than it is.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from components.domain import Doubles, Ints
from components.evaluate.by_user import collapsed, per_user
from components.evaluate.estimators import Parts, Terms, effective


def difference(target: Parts, champion: Parts) -> Terms:
    """Paired difference target - champion with the variance-optimal baseline.

    ``A - beta B`` with ``A = DR_t - DR_c`` (IPS without a model), ``B = sum_l (W_t,l - W_c,l)``,
    ``beta = Cov(A, B) / Var(B)``: B has mean 0, so any beta leaves the mean alone, and this
    one has the least variance (`baseline`). For one item it is Delta-OPE's baseline (Jeunen and
    Ustimenko 2024, section 3.2). Bias O(1/m) from estimating beta. Requests on which the
    policies agree contribute nothing to the variance.
    """
    pair = paired(target, champion)
    weight = min(target.whole, champion.whole, key=effective)
    return Terms("paired DR" if target.modelled else "paired IPS", pair.corrected, weight, target.log.cluster)


ENOUGH_FOR_BASELINE = 50.0
"""Effective number ``(sum B^2)^2 / sum B^4`` from which the baseline is estimated. With 10 the studentised
difference has a standard deviation of 1.25 to 1.55 instead of 1, with 50 of 1.0 (simulated world, 200 histories)."""


@dataclass(frozen=True)
class Paired:
    """A and B of `difference`, both (m,): what the sequential gate keeps sums of.

    Attributes
    ----------
    spread : (m,) ``E[B^2 | x]``, the second moment that the weight gap was bound to have (`gap_spread`); None if
        the logger's whole distribution is not known. residual : (3,) sums over requests of B^2, ``B C`` and C^2 with
        ``C = sum_l (W_t,l - W_c,l) (r_l - q_l)``.
    cluster : (m,) the log's: whose request each is.
    """

    a: Doubles
    b: Doubles
    spread: Doubles | None = None
    residual: Doubles | None = None
    cluster: Ints | None = None

    @cached_property
    def beta(self) -> float:
        """The baseline; 0 where too few users carry B to tell it from its noise."""
        a, b = per_user(self.a - self.a.mean(), self.cluster), per_user(self.b, self.cluster)
        squares, count = b * b, len(b)
        cross, square, fourth = float(a @ b), float(squares.sum()), float(squares @ squares)
        return baseline(cross / count, square / count, fourth / count, count)

    @cached_property
    def corrected(self) -> Doubles:
        """(m,) ``A - beta B``."""
        return self.a - self.beta * self.b if self.beta else self.a

    @cached_property
    def clustered(self) -> Doubles:
        """(C,) `corrected` as terms of the users, from which intervals are made."""
        return collapsed(self.corrected, self.cluster)

    @property
    def expected_error(self) -> float:
        """Standard error that the weights were bound to give: ``sqrt(sum E[B^2 | x] v) / m``.

        v is ``sum (C - beta B)^2 / sum B^2``, the squared residual of what was drawn, weighted as it counts.

        A sample that drew none of its rare, heavy weights looks more certain than it is, and most so
        where it errs most: of first looks at 120 requests that had to hold, 13 % promoted by the sample's own error
        and none by the larger of both (simulated world, policies differing for a fifth of the users).
        """
        if self.spread is None or self.residual is None:
            return 0.0
        return float(np.sqrt(self.spread.sum() * left_over(self.residual, self.beta))) / len(self.b)


def baseline(cross: float, square: float, fourth: float, count: int) -> float:
    """beta = ``E[A B] / E[B^2]`` (B has mean 0) from the means of A B (A centred), B^2 and B^4, or 0."""
    enough = square > 0 and count * square**2 >= ENOUGH_FOR_BASELINE * fourth
    return cross / square if enough else 0.0


def left_over(residual: Doubles, beta: float) -> float:
    """``sum (C - beta B)^2 / sum B^2`` from the three sums of `Paired.residual`; 0 where B is."""
    squares, first, second = residual.tolist()
    return (second - 2 * beta * first) / squares + beta * beta if squares > 0 else 0.0


def paired(target: Parts, champion: Parts, spread: Doubles | None = None) -> Paired:
    """Per-request difference of the estimates and of the weights; `spread` (m,) as `gap_spread` gives it."""
    log, residual = target.log, target.log.reward - target.shown
    gap = target.weight.through - champion.weight.through
    model = target.weight.prefix * target.qbar - champion.weight.prefix * champion.qbar
    corrections = log.per_request(gap * residual)
    a, b = log.per_request(model) + corrections, log.per_request(gap)
    sums = None if spread is None else np.array([b @ b, b @ corrections, corrections @ corrections])
    if target.share is None:
        return Paired(a, b, spread, sums, log.cluster)
    mean = float(a @ target.share) / len(a)
    squared = None if spread is None else target.share * target.share * spread
    return Paired(mean + target.share * (a - mean), target.share * b, squared, sums, log.cluster)


def gap_spread(target: Parts, champion: Parts, policy: Doubles, champion_policy: Doubles) -> Doubles:
    """(m,) ``E[B^2 | x]`` of ``B = sum_l D_l``, ``D_l = W_t,l - W_c,l``: what B^2 was bound to be, whatever was drawn.

    On a prefix D_l has the mean D_{l-1}, because weights have mean 1 at every position; hence ``E[D_k D_l] = E[D_k^2]``
    for k < l, and of a slate of L positions, counted from 0, ``E[B^2] = sum_l (2 (L - l) - 1) E[D_l^2]``. The inner
    means are taken over everything that could have followed the logged prefix,
    ``sum_a (W_t,l-1 pi_t(a) - W_c,l-1 pi_c(a))^2 / mu(a)``, so that the mean over logged slates is exact.

    Parameters
    ----------
    policy, champion_policy : (nnz,) target and champion; mu is the logged distribution where the log
        carries it, else the champion, who is the logger or near it. Entries that mu never shows are left out, as
        they are from B.
    """
    log = target.log
    mu = champion_policy if log.logging is None else log.logging
    if log.single:
        gap = policy - champion_policy
    else:
        gap = (
            policy * target.weight.prefix[log.row_of_entry] - champion_policy * champion.weight.prefix[log.row_of_entry]
        )
    gap *= gap
    np.divide(gap, mu, out=gap, where=mu > 0)
    gap[mu <= 0] = 0.0
    if log.single:
        return log.per_row(gap)
    following = np.repeat(log.positions, log.positions) - log.position
    return log.per_request((2 * following - 1) * log.per_row(gap))
