"""Intervals that no estimate carries, for comparison: normal, empirical Bernstein, logarithmic smoothing."""

import numpy as np
from scipy.special import ndtri

from components.domain import Doubles
from components.evaluate.intervals import Interval, moments


def normal_interval(each: Doubles, alpha: float) -> Interval:
    """``mean +- z_{1 - alpha/2} sd / sqrt(m)``; right for many terms of little skewness."""
    m = moments(each)
    z = float(ndtri(1 - alpha / 2))
    return Interval(m.mean - z * m.error, m.mean + z * m.error, "normal")


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


def log_smoothing_bound(weight: Doubles, reward: Doubles, delta: float, smoothing: float | None = None) -> float:
    """Lower bound of a policy's value that holds with probability ``1 - delta`` at every sample size.

    With ``c_i = -w_i r_i`` as cost and smoothing lambda: ``V >= E_n[log(1 + lambda w r)] / lambda
    - log(1/delta) / (lambda n)`` (Sakhi et al. 2024, "Logarithmic smoothing for pessimistic
    off-policy evaluation, selection and learning", corollary 4). It follows from Markov's inequality
    on ``prod (1 + lambda w r) / (1 + lambda V)`` and ``log(1 + lambda V) <= lambda V``.

    Parameters
    ----------
    weight, reward : (n,) importance weights and rewards from 0.
    smoothing : lambda > 0, fixed before the data; default ``sqrt(2 log(1/delta) / n)``, right for
        weighted rewards of about unit second moment.

    Notes
    -----
    Bias towards 0 of order lambda E[w^2 r^2] / 2; the variance stays finite for any weights.

    >>> log_smoothing_bound(np.ones(10_000), np.ones(10_000), 0.05) < 1
    True
    """
    if (reward < 0).any():
        raise ValueError(f"reward {reward.min()} in row {int(reward.argmin())}; allowed are rewards from 0")
    n, level = len(weight), float(np.log(1 / delta))
    lam = float(np.sqrt(2 * level / n)) if smoothing is None else smoothing
    return float(np.log1p(lam * weight * reward).mean() / lam - level / (lam * n))
