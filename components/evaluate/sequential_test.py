"""The gate across days: challengers on hold against one champion are one sequential test.

Every day on hold brings another challenger and another handful of held-out requests. Reading a
fresh fixed-size interval each day would promote somebody sooner or later; forgetting yesterday's
requests would never let a small shop show anything. A sequential test keeps the sums of all its days. Each
challenger is fixed before its held-out decisions are read, so the sequence of challengers is
predictable, and the sequence holds for the mean of their gains at all days at once:
if none of them is good enough, the whole test promotes with at most the stated error
(docs/decisions/0007-the-gate-across-days.md, docs/decisions/0009-one-sided-and-exact-sequences.md).
"""

import json
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from scipy.special import ndtri

from components.domain import Doubles, Verdict
from components.evaluate.confidence_sequence import confidence_sequence
from components.evaluate.difference import Paired
from components.evaluate.exact_sequence import Bounded, Capital
from components.evaluate.gate import Decision, GateState, Kind, judge, judge_by_capital, judge_so_far
from components.evaluate.intervals import drawn_and_bound, signed_interval, standard_error
from components.evaluate.settings import EvaluateSettings, Sequence, SlateModel

AHEAD = 5
"""The sequence is tightest at so many times the first day's users: a test that is to be decided within a month
is decided around a week. Fixed by a count of users, before any reward of the test is read."""

Opening = Literal["free", "looked", "added", "gone"]
"""The share of a champion's error that is kept for the kind asked first: nobody was asked yet; this kind spent it on a
first look of fixed size; it is part of this kind's sequence; the other kind had it."""

Reading = Literal["first look", "asymptotic sequence", "exact sequence"]


@dataclass(frozen=True)
class SequentialTest:
    """Challengers of one `kind` against one `champion` (generation), none promoted so far.

    Attributes
    ----------
    turns : turns whose held-out requests are in `state`; `looks` : turns on which it was judged.
    tuned_for : users at which the sequence is tightest; 0 before the first day.
    sequence : the one that its first day was read by, and all later ones are; None before it.
    capital : what the exact one reads. opening : who had the champion's opening share of the error.
    slate_model : the one that its first day was weighed by, and all later ones are; None before it.
    aside : challengers of the other kind against the same champion, whose evidence waits.
    """

    champion: int
    kind: Kind
    turns: int = 0
    looks: int = 0
    tuned_for: int = 0
    state: GateState = field(default_factory=GateState.empty)
    sequence: Sequence | None = None
    capital: Capital = field(default_factory=Capital)
    opening: Opening = "free"
    slate_model: SlateModel | None = None
    aside: "SequentialTest | None" = None

    def asked(self, kind: Kind) -> "SequentialTest":
        """The test that a challenger of `kind` joins; what the other kind has shown and spent stays with it."""
        if kind == self.kind:
            return self
        opening: Opening = "free" if self.opening == "free" else "gone"
        other = self.aside or SequentialTest(self.champion, kind, opening=opening)
        opening = opening if other.opening == "free" else other.opening
        return replace(other, opening=opening, aside=replace(self, aside=None))

    def add(self, day: GateState, gain: Bounded | None = None, opening: Opening = "added") -> "SequentialTest":
        """The test with another day's evidence, not looked at yet; `opening` is what a free one becomes."""
        if day.count == 0 and gain is None:
            return self
        return replace(
            self,
            turns=self.turns + (day.count > 0),
            tuned_for=self.tuned_for or AHEAD * day.count,
            state=self.state + day,
            sequence=self.sequence or ("asymptotic" if gain is None else "exact"),
            capital=self.capital if gain is None else self.capital.after(gain),
            opening=opening if self.opening == "free" else self.opening,
        )

    def reads(self, s: EvaluateSettings) -> Sequence:
        """The sequence that this test is read by: a second one over the same days would be a second error."""
        return self.sequence or s.sequence

    def share(self, first_look_share: float) -> float:
        """Share of the champion's error that this kind's sequence may spend over all of its looks."""
        later = (1 - first_look_share) / 2
        return later + first_look_share if self.opening == "added" else later

    def to_json(self) -> str:
        """One JSON document, kept with the turn."""
        names = ("champion", "kind", "turns", "looks", "tuned_for", "sequence", "opening", "slate_model")
        kept = {name: getattr(self, name) for name in names}
        evidence = {"state": json.loads(self.state.to_json()), "capital": self.capital.to_figures()}
        return json.dumps(kept | evidence | {"aside": self.aside and json.loads(self.aside.to_json())})

    @classmethod
    def from_json(cls, text: str) -> "SequentialTest":
        """The test that `to_json` wrote, to the last bit."""
        found = json.loads(text)
        assert found["kind"] in get_args(Kind) and found["opening"] in get_args(Opening)
        aside = found["aside"] and cls.from_json(json.dumps(found["aside"]))
        state = GateState.from_json(json.dumps(found["state"]))
        return cls(**found | {"state": state, "capital": Capital.from_figures(**found["capital"]), "aside": aside})


@dataclass(frozen=True)
class Rest:
    """What a verdict rests on.

    Attributes
    ----------
    requests, users, turns : of the test, today's included; a user counts once per turn.
    reading : what decided. error : its one-sided error, over all of its looks; what it promises is `promise`.
    level : ``1 - 2 error``, of the two-sided interval whose two ends have that error each.
    value, lower, upper : difference challenger - champion over all of them, anytime-valid once there was an
        earlier look, and always of a normal limit. detectable : smallest true gain over the gate's floor that would
        have been promoted, at the set power.
    """

    requests: int
    users: int
    turns: int
    reading: Reading
    error: float
    value: float
    lower: float
    upper: float
    interval: str
    detectable: float

    @property
    def level(self) -> float:
        """Of the interval: such as 0.96."""
        return 1 - 2 * self.error

    @property
    def promise(self) -> str:
        """What the reading promises, in one sentence."""
        looks = "on one look" if self.reading == "first look" else "over all of its looks together"
        errs = f"without a good enough challenger it promotes with at most {self.error:.2%} {looks}"
        return f"{self.reading}: {errs}, {PROMISES[self.reading]}"

    def __str__(self) -> str:
        return (
            f"rests on {self.requests:,} held-out requests of {self.users:,} users in {turns(self.turns)}; "
            f"smallest gain over the floor it could have detected: {self.detectable:.4f}"
        )


PROMISES: dict[Reading, str] = {
    "first look": "as far as means of so many users are near normal",
    "asymptotic sequence": "in the limit of many users",
    "exact sequence": "at any number of users, with propensities as logged and rewards within their stated range",
}


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


def look(
    sequential_test: SequentialTest, pair: Paired, champion: Doubles, s: EvaluateSettings, gain: Bounded | None = None
) -> Look:
    """Judge a sequential test by all its days.

    Parameters
    ----------
    sequential_test : before today. pair : today's paired terms.
    champion : (m,) today's terms of the champion's value: the margin is a share of it.
    gain : today's gains over the floor, for the exact sequence.

    Notes
    -----
    The champion's one-sided error, `EvaluateSettings.gate_error`, is divided once, whatever is asked in which order:
    `first_look_share` of it goes to the kind that is asked first, half of the rest to each kind's sequence. A routine
    update spends the opening share on a look of its own at its first day, at an interval of fixed size: most tests
    end there. A change, an exact sequence, or an update whose first day was too small adds it to its sequence.
    """
    first = (
        sequential_test.reads(s) == "asymptotic"
        and sequential_test.kind == "update"
        and sequential_test.opening == "free"
    )
    after = sequential_test.add(GateState.of(pair, champion), gain, "looked" if first else "added")
    after = replace(after, looks=after.looks + 1)
    found = _first(after, pair, float(champion.mean()), s) if first else _later(after, pair, s)
    if gain is None or gain.least < float("inf"):
        return found
    unbounded = "nothing was bet on today: the exact sequence needs a largest reward, stated in the source"
    return replace(found, decision=Decision(found.decision.verdict, (unbounded, *found.decision.reasons)))


def _first(sequential_test: SequentialTest, pair: Paired, value: float, s: EvaluateSettings) -> Look:
    error = s.gate_error * s.first_look_share
    each = pair.clustered
    bounds = signed_interval(each, 2 * error, pair.expected_error)
    decision = judge(bounds, s.margin * value, sequential_test.kind)
    reach = float(ndtri(1 - error) + ndtri(s.power)) * drawn_and_bound(standard_error(each), pair.expected_error)
    mean = float(each.mean())
    rest = Rest(len(pair.a), len(each), 1, "first look", error, mean, bounds.lower, bounds.upper, bounds.kind, reach)
    return Look(_with(decision, rest), rest, sequential_test)


def _later(sequential_test: SequentialTest, pair: Paired, s: EvaluateSettings) -> Look:
    error = s.gate_error * sequential_test.share(s.first_look_share)
    state, kind, tuned_for = sequential_test.state, sequential_test.kind, sequential_test.tuned_for
    plain = state.running(0.0)
    bounds = confidence_sequence(plain, 2 * error, tuned_for)
    if sequential_test.sequence == "exact":
        decision = judge_by_capital(sequential_test.capital, bounds, s.margin, error, kind)
    else:
        decision = judge_so_far(state, s.margin, error, kind, tuned_for=tuned_for)
    rest = Rest(
        state.requests,
        state.count,
        sequential_test.turns,
        "exact sequence" if sequential_test.sequence == "exact" else "asymptotic sequence",
        error,
        plain.mean,
        bounds.lower,
        bounds.upper,
        bounds.kind,
        _reach(sequential_test, error, s),
    )
    return Look(_with(_unless_worse_today(decision, pair, s), rest), rest, sequential_test)


def _reach(sequential_test: SequentialTest, error: float, s: EvaluateSettings) -> float:
    """Smallest gain per request over the floor that a sequence would have shown."""
    state, power = sequential_test.state, float(ndtri(s.power))
    if sequential_test.sequence == "exact":
        size = state.requests / max(state.count, 1)
        return sequential_test.capital.detectable(error, power) / size if size else float("inf")
    running = state.running(0.0 if sequential_test.kind == "change" else s.margin)
    bounds = confidence_sequence(running, 2 * error, sequential_test.tuned_for)
    return (bounds.upper - bounds.lower) / 2 + power * (running.variance / max(running.count, 1)) ** 0.5


def _unless_worse_today(decision: Decision, pair: Paired, s: EvaluateSettings) -> Decision:
    """Earlier days do not excuse a challenger that is surely worse on its own day; holding costs no error."""
    today = signed_interval(pair.clustered, s.alpha, pair.expected_error)
    if decision.verdict is not Verdict.PROMOTE or not today.upper < 0:
        return decision
    harm = f"today's challenger is worse: upper bound {today.upper:+.4f} of its own requests is below 0"
    return Decision(Verdict.HOLD, (*decision.reasons, harm))


def _with(decision: Decision, rest: Rest) -> Decision:
    return Decision(decision.verdict, (*decision.reasons, rest.promise, str(rest)))
