"""Concept drift: does the champion still keep what its own predictions imply?

A prediction p promises an expected log loss of H(p) = -(p ln p + (1-p) ln(1-p)). On n rows
the mean loss L and the expected loss H differ, for a calibrated model, by a sum of independent terms
of mean 0 and variance p (1-p) ln^2(p / (1-p)); so z = (L - H) / sd is standard normal (the
log-loss twin of Spiegelhalter 1986, Statistics in Medicine 5, for the Brier score). Not biased
for a calibrated model; its spread falls as 1 / sqrt(n). A shift of the fields alone moves H
with L and leaves z at rest: this is what tells concept drift from field drift.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from components.auc import auc
from components.domain import Doubles, Ints

CLIP = 1e-6
"""Scores are read as at least this far from 0 and 1, so that one certain miss is dear but not infinite."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The champion's predictions against n outcomes; every figure is nan where n is too small for it.

    Attributes
    ----------
    log_loss, expected : L and H, in nats per row; z : their standardised difference.
    constant : log loss of always predicting this window's own rate of reward.
    calibration_error, expected_calibration_error : mean absolute gap between mean score and mean
        reward over ten bins of equally many rows, and what a calibrated model would show at this n.
    bias : mean reward - mean score.
    auc : probability that a rewarded row has a higher score than one that is not.
    """

    rows: int
    log_loss: float
    expected: float
    z: float
    constant: float
    calibration_error: float
    expected_calibration_error: float
    bias: float
    auc: float

    @property
    def excess(self) -> float:
        """(L - H) / H: by how much the loss exceeds the expected loss."""
        return (self.log_loss - self.expected) / self.expected

    @property
    def skill_lost(self) -> float:
        """L / constant - 1: above 0, one number for everybody would have done better."""
        return self.log_loss / self.constant - 1 if self.constant > 0 else float("nan")


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of similar score: how many, their mean score and their mean reward."""

    rows: int
    score: float
    reward: float


def calibration_of(score: Doubles, reward: Doubles, bins: Sequence[Bin] | None = None) -> Calibration:
    """Figures over the rows whose score and reward are both known; all nan if there is none.

    `bins` are theirs (`reliability`), if they are at hand.

    >>> calibration = calibration_of(np.array([0.5, 0.5, 0.5, 0.5]), np.array([1.0, 0.0, 1.0, 0.0]))
    >>> round(calibration.log_loss, 4), round(calibration.expected, 4), calibration.auc
    (0.6931, 0.6931, 0.5)
    """
    known = np.isfinite(score) & np.isfinite(reward)
    p, y = np.clip(score[known], CLIP, 1 - CLIP), reward[known]
    if not len(y):
        return Calibration(0, *(float("nan"),) * 8)
    log_loss = float(-(y * np.log(p) + (1 - y) * np.log1p(-p)).mean())
    expected = float(-(p * np.log(p) + (1 - p) * np.log1p(-p)).mean())
    sd = float(np.sqrt((p * (1 - p) * np.log(p / (1 - p)) ** 2).sum())) / len(y)
    bins = reliability(score, reward) if bins is None else bins
    weights = np.array([b.rows for b in bins]) / len(y)
    gaps = np.array([abs(b.reward - b.score) for b in bins])
    return Calibration(
        rows=len(y),
        log_loss=log_loss,
        expected=expected,
        z=(log_loss - expected) / sd if sd > 0 else float("nan"),
        constant=_entropy(float(y.mean())),
        calibration_error=float(weights @ gaps),
        expected_calibration_error=float(weights @ [_expected_gap(b) for b in bins]),
        bias=float(y.mean() - p.mean()),
        auc=auc(y, p),
    )


def reliability(score: Doubles, reward: Doubles, bins: int = 10) -> tuple[Bin, ...]:
    """Bins of equally many rows, by score, over the rows whose score and reward are known."""
    known = np.isfinite(score) & np.isfinite(reward)
    order: Ints = np.argsort(score[known], kind="stable")
    parts = [part for part in np.array_split(order, bins) if len(part)]
    p, y = score[known], reward[known]
    return tuple(Bin(len(part), float(p[part].mean()), float(y[part].mean())) for part in parts)


def _expected_gap(b: Bin) -> float:
    """E |mean of b.rows Bernoulli(score) - score|, by the normal limit sqrt(2 var / pi)."""
    return float(np.sqrt(2 / np.pi * max(b.score * (1 - b.score), 0) / b.rows))


def _entropy(p: float) -> float:
    return 0.0 if p in (0.0, 1.0) else float(-(p * np.log(p) + (1 - p) * np.log1p(-p)))
