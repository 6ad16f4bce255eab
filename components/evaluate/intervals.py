"""Intervals for the mean of an estimator's terms, one term per user.

Chosen by coverage in worlds where users come back, rewards are money, logging drifts and slates are drawn
(`benchmarks.off_policy_worlds`), the simplest that covers everywhere. Values carry `skew_interval`:
importance-weighted terms of rare or uneven rewards are skewed, and a symmetric interval misses on one side.
The gate reads `signed_interval` of the difference. `bootstrap_interval` is the second opinion without a formula.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from components.domain import Doubles, Floats

SKEW, STUDENT, BOOTSTRAP = "skew-corrected", "Student", "by-user bootstrap"
"""Kinds of intervals."""

LEAST_DEGREES = 3.0
"""Degrees of freedom that one outlier among many terms leaves; with 2 the interval would double again."""


@dataclass(frozen=True)
class Interval:
    """``[lower, upper]`` for a mean, with the kind that made it."""

    lower: float
    upper: float
    kind: str


@dataclass(frozen=True)
class Moments:
    """Mean, standard error, skewness and kurtosis (3 for normal terms) of `count` terms."""

    mean: float
    error: float
    skewness: float
    kurtosis: float
    count: int

    @property
    def degrees(self) -> float:
        """Degrees of freedom that the standard error has: ``C / (kurtosis - 1)``, at most C - 1.

        A variance estimated from C terms scatters by ``(kurtosis - 1) / C``, as a chi-square of ``2 C / (kurtosis
        - 1)`` degrees does (Satterthwaite 1946, Biometrics Bulletin 2). Half of them are counted, because
        a sample of a heavy tail has seen less kurtosis than there is.
        """
        return min(self.count - 1, max(self.count / max(self.kurtosis - 1, 1e-9), LEAST_DEGREES))


def moments(each: Doubles) -> Moments:
    """Moments of the terms; `error` inf for fewer than two.

    >>> moments(np.array([1.0, 2.0, 3.0])).mean
    2.0
    """
    m, mean = len(each), float(each.mean())
    if m < 2:
        return Moments(mean, float("inf"), 0.0, 3.0, m)
    centred = each - mean
    squares = centred * centred
    variance = float(squares.mean())
    if variance <= (1e-12 * max(abs(mean), 1e-300)) ** 2:
        return Moments(mean, 0.0, 0.0, 3.0, m)
    third, fourth = float(squares @ centred) / m, float(squares @ squares) / m
    return Moments(mean, float(np.sqrt(variance / (m - 1))), third / variance**1.5, fourth / variance**2, m)


def standard_error(each: Doubles) -> float:
    """``sd / sqrt(m)`` with the unbiased variance; inf for fewer than two terms."""
    return moments(each).error


def skew_interval(each: Doubles, alpha: float) -> Interval:
    """Student interval with the skewness removed by Hall's monotone cubic (Hall 1992, JRSS B 54).

    ``g(T) = T + a T^2 / 3 + a^2 T^3 / 27 + a / 6`` with ``a = skewness / sqrt(C)`` is closer
    to normal than the studentised mean T by one order of sqrt(C); its inverse at the t
    quantiles gives the ends. The quantiles are those of the degrees of freedom that the error has (`Moments.degrees`):
    few for uneven users or money, where Hall's ends alone cover 91 % (docs/LOG.md). Without
    skewness and tails this is Student's interval.
    """
    m = moments(each)
    if m.error == 0 or not np.isfinite(m.error):
        return Interval(m.mean - m.error, m.mean + m.error, SKEW)
    quantile = float(stdtrit(m.degrees, 1 - alpha / 2))
    a = m.skewness / m.count**0.5
    ends = [m.mean - m.error * _hall_inverse(y, a) for y in (quantile, -quantile)]
    return Interval(ends[0], ends[1], SKEW)


def drawn_and_bound(drawn: float, bound: float) -> float:
    """Error of a difference from the one drawn and the one its weights were bound to give (`Paired.expected_error`).

    Where more was bound to come, the mean of both variances. The drawn error alone promotes 17 % of challengers
    that are worse by the margin (1,000 first looks at 120 requests), the mean none, and the larger of both
    covers 98 to 99.7 % where logging hardly explores.
    """
    return float(np.sqrt((drawn**2 + max(drawn, bound) ** 2) / 2))


def signed_interval(each: Doubles, alpha: float, least: float = 0.0) -> Interval:
    """Student's interval, for differences, with the error of `drawn_and_bound`.

    Terms of a difference have heavy tails on both sides. Their sample skewness is then mostly
    noise, and noise of the wrong sign: the outlier that lifts the mean also lifts the
    lower end. Correcting it covers 83 to 95 % of differences of rare rewards or money, not correcting it 94 to 97 %.
    """
    m = moments(each)
    error = drawn_and_bound(m.error, least)
    if error == 0 or not np.isfinite(error):
        return Interval(m.mean - error, m.mean + error, STUDENT)
    half = float(stdtrit(m.count - 1, 1 - alpha / 2)) * error
    return Interval(m.mean - half, m.mean + half, STUDENT)


def _hall_inverse(y: float, a: float) -> float:
    """x with ``g(x) = y``."""
    if abs(a) < 1e-6:
        return y
    return 3 / a * (float(np.cbrt(1 + a * (y - a / 6))) - 1)


def bootstrap_interval(
    numerator: Doubles,
    denominator: Doubles,
    alpha: float,
    rng: np.random.Generator,
    *,
    resamples: int = 10_000,
    groups: int = 2_000,
) -> Interval:
    """Bias-corrected accelerated bootstrap of ``sum(numerator) / sum(denominator)`` over users, both drawn together.

    Poisson(1) counts stand for draws with replacement (Chamandy et al. 2012), so resamples are
    a matrix product. Above `groups` users, users fall into that many groups at random and the
    groups are resampled: group sums have the same variance and third cumulant as their users,
    hence 10,000 resamples of 1e6 users cost 2e7 Poisson counts and no resample is ever held.
    The BCa ends (Efron 1987) take their acceleration from the influence terms of the users.

    Parameters
    ----------
    numerator, denominator : (C,) sums over each user's requests, such as of ``w r`` and of ``w``, or of ``r`` and of 1.
    """
    value = float(numerator.sum() / denominator.sum())
    influence = (numerator - value * denominator) / denominator.mean()
    sums = _group_sums(np.stack([numerator, denominator], axis=1), groups, rng)
    ratios = np.concatenate([_poisson_ratios(sums, count, rng) for count in _chunks(resamples, 500)])
    acceleration = moments(influence).skewness / (6 * np.sqrt(len(numerator)))
    below = np.clip((ratios < value).mean(), 1 / resamples, 1 - 1 / resamples)
    bias = ndtri(below)
    z = bias + ndtri(np.array([alpha / 2, 1 - alpha / 2]))
    ends = np.quantile(ratios, ndtr(bias + z / (1 - acceleration * z)))
    return Interval(float(ends[0]), float(ends[1]), BOOTSTRAP)


def _group_sums(rows: Doubles, groups: int, rng: np.random.Generator) -> Doubles:
    if len(rows) <= groups:
        return rows
    group = rng.integers(groups, size=len(rows), dtype=np.int32)
    return np.stack([np.bincount(group, column, groups) for column in rows.T], axis=1)


def _poisson_ratios(sums: Doubles, resamples: int, rng: np.random.Generator) -> Doubles:
    counts = _poisson_counts(resamples * len(sums), rng).reshape(resamples, len(sums))
    drawn = counts @ sums.astype(np.float32)
    return drawn[:, 0].astype(np.float64) / np.where(drawn[:, 1] == 0, np.nan, drawn[:, 1])


def _poisson_counts(size: int, rng: np.random.Generator) -> Floats:
    """Poisson(1) counts by looking 16 random bits up: ten times as fast as drawing, chances right to 2^-17."""
    tail = np.cumsum(np.exp(-1.0) / np.cumprod([1.0, *range(1, 9)]))
    table = np.searchsorted(tail, (np.arange(2**16) + 0.5) / 2**16).astype(np.float32)
    return table[np.frombuffer(rng.bytes(2 * size), np.uint16)]


def _chunks(total: int, size: int) -> list[int]:
    return [min(size, total - at) for at in range(0, total, size)]
