"""One figure of two candidates, turn by turn on the same interactions: how far apart, and how sure that is.

What makes a turn hard or easy for both is in both figures, and cancels in their difference.
"""

from collections.abc import Sequence

import numpy as np
from scipy.special import stdtrit

from components.evaluate.intervals import standard_error
from components.frozen import Frozen

LEAST_TURNS = 3
"""Two differences that happen to be alike would show anything: with one degree of freedom that is all it takes."""


class PairedTurns(Frozen):
    """Mean difference over `turns` turns; without ends where there are fewer than `LEAST_TURNS`."""

    mean: float
    lower: float | None
    upper: float | None
    turns: int

    @property
    def shown(self) -> bool:
        """Whether the interval excludes 0."""
        return self.lower is not None and self.upper is not None and not self.lower <= 0 <= self.upper


def paired_turns(ours: Sequence[float | None], base: Sequence[float | None], alpha: float) -> PairedTurns | None:
    """Student's interval for the mean of ``ours - base``; None where no turn has both.

    ``mean +- t(1 - alpha / 2, n - 1) sd / sqrt(n)`` (Student 1908, Biometrika 6), n the turns that have both figures.
    It takes turns for independent and their differences for alike. Neither is quite so: turns follow each other, and
    all of them descend from one first generation, whose seed another run would draw again. With n of 3 or 4 the
    interval is wide (t is 4.3 and 3.2), and a difference that it does not show may be there. The mean is unbiased for
    the turns that were played, with this seed; nothing is said of other logs.

    Examples
    --------
    >>> paired_turns([0.7, 0.8, None], [0.6, 0.7, 0.5], 0.05).turns
    2
    >>> round(paired_turns([1.0, 2.0, 3.0], [0.0, 0.0, 0.0], 0.05).lower, 4)  # 2 - 4.3027 / sqrt(3)
    -0.4841
    """
    each = np.array([a - b for a, b in zip(ours, base, strict=True) if a is not None and b is not None])
    if not len(each):
        return None
    mean = float(each.mean())
    if len(each) < LEAST_TURNS:
        return PairedTurns(mean=mean, lower=None, upper=None, turns=len(each))
    half = float(stdtrit(len(each) - 1, 1 - alpha / 2)) * standard_error(each)
    return PairedTurns(mean=mean, lower=mean - half, upper=mean + half, turns=len(each))
