"""What an evaluation is: typed and frozen."""

import dataclasses
import json
import math
from dataclasses import dataclass
from typing import Literal

from components.domain import Refused, Verdict
from components.evaluate.diagnostics import Diagnostics
from components.evaluate.estimate import Estimate
from components.evaluate.gate import Kind
from components.evaluate.holdout import HoldoutCounts
from components.evaluate.promise import Promise
from components.evaluate.propensity_audit import PropensityAudit
from components.evaluate.sequential_test import Rest, SequentialTest
from components.evaluate.settings import SlateModel

Compared = Literal["champion", "what was logged"]
Propensities = Literal["recorded", "propensity_estimated"]


@dataclass(frozen=True)
class Segment:
    """One segment of the requests: the relied-on estimate, and the paired difference, on it alone."""

    column: str
    label: str
    requests: int
    value: Estimate
    difference: Estimate


@dataclass(frozen=True)
class Slot:
    """One position of the slates: what it earns per request under the challenger, and the paired difference."""

    position: int
    value: Estimate
    difference: Estimate


@dataclass(frozen=True)
class OtherModel:
    """Value and paired difference if users were as the slate model `model` assumes; `absent` says why there are none.

    The gate does not read them: where `assumed` is wrong they are biased, and no interval shows it.
    """

    model: str
    assumed: str
    absent: str
    value: Estimate | None = None
    difference: Estimate | None = None


@dataclass(frozen=True)
class EssAt:
    """Effective sample size of all requests up to the instant `at` (microseconds)."""

    at: int
    requests: int
    ess: float


@dataclass(frozen=True)
class TailAt:
    """Share of requests whose weight is at least `weight`."""

    weight: float
    share: float


@dataclass(frozen=True)
class GuardrailFound:
    """A metric that must not fall by more than `margin`, a share of the champion's value.

    `difference` is of this turn's requests; `passed` and `reasons` rest on all turns in `sequential_test`.
    """

    name: str
    margin: float
    champion: Estimate
    difference: Estimate
    passed: bool
    reasons: tuple[str, ...]
    sequential_test: SequentialTest | None


@dataclass(frozen=True)
class Creep:
    """The challenger and the losses that releases since the anchor may add up to; all but `difference` are shares.

    Attributes
    ----------
    anchor : the generation losses are counted from. budget : of the anchor's value. spent : before this release.
    allowed : the margin that the challenger was judged with.
    difference : paired, challenger - anchor, on the same requests; None where they could not be compared.
    loss : what `difference` leaves possible. would_spend : after a release of this challenger.
    """

    anchor: int
    budget: float
    spent: float
    allowed: float
    difference: Estimate | None = None
    loss: float | None = None
    would_spend: float | None = None

    def __str__(self) -> str:
        return (
            f"margin {self.allowed:.1%} because of creep: releases since generation {self.anchor} may have lost "
            f"{self.spent:.1%} of a budget of {self.budget:.1%}"
        )


@dataclass(frozen=True)
class Evaluation:
    """What is known of a challenger, in the order in which it was found out.

    Attributes
    ----------
    kind : ``update`` was judged for non-inferiority, ``change`` for superiority.
    diagnostics, champion_diagnostics : of the challenger's and the champion's weights.
    refused : why no value is given; empty if values are.
    metric : what values are of: `reward`, or a kind of outcome.
    estimates : of the challenger, one per estimator; the model's word alone if refused.
    champion_value : the champion on the same requests; None if its own weights are unsound.
    parent_value : the champion's parent, where it was asked for.
    slope_choice : name of the estimate that SLOPE++ takes as the most shrunk one without visible
        bias; told, not relied on: the gate's estimator is fixed before the data are seen.
    difference : paired, challenger - champion. second_opinion : the same by a by-user bootstrap, told and not read.
    margin : non-inferiority margin in rewards per request.
    detectable : smallest true difference this sample would have shown, at the set power.
    segments, history, tail : per-segment values, ESS over time, the weights' tail.
    slots, other_models : of slates: values per position, and under other assumptions on users.
    guardrails : metrics that the release must not harm, each with its own test.
    creep : in the loop, what releases may have lost against the anchor, this one included.
    audit : of the logged propensities; None where none was possible.
    held_out : in the loop, what became of the held-out requests.
    promises : in the loop, what the gate promised of the releases before, and what they earned.
    rest : in the loop, what the verdict rests on: all turns of the challengers on hold.
    sequential_test : those challengers' evidence with today's, for the next turn.
    unit : what a request earns is told in: ``reward``, or the unit of the source's amounts.
    slate_model : what the gate assumed of users who see slates.
    compared_with : whom the difference is to; ``what was logged`` where nobody named a champion.
    propensities : ``propensity_estimated`` where none were recorded and somebody asked to go on all the same.
    warnings : what a reader must know of the data before believing any figure here.
    """

    kind: Kind
    diagnostics: Diagnostics
    champion_diagnostics: Diagnostics
    refused: tuple[Refused, ...]
    metric: str = "reward"
    estimates: tuple[Estimate, ...] = ()
    slope_choice: str | None = None
    champion_value: Estimate | None = None
    parent_value: Estimate | None = None
    difference: Estimate | None = None
    second_opinion: Estimate | None = None
    margin: float | None = None
    detectable: float | None = None
    verdict: Verdict = Verdict.HOLD
    reasons: tuple[str, ...] = ()
    segments: tuple[Segment, ...] = ()
    history: tuple[EssAt, ...] = ()
    tail: tuple[TailAt, ...] = ()
    slots: tuple[Slot, ...] = ()
    other_models: tuple[OtherModel, ...] = ()
    guardrails: tuple[GuardrailFound, ...] = ()
    creep: Creep | None = None
    audit: PropensityAudit | None = None
    held_out: HoldoutCounts | None = None
    promises: tuple[Promise, ...] = ()
    rest: Rest | None = None
    sequential_test: SequentialTest | None = None
    unit: str = "reward"
    slate_model: SlateModel = "cascade"
    compared_with: Compared = "champion"
    propensities: Propensities = "recorded"
    warnings: tuple[str, ...] = ()

    @property
    def value(self) -> Estimate | None:
        """The challenger's value by the estimator whose interval is relied on; None if refused."""
        if self.refused:
            return None
        named = {e.name: e for e in self.estimates}
        return named.get("DR", named["SNIPS"])

    @property
    def earned(self) -> str:
        """What values are told in, for axes and captions."""
        return earned_in(self.unit)

    def to_json(self) -> str:
        """One JSON document; figures that do not exist are null. The sequential test is kept by itself."""
        unkept = tuple(dataclasses.replace(g, sequential_test=None) for g in self.guardrails)
        told = dataclasses.asdict(dataclasses.replace(self, sequential_test=None, guardrails=unkept))
        del told["sequential_test"]
        return json.dumps(_without_nan(told), allow_nan=False)


def earned_in(unit: str) -> str:
    """Words for what a request earns, told in a unit.

    >>> earned_in("reward"), earned_in("EUR")
    ('reward per request', 'amount per request, EUR')
    """
    return "reward per request" if unit == "reward" else f"amount per request, {unit}"


def _without_nan(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: _without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    return value
