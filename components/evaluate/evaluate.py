"""Evaluate: may the challenger replace the champion, as far as the champion's own log can tell?

The order is fixed: diagnostics, then refusals, then values, then the verdict. A refused
log yields HOLD with its reasons and no weighted value.
"""

import dataclasses
import json
import math
from dataclasses import dataclass

from scipy.special import ndtri

from components.domain import ContractBroken, Doubles, Refused, Verdict
from components.evaluate import gate
from components.evaluate.diagnostics import Diagnostics, diagnose, refusals
from components.evaluate.estimators import Parts, Terms, difference, dm, dr, ips, parts, snips
from components.evaluate.gate import Kind
from components.evaluate.intervals import Interval, normal_interval, standard_error
from components.evaluate.log import LoggedDecisions, check_model, check_policy
from components.evaluate.settings import EvaluateSettings
from components.evaluate.weights import weights


@dataclass(frozen=True)
class Estimate:
    """A value with its interval: expected reward per request; nan bounds where there is no honest one.

    `ess` in requests; `interval` names the kind of interval, ``none`` for a value that is
    only the model's word.
    """

    name: str
    value: float
    lower: float
    upper: float
    ess: float
    interval: str


@dataclass(frozen=True)
class Evaluation:
    """What is known of a challenger, in the order in which it was found out.

    Attributes
    ----------
    kind : ``update`` was judged for non-inferiority, ``change`` for superiority.
    diagnostics, champion_diagnostics : of the challenger's and the champion's weights.
    refused : why no value is given; empty if values are.
    estimates : of the challenger, one per estimator; the model's word alone if refused.
    champion_value : the champion on the same requests; None if its own weights are unsound.
    difference : paired, challenger - champion.
    margin : non-inferiority margin in rewards per request.
    detectable : smallest true difference this sample would have shown, at the set power.
    """

    kind: Kind
    diagnostics: Diagnostics
    champion_diagnostics: Diagnostics
    refused: tuple[Refused, ...]
    estimates: tuple[Estimate, ...]
    champion_value: Estimate | None
    difference: Estimate | None
    margin: float | None
    detectable: float | None
    verdict: Verdict
    reasons: tuple[str, ...]

    @property
    def value(self) -> Estimate | None:
        """The challenger's value by the estimator whose interval is relied on; None if refused."""
        if self.refused:
            return None
        named = {e.name: e for e in self.estimates}
        return named.get("DR", named["SNIPS"])

    def to_json(self) -> str:
        """One JSON document; figures that do not exist are null."""
        return json.dumps(_without_nan(dataclasses.asdict(self)), allow_nan=False)


def evaluate(
    log: LoggedDecisions,
    target: Doubles,
    champion: Doubles,
    q: Doubles | None,
    settings: EvaluateSettings,
    *,
    value_range: tuple[float, float] = (0.0, 1.0),
    kind: Kind = "update",
    parent: Doubles | None = None,
) -> Evaluation:
    """Judge the challenger `target` against `champion` on requests neither learned from.

    Parameters
    ----------
    target, champion, parent : (nnz,) conditional probabilities; `parent` is the champion's own
        parent, given when the live champion itself is to be checked for a roll-back.
    q : (nnz,) expected reward of every entry by a model that has not seen these rewards, or None.
    value_range : smallest and largest reward of one position.

    Raises
    ------
    ContractBroken
        For policies, models or rewards that mean nothing; names row and column.
    """
    _check(log, target, champion, q, value_range)
    challenger = parts(log, target, q, weight=weights(log, target, balanced=True))
    incumbent = parts(log, champion, q, weight=weights(log, champion, balanced=True))
    ours, theirs = diagnose(log, target, challenger.weight), diagnose(log, champion, incumbent.weight)
    refused, unsound = refusals(ours, settings), refusals(theirs, settings)
    champion_value = None if unsound else _estimate(_relied_on(incumbent), settings, value_range, log)
    if refused or champion_value is None:
        found = refused or unsound
        reasons = tuple(f"refused: {r}" for r in found)
        modelled = (_model_word(challenger),) if q is not None else ()
        return Evaluation(kind, ours, theirs, found, modelled, champion_value, None, None, None, Verdict.HOLD, reasons)
    estimators = (ips, snips, dm, dr) if q is not None else (ips, snips)
    estimates = tuple(_estimate(e(challenger), settings, value_range, log) for e in estimators)
    paired = difference(challenger, incumbent)
    gap = _estimate(paired, settings, None, log)
    margin = settings.margin * champion_value.value
    decision = gate.judge(Interval(gap.lower, gap.upper, gap.interval), margin, kind)
    return Evaluation(
        kind,
        ours,
        theirs,
        (),
        estimates,
        champion_value,
        gap,
        margin,
        _detectable(paired, settings),
        decision.verdict,
        decision.reasons,
    )


def _check(
    log: LoggedDecisions, target: Doubles, champion: Doubles, q: Doubles | None, value_range: tuple[float, float]
) -> None:
    check_policy(log, target, "target")
    check_policy(log, champion, "champion")
    if q is not None:
        check_model(log, q)
    low, high = value_range
    outside = (log.reward < low) | (log.reward > high)
    if outside.any():
        row = int(outside.argmax())
        raise ContractBroken(f"row {row}, column reward: {log.reward[row]}; allowed is [{low:g}, {high:g}]")


def _relied_on(p: Parts) -> Terms:
    return dr(p) if p.modelled else snips(p)


def _estimate(
    terms: Terms, s: EvaluateSettings, value_range: tuple[float, float] | None, log: LoggedDecisions
) -> Estimate:
    bounds = normal_interval(terms.each, s.alpha)
    lower, upper = bounds.lower, bounds.upper
    if value_range is not None:
        slate = int(log.position.max()) + 1
        lower, upper = max(lower, min(slate * value_range[0], value_range[0])), min(upper, slate * value_range[1])
    return Estimate(terms.name, terms.value, lower, upper, terms.ess, bounds.kind)


def _model_word(p: Parts) -> Estimate:
    terms = dm(p)
    return Estimate(terms.name, terms.value, math.nan, math.nan, terms.ess, "none")


def _detectable(paired: Terms, s: EvaluateSettings) -> float:
    return float(ndtri(1 - s.alpha / 2) + ndtri(s.power)) * standard_error(paired.each)


def _without_nan(value: object) -> object:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {k: _without_nan(v) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(v) for v in value]
    return value
