"""Amounts: rewards that are more than yes or no, such as money, seconds watched, or stars.

An outcome is then two things: whether it earned anything (`reward`, 0 or 1, from which ranker and memory learn a
probability), and how much (`grade`, the amount itself). The amount a decision earned is their product, and 0 without
an outcome.
"""

import numpy as np

from components.domain import Doubles, Floats
from components.frozen import Frozen


class AmountScale(Frozen):
    """How a column's numbers become amounts, told in `unit`.

    Attributes
    ----------
    low, high : lowest and highest value; amounts count from `low`, so that the least outcome and none are worth the
        same. `high` None: no upper limit is known.
    """

    unit: str
    low: float = 0.0
    high: float | None = None

    @property
    def most(self) -> float:
        """The largest amount one position can earn, in `unit`; infinite where no upper limit is known."""
        return float("inf") if self.high is None else self.high - self.low

    @property
    def allowed(self) -> str:
        """What a value may be.

        >>> AmountScale(unit="EUR", high=500).allowed, AmountScale(unit="s").allowed
        ('an amount from 0 to 500 EUR', 'an amount of 0 s or more')
        """
        if self.high is None:
            return f"an amount of {self.low:g} {self.unit} or more"
        return f"an amount from {self.low:g} to {self.high:g} {self.unit}"

    def holds(self, value: float) -> bool:
        """Whether a value lies within the stated range.

        >>> AmountScale(unit="EUR", high=500).holds(-1), AmountScale(unit="EUR").holds(1e6)
        (False, True)
        """
        return self.low <= value <= (float("inf") if self.high is None else self.high)

    def amounts(self, reward: Floats | Doubles, grade: Floats | Doubles) -> Doubles:
        """(n,) what n matured rows earned, in `unit`: the grade where there was a reward, else 0.

        Grades are kept to seven digits, so one at the end of the range is held within it.
        """
        earned = np.where(reward > 0, np.nan_to_num(np.asarray(grade, np.float64)), 0.0)
        return np.clip(earned, 0.0, self.most)
