"""Canary: does a generation that serves a random share of the users earn as much as the champion earns of the others?

Users are drawn by hash, so no weights are needed, and they come back, so the user is the unit. With sums Y_u of
rewards and N_u of requests over a user's time so far, and a covariate m_u known before the canary began::

    R_a   = sum_a Y_u / sum_a N_u                     a = 1 canary, 0 champion: value, reward per request
    e_u   = Y_u - R_a N_u,   x_u = N_u (m_u - mean_a m)
    theta = R_1 - k R_0 - c (mean_1 m - mean_0 m)     k = 1, or 1 - margin: not worse by the margin <=> theta > 0
    V     = sum_1 ((e_u - c x_u) / N_1)^2 + sum_0 ((k e_u - c x_u) / N_0)^2

The covariate's means (weighted by requests) differ by chance alone, so any c leaves theta unbiased up to the ratio's
own 1/n; the c of least V takes out what was known of users beforehand (Deng et al. 2013, WSDM, "CUPED"; with uneven
arms the weights of Lin 2013, Annals of Applied Statistics 7, section 4). Variance: cluster-robust (Liang and Zeger
1986), each user's term jackknifed.

Looking every day. theta_t is a mean over users who mostly stay, so today's look and tomorrow's share what users are
like. With information ``I_t = 1 / V_t`` an efficient mean moves like ``B(I_t) / I_t``, B a Brownian motion:
``Cov(theta_s, theta_t) = V_t`` (Scharfstein, Tsiatis and Robins 1997, JASA 92), and where looks are more alike than
that, they cross a boundary less often (Slepian 1962, Bell System Technical Journal 41). So the boundary of
`confidence_sequence`, run on the clock I_t instead of a count, holds at all looks together (asymptotic, as in
Waudby-Smith et al. 2024, arXiv 2103.06476). The last look, at a day fixed beforehand, spends its own share of the error
on an interval of fixed size.
"""

import json
from dataclasses import asdict, dataclass

import numpy as np
from scipy.special import ndtri

from components.domain import DAY, Bools, Doubles, Verdict, Window
from components.evaluate.canary_settings import CanarySettings
from components.evaluate.confidence_sequence import boundary
from components.evaluate.intervals import Interval

IMBALANCE = 1e-6
"""Error of calling the split uneven, per look: a monthly trial of daily looks errs once in 35,000."""
POWER = 0.8
"""Power at which the sequence is tightest, and the smallest detectable loss is stated."""


@dataclass(frozen=True)
class Traffic:
    """What n users have done since the canary began: everyone with a matured request.

    Attributes
    ----------
    requests, earned : (n,) matured requests and their rewards. canary : (n,) who is served by the canary.
    past : (n,) what was known of a user before, such as the mean reward until then; nothing but numbers made before
        the canary began may stand here.
    """

    requests: Doubles
    earned: Doubles
    past: Doubles
    canary: Bools

    @property
    def users(self) -> tuple[int, int]:
        """Users of canary and champion."""
        count = int(self.canary.sum())
        return count, len(self.canary) - count


def past_means(earned: Doubles, requests: Doubles, prior_requests: float = 5.0) -> Doubles:
    """(n,) mean reward per request of each user's past, drawn to the mean of all by so many made-up requests.

    >>> past_means(np.array([5.0, 0.0]), np.array([5.0, 0.0])).tolist()
    [1.0, 1.0]
    >>> past_means(np.array([5.0, 0.0]), np.array([5.0, 5.0])).tolist()
    [0.75, 0.25]
    """
    total = requests.sum()
    overall = float(earned.sum() / total) if total else 0.0
    return np.asarray((earned + prior_requests * overall) / (requests + prior_requests))


@dataclass(frozen=True)
class Contrast:
    """``R_1 - k R_0``, adjusted, with its standard error."""

    value: float
    error: float

    @property
    def information(self) -> float:
        """``1 / V``."""
        return 1 / self.error**2 if self.error > 0 else float("inf")


def contrast(traffic: Traffic, k: float = 1.0) -> Contrast:
    """The adjusted contrast of canary and k times champion, in rewards per request; both sides need two users.

    >>> calm = Traffic(np.ones(8), np.array([1.0, 0, 1, 0, 1, 0, 1, 0]), np.zeros(8), np.arange(8) < 4)
    >>> contrast(calm).value, round(contrast(calm, 0.9).value, 3)
    (0.0, 0.05)
    """
    sides = [_side(traffic, traffic.canary, 1.0), _side(traffic, ~traffic.canary, k)]
    along = sum(float(s.residual @ s.shift) for s in sides)
    across = sum(float(s.shift @ s.shift) for s in sides)
    c = along / across if across > 0 else 0.0
    one, two = sides
    variance = sum(_variance(s, c) for s in sides)
    return Contrast(one.value - k * two.value - c * (one.past - two.past), float(np.sqrt(variance)))


@dataclass(frozen=True)
class _Side:
    """One side: ``residual = k e / N_a``, ``shift = x / N_a``, (n_a,), both with the jackknife's factor."""

    value: float
    past: float
    residual: Doubles
    shift: Doubles


def _side(traffic: Traffic, mask: Bools, k: float) -> _Side:
    requests, earned, past = traffic.requests[mask], traffic.earned[mask], traffic.past[mask]
    total = requests.sum()
    value, mean = float(earned.sum() / total), float(requests @ past / total)
    each = 1 / (total * np.maximum(1 - requests / total, 1e-9))
    return _Side(value, mean, k * (earned - value * requests) * each, requests * (past - mean) * each)


def _variance(side: _Side, c: float) -> float:
    terms = side.residual - c * side.shift
    count = len(terms)
    return float(np.square(terms - terms.mean()).sum() * count / (count - 1)) if count > 1 else float("inf")


def reach(information: float, tuned_for: float, error: float) -> float:
    """Distance of an anytime-valid one-sided bound from the contrast, in its standard errors, at some information.

    Tightest at `tuned_for`, in the same unit.
    """
    clock = information / tuned_for
    return float(np.sqrt(clock) * boundary(np.array(clock), error, 1)) if clock > 0 else float("inf")


@dataclass(frozen=True)
class CanaryLook:
    """One look at a canary.

    Attributes
    ----------
    verdict : PROMOTE, ROLL_BACK, or HOLD: it stays out. reasons : one sentence each.
    champion, canary : rewards per request, each of its own users, as they came.
    difference : canary - champion, adjusted; its ends hold at all looks together, with `harm_error` each.
    detectable : smallest share of the champion's value whose loss this traffic would have excluded, at power .8.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    users: tuple[int, int]
    requests: tuple[int, int]
    champion: float | None = None
    canary: float | None = None
    difference: Interval | None = None
    detectable: float | None = None

    def to_json(self) -> str:
        """One JSON document, kept in the ledger."""
        return json.dumps(asdict(self), allow_nan=False)

    def __str__(self) -> str:
        told = f"canary: {self.requests[0]:,} requests of {self.users[0]:,} users"
        if self.difference is None or self.detectable is None:
            return told
        others = f"{self.requests[1]:,} of {self.users[1]:,} the champion's {self.champion:.4f}"
        ends = f"[{self.difference.lower:+.5f}, {self.difference.upper:+.5f}]"
        return (
            f"{told} earned {self.canary:.4f}, {others}; difference, adjusted by what users did before, in {ends}; "
            f"smallest loss that could be excluded: {self.detectable:.1%}"
        )


def last_look_at(began: int, s: CanarySettings) -> int:
    """Instant from which a look is the last, microseconds."""
    return began + round(s.days * DAY)


def past_window(began: int, s: CanarySettings) -> Window:
    """What of the past the covariate is made of."""
    return Window(began - round(s.past_days * DAY), began)


def look(traffic: Traffic, s: CanarySettings, *, last: bool = False) -> CanaryLook:
    """Judge a canary by all its days so far; may be asked every day without inflating its errors.

    Parameters
    ----------
    last : whether its `days` are over: then it is promoted or rolled back.
    """
    users = traffic.users
    shown = int(traffic.requests[traffic.canary].sum()), int(traffic.requests[~traffic.canary].sum())
    if uneven := _uneven(users, s.share):
        return CanaryLook(Verdict.ROLL_BACK, (uneven,), users, shown)
    if min(users) < s.minimum_users:
        few = f"{users[0]} users of the canary and {users[1]} of the champion; {s.minimum_users} each are needed"
        return CanaryLook(Verdict.ROLL_BACK if last else Verdict.HOLD, (few,), users, shown)
    value = float(traffic.earned[~traffic.canary].sum() / max(shown[1], 1))
    own = float(traffic.earned[traffic.canary].sum() / max(shown[0], 1))
    plain, floor = contrast(traffic), contrast(traffic, 1 - s.margin)
    if plain.error == 0:
        alike = "all rewards were alike so far: nothing tells canary and champion apart"
        return CanaryLook(Verdict.ROLL_BACK if last else Verdict.HOLD, (alike,), users, shown, value, own)
    tuned_for = _needed(s.margin * value, s.error)
    bounds = _interval(plain, tuned_for, s.harm_error)
    verdict, reasons = _judge(plain, bounds, _lower(floor, tuned_for, s, last=last), s, last=last)
    reached = float(ndtri(1 - s.error * s.last_look_share) + ndtri(POWER)) * floor.error
    return CanaryLook(verdict, reasons, users, shown, value, own, bounds, reached / value if value else None)


def _judge(
    plain: Contrast, bounds: Interval, lower: float, s: CanarySettings, *, last: bool
) -> tuple[Verdict, tuple[str, ...]]:
    margin = f"non-inferiority, margin {s.margin:.1%} of the champion's value"
    if bounds.upper < 0:
        harm = f"the canary is worse: upper bound {bounds.upper:+.5f} of the difference is below 0"
        return Verdict.ROLL_BACK, (harm,)
    when = "at its last look" if last else "over all looks"
    if lower > 0:
        return Verdict.PROMOTE, (f"{margin}: lower bound {lower:+.5f} {when} is above 0",)
    why = f"{margin}: lower bound {lower:+.5f} {when} is not above 0"
    if not last:
        return Verdict.HOLD, (why,)
    return Verdict.ROLL_BACK, (why, f"{s.days:g} days are over: more users, a larger share or margin would show more")


def _lower(floor: Contrast, tuned_for: float, s: CanarySettings, *, last: bool) -> float:
    """Lower bound of ``R_1 - (1 - margin) R_0``; at the last look the better of both ways to read it."""
    early = reach(floor.information, tuned_for, s.error * (1 - s.last_look_share))
    final = float(ndtri(1 - s.error * s.last_look_share))
    return floor.value - (min(early, final) if last else early) * floor.error


def _interval(plain: Contrast, tuned_for: float, error: float) -> Interval:
    half = reach(plain.information, tuned_for, error) * plain.error
    return Interval(float(plain.value - half), float(plain.value + half), "confidence sequence")


def _needed(loss: float, error: float) -> float:
    """Information at which an equal canary is shown not to lose `loss`, at one look of `error`."""
    return float(((ndtri(1 - error) + ndtri(POWER)) / loss) ** 2) if loss > 0 else 1.0


def _uneven(users: tuple[int, int], share: float) -> str | None:
    """Why the split is not the one that was asked for, or None: then something beside the hash decides who is counted.

    Sample ratio mismatch (Fabijan et al. 2019, KDD).
    """
    total = sum(users)
    if not total or not 0 < share < 1:
        return None
    z = (users[0] - share * total) / np.sqrt(total * share * (1 - share))
    if abs(z) <= -ndtri(IMBALANCE / 2):
        return None
    return f"refused: {users[0]} of {total} users are the canary's, {share:.1%} were drawn; see /generation for faults"
