"""Do outcomes still follow what the champion predicts of them, at all?

The calibration slope is the coefficient b of a logistic regression ``reward ~ a + b logit`` of outcomes on predicted
logits (Cox 1958, "Two further applications of a model for binary regression", Biometrika 45): 1 where predictions are
borne out, 0 where outcomes have nothing to do with them, as after a broken join, -1 where they are turned round.
Neither the share rewarded nor the choice of what was shown moves it, as they move an AUC. Consistent; its error is
by user (Liang and Zeger 1986, Biometrika 73), whose outcomes are alike.
"""

import math
from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.domain import Doubles
from components.ranker.strides import stretches

STEPS = 25
"""Newton steps; a regression of two coefficients that has a solution needs a handful."""
STEP = 1e-12
"""A step of that size changes nothing that anybody reads."""
AT_ONCE = 1 << 20
"""Rows that are added up at a time: ten million have temporaries as large as the window otherwise."""
RIDGE = 1e-6
"""Keeps a step finite where predictions part the outcomes without a remainder."""
LIMIT = 20.0
"""Logits count within +-LIMIT: beyond, a probability no longer changes."""


@dataclass(frozen=True, slots=True)
class Slope:
    """Calibration slope with its by-user standard error; both nan where outcomes or logits are all alike."""

    value: float = math.nan
    error: float = math.nan

    def at_most(self, z: float) -> float:
        """What it is below, but for `z` standard errors."""
        return self.value + z * self.error


def calibration_slope(logit: Doubles, reward: Doubles, user: np.ndarray | None = None) -> Slope:
    """Slope over the rows of which both are known: logit (n,), reward (n,), user (n,) ids, None: all others'.

    >>> rng = np.random.default_rng(0)
    >>> logit = rng.normal(0, 1, 4000)
    >>> reward = (rng.random(4000) < 1 / (1 + np.exp(-logit))).astype(float)
    >>> turned = calibration_slope(logit, 1 - reward)
    >>> round(turned.value, 2), round(turned.error, 2)
    (-1.0, 0.04)
    """
    known = np.isfinite(logit) & np.isfinite(reward)
    x, y = np.clip(logit[known], -LIMIT, LIMIT), (reward[known] > 0).astype(np.float64)
    if len(y) < 2 or np.ptp(y) == 0 or np.ptp(x) == 0:
        return Slope()
    whose = np.arange(len(y)) if user is None else pd.factorize(user[known])[0]
    return _regression(x, y, whose)


def _regression(x: Doubles, y: Doubles, whose: np.ndarray) -> Slope:
    """Slope of `y` (n,) on `x` (n,) beside a constant, with the sandwich error over `whose` (n,) codes."""
    weights = np.zeros(2)
    for _ in range(STEPS):
        curvature, gradient = RIDGE * np.eye(2), np.zeros(2)
        for at in stretches(len(x), AT_ONCE):
            p = _chance(weights, x[at])
            w, rest = p * (1 - p), y[at] - p
            slant = w @ x[at]
            curvature += [[w.sum(), slant], [slant, (w * x[at]) @ x[at]]]
            gradient += [rest.sum(), rest @ x[at]]
        step = np.linalg.solve(curvature, gradient)
        at_last, weights = weights, weights + step
        if np.abs(step).max() < STEP:
            break
    each = np.zeros((int(whose.max()) + 1, 2))
    for at in stretches(len(x), AT_ONCE):
        rest = y[at] - _chance(at_last, x[at])
        for column, values in enumerate((rest, rest * x[at])):
            each[:, column] += np.bincount(whose[at], values, minlength=len(each))
    bread = np.linalg.inv(curvature)
    spread = bread @ (each.T @ each) @ bread * (len(each) / max(len(each) - 1, 1))
    return Slope(float(weights[1]), math.sqrt(max(float(spread[1, 1]), 0.0)))


def _chance(weights: Doubles, x: Doubles) -> Doubles:
    return np.asarray(1 / (1 + np.exp(-np.clip(weights[0] + weights[1] * x, -30, 30))))
