"""Intervals for the mean of an estimator's terms.

Values carry `skew_interval`: importance-weighted terms of rare rewards are skewed, and a
symmetric interval then misses on one side. The gate reads `signed_interval` of the
difference. `bootstrap_interval` is the second opinion without a formula,
`bernstein_interval` the one that holds at every sample size, for a price in width.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtr, ndtri, stdtrit

from components.domain import Doubles, Floats


@dataclass(frozen=True)
class Interval:
    """``[lower, upper]`` for a mean, with the kind that made it."""

    lower: float
    upper: float
    kind: str


@dataclass(frozen=True)
class Moments:
    """Mean, standard error and skewness of m terms, in one pass."""

    mean: float
    error: float
    skewness: float
    count: int


def moments(each: Doubles) -> Moments:
    """Moments of the terms; `error` inf for fewer than two.

    >>> moments(np.array([1.0, 2.0, 3.0])).mean
    2.0
    """
    m, mean = len(each), float(each.mean())
    if m < 2:
        return Moments(mean, float("inf"), 0.0, m)
    centred = each - mean
    squares = centred * centred
    variance = float(squares.mean())
    if variance <= (1e-12 * max(abs(mean), 1e-300)) ** 2:
        return Moments(mean, 0.0, 0.0, m)
    third = float(squares @ centred) / m
    return Moments(mean, float(np.sqrt(variance / (m - 1))), third / variance**1.5, m)


def standard_error(each: Doubles) -> float:
    """``sd / sqrt(m)`` with the unbiased variance; inf for fewer than two terms."""
    return moments(each).error


def normal_interval(each: Doubles, alpha: float) -> Interval:
    """``mean +- z_{1 - alpha/2} sd / sqrt(m)``; right for many terms of little skewness."""
    m = moments(each)
    z = float(ndtri(1 - alpha / 2))
    return Interval(m.mean - z * m.error, m.mean + z * m.error, "normal")


def skew_interval(each: Doubles, alpha: float) -> Interval:
    """Student interval with the skewness removed by Hall's monotone cubic (Hall 1992, JRSS B 54).

    ``g(T) = T + a T^2 / 3 + a^2 T^3 / 27 + a / 6`` with ``a = skewness / sqrt(m)`` is closer
    to normal than the studentised mean T by one order of sqrt(m); its inverse at the t
    quantiles gives the ends. Without skewness this is Student's interval.

    In the coverage study it covers 94-96 % where 15 effective rewards suffice, where the
    normal interval covers 88-94 %.
    """
    m = moments(each)
    if m.error == 0 or not np.isfinite(m.error):
        return Interval(m.mean - m.error, m.mean + m.error, "skew-corrected")
    quantile = float(stdtrit(m.count - 1, 1 - alpha / 2))
    a = m.skewness / m.count**0.5
    ends = [m.mean - m.error * _hall_inverse(y, a) for y in (quantile, -quantile)]
    return Interval(ends[0], ends[1], "skew-corrected")


def signed_interval(each: Doubles, alpha: float, least: float = 0.0) -> Interval:
    """Hull of the skew-corrected interval and Student's, for differences; its error is `least` or more.

    Terms of a difference have heavy tails on both sides. Their sample skewness is then mostly
    noise, and noise of the wrong sign: the outlier that lifts the mean also lifts the
    lower end. Coverage at 1,000 requests, rates .02 to .9: Student 93.5-95 %, skew-corrected
    92-94 %, hull 94.2-95.4 %.
    """
    m, corrected = moments(each), skew_interval(each, alpha)
    error = max(m.error, least)
    if error == 0 or not np.isfinite(error):
        return Interval(corrected.lower, corrected.upper, "skew-corrected and Student")
    half = float(stdtrit(m.count - 1, 1 - alpha / 2)) * error
    lower, upper = min(corrected.lower, m.mean - half), max(corrected.upper, m.mean + half)
    return Interval(lower, upper, "skew-corrected and Student")


def _hall_inverse(y: float, a: float) -> float:
    """x with ``g(x) = y``."""
    if abs(a) < 1e-6:
        return y
    return 3 / a * (float(np.cbrt(1 + a * (y - a / 6))) - 1)


def bernstein_interval(each: Doubles, alpha: float, spread: float) -> Interval:
    """Empirical Bernstein with a *known* range of the terms (Maurer and Pontil 2009, theorem 4).

    ``mean +- (sd sqrt(2 L / m) + 7 spread L / (3 (m - 1)))``, ``L = log(4 / alpha)``. Covers at
    least ``1 - alpha`` at every m, whatever the distribution, so usually far more.

    Parameters
    ----------
    spread : largest minus smallest value a term can take, known beforehand: for IPS the largest
        possible weight times the reward range. The largest seen is not known beforehand.
    """
    m = moments(each)
    seen = float(each.max() - each.min())
    if seen > spread * (1 + 1e-9):
        raise ValueError(f"terms spread over {seen:.6g}; the range known beforehand was said to be {spread:.6g}")
    log = float(np.log(4 / alpha))
    half = m.error * np.sqrt(2 * log) + 7 * spread * log / (3 * (m.count - 1))
    return Interval(m.mean - half, m.mean + half, "empirical Bernstein")


def bootstrap_interval(
    numerator: Doubles,
    denominator: Doubles,
    alpha: float,
    rng: np.random.Generator,
    *,
    resamples: int = 10_000,
    groups: int = 2_000,
) -> Interval:
    """Bias-corrected accelerated bootstrap of ``sum(numerator) / sum(denominator)``, both resampled together.

    Poisson(1) counts stand for draws with replacement (Chamandy et al. 2012), so resamples are
    a matrix product. Above `groups` rows, rows fall into that many groups at random and the
    groups are resampled: group sums have the same variance and third cumulant as their rows,
    hence 10,000 resamples of 1e6 rows cost 2e7 Poisson counts and no resample is ever held.
    The BCa ends (Efron 1987) take their acceleration from the influence terms of the rows.

    Parameters
    ----------
    numerator, denominator : (m,), such as ``w r`` and ``w``, or ``r`` and ones.
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
    return Interval(float(ends[0]), float(ends[1]), "ratio bootstrap")


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
