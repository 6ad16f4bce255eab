"""The gate: may the challenger replace the champion, and must the champion go?

Two tests on one paired interval. A routine update is asked not to be worse by more than
the margin (non-inferiority), because a small week could never prove every refresh better;
a changed model family or exploration setting is asked to be better (superiority).
`judge` reads one finished sample, `judge_so_far` and `judge_by_capital` a growing one at every look.
"""

import json
from dataclasses import dataclass, field, replace
from typing import Literal

import numpy as np

from components.domain import Doubles, Verdict
from components.evaluate.by_user import per_user
from components.evaluate.confidence_sequence import TUNED_FOR, Running, confidence_sequence
from components.evaluate.difference import Paired, baseline, left_over
from components.evaluate.exact_sequence import Capital
from components.evaluate.intervals import Interval

Kind = Literal["update", "change"]

FIRST_LOOK = 200
"""Users before a sequence is read: it is asymptotic, and covers as stated from here on in the coverage study."""


@dataclass(frozen=True)
class Decision:
    """A verdict and its reasons, one sentence each."""

    verdict: Verdict
    reasons: tuple[str, ...]


def judge(difference: Interval, margin: float, kind: Kind) -> Decision:
    """The verdict on a paired difference; `margin` in rewards per request.

    Harm that is certain is held even where it stays within the margin: the margin excuses
    what a small sample cannot exclude, not what it shows.
    """
    floor = 0.0 if kind == "change" else -margin
    test = "superiority" if kind == "change" else "non-inferiority"
    bound = f"lower bound of the paired difference {difference.lower:+.4f}"
    passed = difference.lower > floor
    why = f"{test}: {bound} is {'above' if passed else 'not above'} {floor:+.4f}"
    if difference.upper < 0:
        harm = f"the challenger is worse: upper bound {difference.upper:+.4f} is below 0"
        return Decision(Verdict.HOLD, (why, harm))
    return Decision(Verdict.PROMOTE if passed else Verdict.HOLD, (why,))


def must_roll_back(champion: float, parent: Interval, paired: Interval) -> bool:
    """Whether the live champion has fallen behind its parent.

    Its own on-policy value lies below the parent's off-policy lower bound, and the paired
    difference champion - parent on the same requests is below 0 with its whole interval,
    so that the noise both share cannot depose anyone.
    """
    return champion < parent.lower and paired.upper < 0


@dataclass(frozen=True)
class GateState:
    """What the gate knows of one challenger after any number of days: 19 numbers, whatever the traffic.

    Sums over users of a day of the vector (A, B, C), itself summed over the user's requests of that day: the
    paired difference A and weight gap B of `components.evaluate.difference.paired`, and the champion's terms C.
    States of days, shards or machines add, as long as a user's requests of a day lie in one of them.

    Attributes
    ----------
    count : increments so far, one per user and day. requests : so far.
    total : (3,) sums. products : (3, 3) sums of products. fourth : sum of B^4.
    spread : sum of ``E[B^2 | x]``, what B was bound to spread; 0 where it is not known.
    residual : (3,) as in `Paired`.
    """

    count: int
    requests: int
    total: Doubles
    products: Doubles
    fourth: float
    spread: float = 0.0
    residual: Doubles = field(default_factory=lambda: np.zeros(3))

    @classmethod
    def of(cls, pair: Paired, champion: Doubles) -> "GateState":
        """State of one batch; `champion` (m,) terms of the champion's value."""
        rows = np.stack([per_user(each, pair.cluster) for each in (pair.a, pair.b, champion)])
        fourth = float(np.square(rows[1] * rows[1]).sum())
        state = cls(rows.shape[1], len(champion), rows.sum(axis=1), rows @ rows.T, fourth)
        if pair.spread is None or pair.residual is None:
            return state
        return replace(state, spread=float(pair.spread.sum()), residual=pair.residual)

    @classmethod
    def empty(cls) -> "GateState":
        """Before the first request."""
        return cls(0, 0, np.zeros(3), np.zeros((3, 3)), 0.0)

    def __add__(self, other: "GateState") -> "GateState":
        return GateState(
            self.count + other.count,
            self.requests + other.requests,
            self.total + other.total,
            self.products + other.products,
            self.fourth + other.fourth,
            self.spread + other.spread,
            self.residual + other.residual,
        )

    def to_json(self) -> str:
        """One JSON document, to be kept with the challenger until the next look."""
        counts = {"count": self.count, "requests": self.requests}
        figures = counts | {"total": self.total.tolist(), "products": self.products.tolist()}
        more = {"fourth": self.fourth, "spread": self.spread, "residual": self.residual.tolist()}
        return json.dumps(figures | more)

    @classmethod
    def from_json(cls, text: str) -> "GateState":
        """The state that `to_json` wrote, to the last bit."""
        found = json.loads(text)
        arrays = {name: np.array(found[name]) for name in ("total", "products", "residual")}
        return cls(**found | arrays)

    def running(self, margin: float) -> Running:
        """Mean and spread of ``X = A + margin C - beta B`` with the beta of least variance, in rewards per request.

        Each of the `count` increments is a user's sum of a day over the mean number of requests in one.

        ``E[X] > 0`` says that the challenger's value exceeds ``1 - margin`` of the champion's;
        taking the margin inside pays for not knowing the champion's value exactly. The spread is that
        of the sample, or what the weights were bound to give if that is more (`Paired.expected_error`).
        """
        if self.count < 2:
            return Running(self.count)
        mean = self.total / self.count
        spread = self.products / self.count - np.outer(mean, mean)
        x = np.array([1.0, 0.0, margin])
        beta = baseline(float(spread[1] @ x), self.products[1, 1] / self.count, self.fourth / self.count, self.count)
        x[1] = -beta
        variance = max(float(x @ spread @ x), self._expected_variance(beta), 0.0)
        size = self.requests / self.count
        return Running(self.count, float(mean @ x) / size, self.count * variance / size**2)

    def _expected_variance(self, beta: float) -> float:
        """What the weights were bound to give."""
        return self.spread / self.count * left_over(self.residual, beta)


def judge_so_far(
    state: GateState,
    margin: float,
    error: float,
    kind: Kind,
    minimum: int = FIRST_LOOK,
    tuned_for: int = TUNED_FOR,
) -> Decision:
    """The verdict after the decisions so far; may be asked every day without inflating its error.

    Parameters
    ----------
    margin : share of the champion's value, used for updates.
    error : one-sided, over all looks together: promotion reads a lower bound, `worse` an upper one, and only the
        first of them can release a bad challenger.
    minimum : users before the first look, for the sequence's normal limit to have begun.
    tuned_for : users at which the sequence is tightest, fixed before the first reward is read.
    """
    if state.count < minimum:
        return Decision(Verdict.HOLD, (f"{state.count} users so far; the first look is at {minimum}",))
    share = 0.0 if kind == "change" else margin
    bounds = confidence_sequence(state.running(share), 2 * error, tuned_for)
    passed = bounds.lower > 0
    reads = f"after {state.count} users the lower bound {bounds.lower:+.5f} is {'' if passed else 'not '}above 0"
    return _unless_worse(
        passed, f"{_asked(kind, margin)}: {reads}", confidence_sequence(state.running(0.0), 2 * error, tuned_for)
    )


def judge_by_capital(capital: Capital, difference: Interval, margin: float, error: float, kind: Kind) -> Decision:
    """The verdict of the exact sequence, at any number of users and looks; `difference` tells what is surely worse."""
    passed = capital.shows(error)
    grown = f"capital {np.exp(min(capital.log_wealth, 99.0)):.3g} has {'' if passed else 'not '}reached"
    why = f"{_asked(kind, margin)}: after {capital.users} users the {grown} {1 / error:,.0f}"
    return _unless_worse(passed, why, difference)


def _asked(kind: Kind, margin: float) -> str:
    return "superiority" if kind == "change" else f"non-inferiority, margin {margin:.1%}"


def _unless_worse(passed: bool, why: str, difference: Interval) -> Decision:
    if difference.upper < 0:
        harm = f"the challenger is worse: upper bound {difference.upper:+.5f} is below 0"
        return Decision(Verdict.HOLD, (why, harm))
    return Decision(Verdict.PROMOTE if passed else Verdict.HOLD, (why,))
