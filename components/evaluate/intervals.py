"""Intervals for the mean of an estimator's terms.

Normal, on influence terms, with Hall's correction of skewness: importance-weighted terms
of rare rewards are skewed, and a symmetric interval then misses on one side.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import ndtri

from components.domain import Doubles


@dataclass(frozen=True)
class Interval:
    """``[lower, upper]`` for a mean, with the kind that made it."""

    lower: float
    upper: float
    kind: str


def normal_interval(each: Doubles, alpha: float) -> Interval:
    """``mean +- z_{1 - alpha/2} sd / sqrt(m)``; right for many terms of little skewness."""
    mean, error = float(each.mean()), standard_error(each)
    z = float(ndtri(1 - alpha / 2))
    return Interval(mean - z * error, mean + z * error, "normal")


def standard_error(each: Doubles) -> float:
    """``sd / sqrt(m)`` with the unbiased variance; inf for fewer than two terms."""
    return float(each.std(ddof=1) / np.sqrt(len(each))) if len(each) > 1 else float("inf")
