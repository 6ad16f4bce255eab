"""Diagnostics first, value second: what a log can and cannot say about a target.

Each figure has a limit in the settings; a figure beyond its limit is a refusal that
names figure, limit and remedy, and no weighted value is computed.
"""

from dataclasses import dataclass

import numpy as np

from components.domain import Doubles, Refused
from components.evaluate.by_user import collapsed, per_user
from components.evaluate.estimators import effective
from components.evaluate.logged_decisions import LoggedDecisions
from components.evaluate.settings import EvaluateSettings
from components.evaluate.weights import Weights

WAIT = "wait for more users"
WIDEN = "widen exploration, or keep the target nearer to what was logged"
DETERMINISTIC = 0.999
"""Share of choices at propensity 1 above which the logger counts as deterministic; below, the mean weight tells."""

TAIL_DOMINATED = 0.1
"""Share of the value in a thousandth of its requests from which it counts as resting on them."""


@dataclass(frozen=True)
class Diagnostics:
    """Figures about one target on one log; nan where a figure needs propensities that are absent.

    Attributes
    ----------
    decisions, requests, users : counts.
    mean_reward : reward per request as logged.
    missing, zero, above_one : shares of decisions whose propensity is nan, <= 0, > 1.
    deterministic : share of decisions with a choice (2 or more eligible) logged at propensity 1.
    mean_weight, mean_weight_z : mean whole-slate weight, expected 1, and its distance from 1 in
        standard errors.
    ess, ess_share : effective sample size in users, and as share of the users.
    rewarded : effective number of rewarded users, (sum w r)^2 / sum (w r)^2; told, never a reason to refuse:
        a log that is accepted for its rewards is accepted for its luck.
    largest_weight : of one request. largest_weight_share : of one user, of the total.
    tail_share : share of ``sum w r`` that rests on the largest .1 % of the requests (one request at least).
    tail_dominated : whether that is more than `TAIL_DOMINATED`: told, never a reason to refuse; the interval is
        wider for it (`components.evaluate.intervals`).
    pareto_k, pareto_k_error : generalised Pareto tail index of the weights, its standard error.
    unsupported_mass : share of the target's probability on entries the logger never showed;
        exact if the log carries the whole logging distribution (`unsupported_exact`), else
        max(0, 1 - mean weight).
    """

    decisions: int
    requests: int
    users: int
    mean_reward: float
    missing: float
    zero: float
    above_one: float
    deterministic: float
    mean_weight: float
    mean_weight_z: float
    ess: float
    ess_share: float
    rewarded: float
    largest_weight: float
    largest_weight_share: float
    tail_share: float
    tail_dominated: bool
    pareto_k: float
    pareto_k_error: float
    unsupported_mass: float
    unsupported_exact: bool


def diagnose(
    log: LoggedDecisions, policy: Doubles | None, weight: Weights, share: Doubles | None = None
) -> Diagnostics:
    """All figures; the weights' only if the propensities allow any.

    `policy` (nnz,) is needed for an exact unsupported mass; `share` (m,) with mean 1 weighs requests.
    """
    mu = log.propensity
    choice = log.eligible > 1
    sound = bool(np.isfinite(mu).all() and (mu > 0).all())
    nan = float("nan")
    w = weight.request if sound else np.full(log.requests, nan)
    w = w if share is None else w * share
    reward = log.per_request(log.reward)
    terms = collapsed(w, log.cluster)
    earned = tail_share(w * reward) if sound else nan
    error = terms.std(ddof=1) / np.sqrt(len(terms)) if len(terms) > 1 else nan
    whose = per_user(w, log.cluster)
    tail = pareto_tail(w) if sound else Tail(nan, nan)
    mean = float(w.mean())
    total = w.sum()
    return Diagnostics(
        decisions=len(log),
        requests=log.requests,
        users=log.users,
        mean_reward=float(reward.mean()),
        missing=float(np.isnan(mu).mean()),
        zero=float((mu <= 0).mean()),
        above_one=float((mu > 1).mean()),
        deterministic=float((choice & (mu == 1)).sum() / max(choice.sum(), 1)),
        mean_weight=mean,
        mean_weight_z=float((mean - 1) / error) if error > 0 else 0.0 if sound and abs(mean - 1) < 1e-9 else nan,
        ess=effective(whose) if sound else nan,
        ess_share=effective(whose) / log.users if sound else nan,
        rewarded=effective(per_user(w * reward, log.cluster)) if sound else nan,
        largest_weight=float(w.max()),
        largest_weight_share=float(whose.max() / total) if total > 0 else nan,
        tail_share=earned,
        tail_dominated=earned > TAIL_DOMINATED,
        pareto_k=tail.k,
        pareto_k_error=tail.error,
        unsupported_mass=_unsupported(log, policy, mean),
        unsupported_exact=log.logging is not None and policy is not None,
    )


def tail_share(earned: Doubles) -> float:
    """Share of a sum of (m,) weighted rewards that its largest thousandth carries; 0 without any.

    >>> tail_share(np.array([1.0, 1.0, 6.0]))
    0.75
    """
    total, count = float(earned.sum()), -(-len(earned) // 1000)
    return float(np.partition(earned, len(earned) - count)[-count:].sum()) / total if total > 0 else 0.0


def _unsupported(log: LoggedDecisions, policy: Doubles | None, mean_weight: float) -> float:
    if log.logging is not None and policy is not None:
        return float(np.where(log.logging > 0, 0.0, policy).sum() / len(log))
    return max(0.0, 1 - mean_weight)


@dataclass(frozen=True)
class Tail:
    """Generalised Pareto index `k` of a sample's upper tail and its standard error ``(1 + k) / sqrt(M)``."""

    k: float
    error: float


def pareto_tail(w: Doubles) -> Tail:
    """Tail index of weights by Zhang and Stephens (2009), as in PSIS (Vehtari et al. 2024, section 3).

    The tail is the ``M = min(m / 5, 3 sqrt(m))`` largest. Weights without a tail of five
    distinct exceedances have index 0: they are bounded by what was seen.
    """
    m = len(w)
    count = int(min(m / 5, 3 * np.sqrt(m)))
    if count < 5:
        return Tail(0.0, 0.0)
    split = np.partition(w, m - count - 1)
    excess = np.sort(split[m - count :] - split[m - count - 1])
    if len(np.unique(excess[excess > 0])) < 5:
        return Tail(0.0, 0.0)
    k = _zhang_stephens(excess[excess > 0])
    return Tail(k, (1 + max(k, 0.0)) / np.sqrt(count))


def _zhang_stephens(x: Doubles) -> float:
    """Quasi-Bayesian index of sorted exceedances: theta grid, profile likelihood, posterior mean."""
    n = len(x)
    grid = 30 + int(np.sqrt(n))
    quarter = x[max(int(n / 4 + 0.5) - 1, 0)]
    theta = 1 / x[-1] + (1 - np.sqrt(grid / (np.arange(grid) + 0.5))) / (3 * quarter)
    k = np.log1p(-theta[:, None] * x).mean(axis=1)
    likelihood = n * (np.log(-theta / k) - k - 1)
    weight = np.exp(likelihood - likelihood.max())
    best = float((weight * theta).sum() / weight.sum())
    return float(np.log1p(-best * x).mean())


def refusals(d: Diagnostics, s: EvaluateSettings) -> tuple[Refused, ...]:
    """Every figure beyond its limit, in the order in which they should be mended."""
    broken = tuple(_propensity_refusals(d))
    return broken if broken else tuple(_weight_refusals(d, s))


FOLLOW = ("effective sample size", "share of the largest weight")
"""Figures that a few sound users must miss."""


def merely_small(refused: tuple[Refused, ...]) -> bool:
    """Whether nothing but the number of users speaks against a log: more such days would do."""
    few = any(r.reason == "users" for r in refused)
    return all(r.advice == WAIT or (few and r.reason in FOLLOW) for r in refused)


def _propensity_refusals(d: Diagnostics) -> list[Refused]:
    checks = [
        (d.missing, 0.0, "share of missing propensities", "record the propensity at decision time"),
        (d.zero, 0.0, "share of propensities of 0 or below", "what was shown was not impossible: mend the logger"),
        (d.above_one, 0.0, "share of propensities above 1", "log probabilities, not scores or densities"),
        (d.deterministic, DETERMINISTIC, "share of choices logged at propensity 1", "explore: such a log is mute"),
    ]
    return [Refused(reason, figure, limit, advice) for figure, limit, reason, advice in checks if figure > limit]


def _weight_refusals(d: Diagnostics, s: EvaluateSettings) -> list[Refused]:
    unsupported = d.unsupported_exact or d.mean_weight_z < -s.mean_weight_z
    off = abs(d.mean_weight_z) > s.mean_weight_z and abs(d.mean_weight - 1) > s.mean_weight_tolerance
    tail = d.pareto_k - 1.645 * d.pareto_k_error > s.pareto_k
    share = "share of the target's mass without support"
    checks = [
        (d.users < s.minimum_users, "users", d.users, s.minimum_users, WAIT),
        (unsupported and d.unsupported_mass > s.unsupported_mass, share, d.unsupported_mass, s.unsupported_mass, WIDEN),
        (off, "mean weight", d.mean_weight, 1.0, "propensity and target describe different choices: check both"),
        (not d.ess >= s.minimum_ess, "effective sample size", d.ess, s.minimum_ess, WIDEN),
        (
            d.largest_weight_share > s.largest_weight_share,
            "share of the largest weight",
            d.largest_weight_share,
            s.largest_weight_share,
            WIDEN,
        ),
        (tail, "Pareto index of the weights' tail", d.pareto_k, s.pareto_k, WIDEN),
    ]
    return [Refused(reason, figure, limit, advice) for broken, reason, figure, limit, advice in checks if broken]
