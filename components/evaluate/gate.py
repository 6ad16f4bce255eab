"""The gate: may the challenger replace the champion, and must the champion go?

Two tests on one paired interval. A routine update is asked not to be worse by more than
the margin (non-inferiority), because a small week could never prove every refresh better;
a changed model family or exploration setting is asked to be better (superiority).
`judge` reads one finished sample, `judge_so_far` a growing one at every look.
"""

import json
from dataclasses import dataclass
from typing import Literal

import numpy as np

from components.domain import Doubles, Verdict
from components.evaluate.confidence_sequence import Running, confidence_sequence
from components.evaluate.estimators import Paired, baseline
from components.evaluate.intervals import Interval

Kind = Literal["update", "change"]


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
    """What the gate knows of one challenger after any number of days: 14 numbers, whatever the traffic.

    Sums over requests of the vector (A, B, C): the paired difference A and weight gap B of
    `components.evaluate.estimators.paired`, and the champion's terms C. States of days,
    shards or machines add.

    Attributes
    ----------
    count : requests so far.
    total : (3,) sums. products : (3, 3) sums of products. fourth : sum of B^4.
    """

    count: int
    total: Doubles
    products: Doubles
    fourth: float

    @classmethod
    def of(cls, pair: Paired, champion: Doubles) -> "GateState":
        """State of one batch; `champion` (m,) terms of the champion's value."""
        rows = np.stack([pair.a, pair.b, champion])
        return cls(len(champion), rows.sum(axis=1), rows @ rows.T, float(np.square(pair.b * pair.b).sum()))

    @classmethod
    def empty(cls) -> "GateState":
        """Before the first request."""
        return cls(0, np.zeros(3), np.zeros((3, 3)), 0.0)

    def __add__(self, other: "GateState") -> "GateState":
        return GateState(
            self.count + other.count,
            self.total + other.total,
            self.products + other.products,
            self.fourth + other.fourth,
        )

    def to_json(self) -> str:
        """One JSON document, to be kept with the challenger until the next look."""
        figures = {"count": self.count, "total": self.total.tolist(), "products": self.products.tolist()}
        return json.dumps(figures | {"fourth": self.fourth})

    @classmethod
    def from_json(cls, text: str) -> "GateState":
        """The state that `to_json` wrote, to the last bit."""
        found = json.loads(text)
        return cls(found["count"], np.array(found["total"]), np.array(found["products"]), found["fourth"])

    def running(self, margin: float) -> Running:
        """Mean and spread of ``X = A + margin C - beta B`` with the beta of least variance.

        ``E[X] > 0`` says that the challenger's value exceeds ``1 - margin`` of the champion's;
        taking the margin inside pays for not knowing the champion's value exactly.
        """
        if self.count < 2:
            return Running(self.count)
        mean = self.total / self.count
        spread = self.products / self.count - np.outer(mean, mean)
        x = np.array([1.0, 0.0, margin])
        x[1] = -baseline(float(spread[1] @ x), self.products[1, 1] / self.count, self.fourth / self.count, self.count)
        return Running(self.count, float(mean @ x), self.count * max(float(x @ spread @ x), 0.0))


def judge_so_far(state: GateState, margin: float, alpha: float, kind: Kind, minimum: int = 200) -> Decision:
    """The verdict after the decisions so far; may be asked every day without inflating its error.

    Parameters
    ----------
    margin : share of the champion's value, used for updates.
    alpha : error over all looks together of the two-sided sequence; promotion uses one side.
    minimum : requests before the first look, for the sequence's normal limit to have begun.
    """
    if state.count < minimum:
        return Decision(Verdict.HOLD, (f"{state.count} requests so far; the first look is at {minimum}",))
    share = 0.0 if kind == "change" else margin
    bounds = confidence_sequence(state.running(share), alpha)
    test = "superiority" if kind == "change" else f"non-inferiority, margin {margin:.1%}"
    passed = bounds.lower > 0
    why = (
        f"{test}: after {state.count} requests the lower bound {bounds.lower:+.5f} is {'' if passed else 'not '}above 0"
    )
    worse = confidence_sequence(state.running(0.0), alpha)
    if worse.upper < 0:
        return Decision(Verdict.HOLD, (why, f"the challenger is worse: upper bound {worse.upper:+.5f} is below 0"))
    return Decision(Verdict.PROMOTE if passed else Verdict.HOLD, (why,))
