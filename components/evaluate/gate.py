"""The gate: may the challenger replace the champion, and must the champion go?

Two tests on one paired interval. A routine update is asked not to be worse by more than
the margin (non-inferiority), because a small week could never prove every refresh better;
a changed model family or exploration setting is asked to be better (superiority).
"""

from dataclasses import dataclass
from typing import Literal

from components.domain import Verdict
from components.evaluate.intervals import Interval

Kind = Literal["update", "change"]


@dataclass(frozen=True)
class Decision:
    """A verdict and its reasons, one sentence each."""

    verdict: Verdict
    reasons: tuple[str, ...]


def judge(difference: Interval, margin: float, kind: Kind) -> Decision:
    """The verdict on a paired difference; `margin` in rewards per request."""
    floor = 0.0 if kind == "change" else -margin
    test = "superiority" if kind == "change" else "non-inferiority"
    bound = f"lower bound of the paired difference {difference.lower:+.4f}"
    if difference.lower > floor:
        return Decision(Verdict.PROMOTE, (f"{test}: {bound} is above {floor:+.4f}",))
    why = [f"{test}: {bound} is not above {floor:+.4f}"]
    if difference.upper < 0:
        why.append(f"the challenger is worse: upper bound {difference.upper:+.4f} is below 0")
    return Decision(Verdict.HOLD, tuple(why))


def must_roll_back(champion: float, parent: Interval, paired: Interval) -> bool:
    """Whether the live champion has fallen behind its parent.

    Its own on-policy value lies below the parent's off-policy lower bound, and the paired
    difference champion - parent on the same requests is below 0 with its whole interval,
    so that the noise both share cannot depose anyone.
    """
    return champion < parent.lower and paired.upper < 0
