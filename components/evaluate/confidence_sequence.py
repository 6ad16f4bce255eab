"""An interval that may be read every day: a confidence sequence for a running mean.

A fixed-n interval read at 30 daily looks errs far more often than 5 %. The sequence
holds at all times at once, so an operator may look, wait and look again. Its state is
three numbers; a decision updates it in O(1), and states of two days or machines merge.
"""

from dataclasses import dataclass

import numpy as np

from components.domain import Doubles
from components.evaluate.intervals import Interval

TUNED_FOR = 10_000
"""Terms at which the sequence is tightest. At 20,000 it is then 1.56 times as wide as the fixed-n interval,
at 1,000 it is 2.1 times, at 100,000 it is 1.66 times."""


@dataclass(frozen=True)
class Running:
    """Count, mean and sum of squared deviations of the terms so far (Chan, Golub, LeVeque 1979).

    >>> a, b = Running.of(np.array([1.0, 2.0])), Running.of(np.array([6.0]))
    >>> a.merge(b)
    Running(count=3, mean=3.0, squares=14.0)
    """

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0

    @classmethod
    def of(cls, each: Doubles) -> "Running":
        """State of a batch of terms."""
        mean = float(each.mean()) if len(each) else 0.0
        return cls(len(each), mean, float(((each - mean) ** 2).sum()))

    def merge(self, other: "Running") -> "Running":
        """State of both batches together, in either order."""
        count = self.count + other.count
        if count == 0:
            return self
        gap = other.mean - self.mean
        mean = self.mean + gap * other.count / count
        squares = self.squares + other.squares + gap * gap * self.count * other.count / count
        return Running(count, mean, squares)

    @property
    def variance(self) -> float:
        """Mean squared deviation."""
        return self.squares / self.count if self.count else float("inf")


def confidence_sequence(state: Running, alpha: float, tuned_for: int = TUNED_FOR) -> Interval:
    """Asymptotic confidence sequence whose ends are one-sided bounds, each with error ``alpha / 2`` over all times.

    ``mean_t -+ sd_t boundary(t)``. Holds for the running mean of conditional means, so drift is no breach.
    Asymptotic (Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas 2024, "Time-uniform central limit theory and
    asymptotic confidence sequences", section 2): begin to read it once the diagnostics accept the sample, not at the
    second term. `components.evaluate.exact_sequence` is the one that holds from the first.
    """
    if state.count < 2:
        return Interval(-float("inf"), float("inf"), "confidence sequence")
    radius = float(np.sqrt(state.variance) * boundary(np.array(float(state.count)), alpha / 2, tuned_for))
    return Interval(state.mean - radius, state.mean + radius, "confidence sequence")


def boundary(count: Doubles, error: float, tuned_for: int = TUNED_FOR) -> Doubles:
    """Distance of a one-sided bound from the mean, in standard deviations of a term, at each count t of terms.

    ``sqrt(2 (t rho^2 + 1) / (t^2 rho^2) log((1 + sqrt(t rho^2 + 1) / error) / 2))``: mixing ``exp(l S_t - l^2 t / 2)``
    over bets l > 0 with half-normal weight of scale rho gives ``2 exp(z^2 / 2) Phi(z) / sqrt(t rho^2 + 1)`` with
    ``z = S_t rho / sqrt(t rho^2 + 1)`` (Robbins 1970, "Statistical methods related to the law of the iterated
    logarithm", section 4), a supermartingale where no term has a positive mean, hence above ``1 / error`` with at most
    that probability (Ville); ``Phi(z) >= 1 - exp(-z^2 / 2) / 2`` solves it for z. rho makes it tightest at `tuned_for`.
    For the same error it is narrower than an end of the two-sided sequence, which pays for the other end, too.
    """
    double_log = -2 * np.log(2 * error)
    rho2 = (double_log + np.log(double_log + 1)) / tuned_for
    grown = count * rho2 + 1
    return np.sqrt(2 * grown / (count * count * rho2) * np.log((1 + np.sqrt(grown) / error) / 2))
