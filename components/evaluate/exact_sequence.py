"""A sequence that is exact at every number of users: the capital of somebody who bets on the challenger.

The asymptotic sequence needs means near normal. Rare huge weights break that for long: a sample that has
not met one yet looks both good and certain. Here no normal limit is used. Gains are bounded below, so a bet on them
never loses more than the capital, and while no challenger is good enough nobody multiplies their capital by
``1 / error`` with a higher probability than `error` (Ville 1939; Waudby-Smith and Ramdas 2024, "Estimating means of
bounded random variables by betting", section 4; for logged bandits Karampatziakis, Mineiro and Ramdas 2021,
"Off-policy confidence sequences", and Waudby-Smith et al. 2024, "Anytime-valid off-policy inference"). No upper bound
is needed, hence none on the importance weights.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import logsumexp

from components.domain import Doubles

GRID = 0.95 * 2.0 ** -np.arange(12)
"""Bets, as shares of the largest that a loss cannot ruin. A mixture of twelve pays log(12) of evidence for not
knowing the best, which is within a factor 1.42 of one of them for gains down to 1/2,000 of the bound."""


@dataclass(frozen=True)
class Bounded:
    """Gains of a day over the gate's floor, one per user, in rewards.

    Attributes
    ----------
    each : (C,) sums over the requests of each user. `least` > 0: no sum can lie below ``-least``, whatever is shown and
        earned; known before either. Infinite where no largest reward is known: then nothing can be bet.
    """

    each: Doubles
    least: float


@dataclass(frozen=True)
class Capital:
    """What one unit of capital has become, spread evenly over bets of fixed size.

    The bet on a day is the same for all of its users and chosen without their rewards. Given who asked, users are
    independent, so the expected factor of a day is ``prod (1 + l mu_u) <= exp(l sum mu_u) <= 1`` wherever the
    gains mu_u of its users do not add up to more than 0. A bet per user scaled by that user's own bound would break
    this: it would weigh users by their bound.

    Attributes
    ----------
    scale : bound of the first day, which sizes the bets; 0 before it.
    logs : (12,) log-capital of each bet of `GRID`.
    users, squares : number of gains so far, and the sum of their squares.
    """

    scale: float = 0.0
    logs: tuple[float, ...] = (0.0,) * len(GRID)
    users: int = 0
    squares: float = 0.0

    def after(self, day: Bounded) -> "Capital":
        """The capital after a day; where its bound is wider than the first day's, bets shrink with it.

        >>> round(Capital().after(Bounded(np.full(50, 0.1), least=1.0)).log_wealth, 2)
        2.28
        """
        if np.isinf(day.least):
            return self
        scale = self.scale or day.least
        bets = np.minimum(GRID / scale, GRID[0] / day.least)
        logs = np.array(self.logs) + [float(np.log1p(bet * day.each).sum()) for bet in bets]
        squares = self.squares + float(day.each @ day.each)
        return Capital(scale, tuple(logs.tolist()), self.users + len(day.each), squares)

    @property
    def log_wealth(self) -> float:
        """Logarithm of the capital."""
        return float(logsumexp(self.logs)) - float(np.log(len(GRID)))

    def shows(self, error: float) -> bool:
        """Whether the capital has grown to ``1 / error``: some challenger was good enough, unless this errs."""
        return self.log_wealth >= -float(np.log(error))

    def detectable(self, error: float, power: float) -> float:
        """Mean gain per user that would have shown, nearly: the best bet l grows by ``l mean - l^2 E[gain^2] / 2``.

        `power` in standard normal quantiles.
        """
        if not self.users:
            return float("inf")
        needed = np.sqrt(2 * (np.log(len(GRID)) - np.log(error))) + power
        return float(needed * np.sqrt(self.squares) / self.users)

    def to_figures(self) -> dict[str, Any]:
        """What `from_figures` reads."""
        return {"scale": self.scale, "logs": list(self.logs), "users": self.users, "squares": self.squares}

    @classmethod
    def from_figures(cls, scale: float, logs: Sequence[float], users: int, squares: float) -> "Capital":
        """The capital that `to_figures` wrote, to the last bit."""
        return cls(scale, tuple(logs), users, squares)
