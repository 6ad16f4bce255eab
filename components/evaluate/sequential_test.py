"""The gate across days: challengers on hold against one champion are one sequential test.

Every day on hold brings another challenger and another handful of held-out requests. Reading a
fresh fixed-size interval each day would promote somebody sooner or later; forgetting yesterday's
requests would never let a small shop show anything. A sequential test keeps the sums of all its days. Each
challenger is fixed before its held-out decisions are read, so the sequence of challengers is
predictable, and the confidence sequence holds for the mean of their gains at all days at once:
if none of them is good enough, the whole test promotes with at most the stated error
(docs/decisions/0007-the-gate-across-days.md).
"""

import json
from dataclasses import dataclass, field, replace
from typing import get_args

from scipy.special import ndtri

from components.domain import Doubles, Verdict
from components.evaluate.confidence_sequence import confidence_sequence
from components.evaluate.difference import Paired
from components.evaluate.gate import Decision, GateState, Kind, judge, judge_so_far
from components.evaluate.intervals import drawn_and_bound, signed_interval, standard_error
from components.evaluate.settings import EvaluateSettings

AHEAD = 5
"""The sequence is tightest at so many times the first day's users: a test that is to be decided within a month
is decided around a week. Fixed by a count of users, before any reward of the test is read."""


@dataclass(frozen=True)
class SequentialTest:
    """Challengers of one `kind` against one `champion` (generation), none promoted so far.

    Attributes
    ----------
    turns : turns whose held-out requests are in `state`; `looks` : turns on which it was judged.
    tuned_for : users at which the sequence is tightest; 0 before the first day.
    """

    champion: int
    kind: Kind
    turns: int = 0
    looks: int = 0
    tuned_for: int = 0
    state: GateState = field(default_factory=GateState.empty)

    def add(self, day: GateState) -> "SequentialTest":
        """The test with another day's evidence, not looked at yet."""
        if day.count == 0:
            return self
        tuned_for = self.tuned_for or AHEAD * day.count
        return replace(self, turns=self.turns + 1, tuned_for=tuned_for, state=self.state + day)

    def to_json(self) -> str:
        """One JSON document, kept with the turn."""
        kept = {name: getattr(self, name) for name in ("champion", "kind", "turns", "looks", "tuned_for")}
        return json.dumps(kept | {"state": json.loads(self.state.to_json())})

    @classmethod
    def from_json(cls, text: str) -> "SequentialTest":
        """The test that `to_json` wrote, to the last bit."""
        found = json.loads(text)
        assert found["kind"] in get_args(Kind)
        return cls(**found | {"state": GateState.from_json(json.dumps(found["state"]))})


@dataclass(frozen=True)
class Rest:
    """What a verdict rests on.

    Attributes
    ----------
    requests, users, turns : of the test, today's included; a user counts once per turn.
    level : of the interval the gate read, such as 0.96.
    value, lower, upper : difference challenger - champion over all of them, anytime-valid once there was an
        earlier look. detectable : smallest true gain over the gate's floor that would have been promoted, at the
        set power.
    """

    requests: int
    users: int
    turns: int
    level: float
    value: float
    lower: float
    upper: float
    interval: str
    detectable: float

    def __str__(self) -> str:
        return (
            f"rests on {self.requests:,} held-out requests of {self.users:,} users in {turns(self.turns)}; "
            f"smallest gain over the floor it could have detected: {self.detectable:.4f}"
        )


@dataclass(frozen=True)
class Look:
    """One look at a sequential test: the decision, what it rests on, and the test with today's evidence."""

    decision: Decision
    rest: Rest
    sequential_test: SequentialTest


def turns(count: int) -> str:
    """Text of so many turns.

    >>> turns(1), turns(3)
    ('1 turn', '3 turns')
    """
    return "1 turn" if count == 1 else f"{count} turns"


def look(sequential_test: SequentialTest, pair: Paired, champion: Doubles, s: EvaluateSettings) -> Look:
    """Judge a sequential test by all its days.

    Parameters
    ----------
    sequential_test : before today. pair : today's paired terms.
    champion : (m,) today's terms of the champion's value: the margin is a share of it.

    Notes
    -----
    A routine update's first day is a look of its own, at an interval of fixed size with `first_look_share` of the
    error: most tests end there. Every later look reads the sequence with the rest of it. Both errors together are
    alpha. A change is judged by the sequence alone, from its first day on.
    """
    after = sequential_test.add(GateState.of(pair, champion))
    after = replace(after, looks=after.looks + 1)
    if sequential_test.kind == "update" and sequential_test.turns == 0:
        return _first(after, pair, float(champion.mean()), s)
    return _later(after, pair, s)


def _first(sequential_test: SequentialTest, pair: Paired, value: float, s: EvaluateSettings) -> Look:
    alpha = s.alpha * s.first_look_share
    each = pair.clustered
    bounds = signed_interval(each, alpha, pair.expected_error)
    decision = judge(bounds, s.margin * value, sequential_test.kind)
    reach = float(ndtri(1 - alpha / 2) + ndtri(s.power)) * drawn_and_bound(standard_error(each), pair.expected_error)
    rest = Rest(
        len(pair.a), len(each), 1, 1 - alpha, float(each.mean()), bounds.lower, bounds.upper, bounds.kind, reach
    )
    return Look(_with(decision, str(rest)), rest, sequential_test)


def _later(sequential_test: SequentialTest, pair: Paired, s: EvaluateSettings) -> Look:
    alpha = s.alpha if sequential_test.kind == "change" else s.alpha * (1 - s.first_look_share)
    decision = judge_so_far(
        sequential_test.state, s.margin, alpha, sequential_test.kind, tuned_for=sequential_test.tuned_for
    )
    plain = sequential_test.state.running(0.0)
    bounds = confidence_sequence(plain, alpha, sequential_test.tuned_for)
    margin = 0.0 if sequential_test.kind == "change" else s.margin
    judged = confidence_sequence(sequential_test.state.running(margin), alpha, sequential_test.tuned_for)
    error = (sequential_test.state.running(margin).variance / max(sequential_test.state.count, 1)) ** 0.5
    reach = (judged.upper - judged.lower) / 2 + float(ndtri(s.power)) * error
    rest = Rest(
        sequential_test.state.requests,
        sequential_test.state.count,
        sequential_test.turns,
        1 - alpha,
        plain.mean,
        bounds.lower,
        bounds.upper,
        "confidence sequence",
        reach,
    )
    return Look(_with(_unless_worse_today(decision, pair, s), str(rest)), rest, sequential_test)


def _unless_worse_today(decision: Decision, pair: Paired, s: EvaluateSettings) -> Decision:
    """Earlier days do not excuse a challenger that is surely worse on its own day; holding costs no error."""
    today = signed_interval(pair.clustered, s.alpha, pair.expected_error)
    if decision.verdict is not Verdict.PROMOTE or not today.upper < 0:
        return decision
    harm = f"today's challenger is worse: upper bound {today.upper:+.4f} of its own requests is below 0"
    return Decision(Verdict.HOLD, (*decision.reasons, harm))


def _with(decision: Decision, reason: str) -> Decision:
    return Decision(decision.verdict, (*decision.reasons, reason))
