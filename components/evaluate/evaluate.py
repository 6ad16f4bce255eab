"""Evaluate: may the challenger replace the champion, as far as the champion's own log can tell?

What is estimated is the expected reward per request of a policy on further requests like the judged ones: users,
their requests, what they are shown and what they answer drawn anew, from the time that the log spans. It is not what
the judged requests happened to be worth, and it promises nothing about a time in which tastes have moved on.

The order is fixed: diagnostics, then refusals, then values, then the verdict. A refused
log yields HOLD with its reasons and no weighted value.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from scipy.special import ndtri

from components.domain import ContractBroken, Doubles, Ints, Verdict
from components.evaluate import gate
from components.evaluate.anchor import Anchor, creep_of, settled, within_budget
from components.evaluate.bounded_gain import gain_for
from components.evaluate.case import Case, parts_of, relied_on, request_bounds, request_share
from components.evaluate.diagnostics import diagnose, merely_small, refusals
from components.evaluate.difference import difference
from components.evaluate.estimators import Parts, Terms, dm, dr, effective, ips, sndr, snips
from components.evaluate.evaluation import Compared, Estimate, Evaluation
from components.evaluate.gate import GateState, Kind
from components.evaluate.guardrails import Guardrails, guarded, waiting
from components.evaluate.intervals import Interval, drawn_and_bound, signed_interval, standard_error
from components.evaluate.logged_decisions import LoggedDecisions, check_model, check_policy
from components.evaluate.picture import by_segment, ess_over_time, weight_tail
from components.evaluate.propensity_audit import audit
from components.evaluate.second_opinion import second_opinion
from components.evaluate.sequential_test import SequentialTest, look, turns
from components.evaluate.settings import EvaluateSettings
from components.evaluate.slate_values import by_model, by_position
from components.evaluate.slope import CLIP, OPTIMISTIC, SWITCH, choose, tuned

__all__ = ["Estimate", "EvaluateSettings", "Evaluation", "evaluate"]

BIAS_SHARE = 0.1
"""Share of DR's standard error that shrinking weights may cost in bias, and by which intervals are then widened:
a tenth moves coverage by at most a point (with a quarter DRos covered 97.0 % instead of 95)."""


def evaluate(
    log: LoggedDecisions,
    target: Doubles,
    champion: Doubles | None,
    q: Doubles | None,
    settings: EvaluateSettings,
    *,
    value_range: tuple[float, float] = (0.0, 1.0),
    kind: Kind = "update",
    parent: Doubles | None = None,
    segments: Mapping[str, np.ndarray] | None = None,
    sequential_test: SequentialTest | None = None,
    anchor: Anchor | None = None,
    guardrails: Guardrails | None = None,
    metric: str = "reward",
    item: Ints | None = None,
) -> Evaluation:
    """Judge the challenger `target` against `champion` on requests neither learned from.

    Parameters
    ----------
    target, champion, parent : (nnz,) conditional probabilities; `parent` is the champion's own
        parent, given when the live champion itself is to be checked for a roll-back. A `champion` of None is
        what was logged: by its distribution where one logger recorded it (`LoggedDecisions.logging`), else by the
        rewards alone (`components.evaluate.logged_champion`).
    q : (nnz,) expected reward of every entry by a model that has not seen these rewards, or None.
    value_range : smallest and largest reward of one position; inf where no largest is known: then nothing is cut at
        it, and estimators that shrink weights, whose bias it bounds, are left out.
    segments : column -> (m,) labels of the requests, for values per segment.
    sequential_test : evidence of the challengers on hold before this one; None: one finished sample is all there is.
    anchor : what releases so far may have lost, which bounds what this one may; None: nothing counts losses.
    guardrails : metrics that must not fall, each of which holds the challenger by itself.
    metric : what the rewards of the log are.
    item : (nnz,) code of each entry's item, for the audit of the propensities; None leaves items out of it.

    Raises
    ------
    ContractBroken
        For policies, models or rewards that mean nothing; names row and column.
    """
    compared_with: Compared = "what was logged" if champion is None else "champion"
    if champion is None and log.logger_propensity is None:
        champion = log.logging
    _check(log, target, champion, q, value_range)
    if parent is not None:
        check_policy(log, parent, "parent")
    share = request_share(log, settings)
    case = Case(
        challenger=parts_of(log, target, q, share),
        champion=parts_of(log, champion, q, share),
        target=target,
        champion_policy=champion,
        settings=settings,
        bounds=request_bounds(log, value_range),
    )
    ours, theirs = (
        diagnose(log, pi, p.weight, share) for pi, p in ((target, case.challenger), (champion, case.champion))
    )
    audited = None if champion is None else audit(log, champion, item, settings)
    blank = Evaluation(
        kind=kind,
        metric=metric,
        compared_with=compared_with,
        diagnostics=ours,
        champion_diagnostics=theirs,
        refused=refusals(ours, settings) or refusals(theirs, settings) or (audited.refusals if audited else ()),
        audit=audited,
        champion_value=None if refusals(theirs, settings) else _champion_value(case),
    )
    if blank.refused:
        return replace(_refused(blank, case, sequential_test, guardrails), other_models=by_model(case, q))
    creep = creep_of(case, anchor, q) if anchor else None
    judged = _judged(blank, case if creep is None else within_budget(case, creep), sequential_test)
    judged = judged if creep is None else settled(judged, creep, settings)
    judged = judged if guardrails is None else guarded(judged, case, guardrails)
    if parent is not None:
        judged = _against_parent(judged, case, parts_of(log, parent, q, share))
    return replace(_pictured(judged, case, segments or {}), slots=by_position(case), other_models=by_model(case, q))


def _check(
    log: LoggedDecisions,
    target: Doubles,
    champion: Doubles | None,
    q: Doubles | None,
    value_range: tuple[float, float],
) -> None:
    check_policy(log, target, "target")
    if champion is not None:
        check_policy(log, champion, "champion")
    if q is not None:
        check_model(log, q)
    low, high = value_range
    outside = (log.reward < low) | (log.reward > high)
    if outside.any():
        row = int(outside.argmax())
        raise ContractBroken(f"row {row}, column reward: {log.reward[row]}; allowed is [{low:g}, {high:g}]")


def _refused(
    blank: Evaluation, case: Case, sequential_test: SequentialTest | None, guardrails: Guardrails | None
) -> Evaluation:
    """HOLD, with the model's word if there is a model, flagged by an interval of kind ``none``.

    A day that is merely too small adds its evidence to the sequential test: many of them make a sample.
    """
    reasons = tuple(f"refused: {r}" for r in blank.refused)
    word = (_model_word(case.challenger),) if case.challenger.modelled else ()
    small = merely_small(blank.refused)
    if sequential_test is not None:
        day = GateState.of(case.pair, relied_on(case.champion).each) if small else GateState.empty()
        sequential_test = sequential_test.add(day, gain_for(sequential_test, case))
        kept = f"{sequential_test.state.requests:,} held-out requests of {turns(sequential_test.turns)}"
        reasons = (*reasons, f"kept for later: {kept} so far") if small else reasons
        blank = replace(blank, guardrails=waiting(case, guardrails, small=small) if guardrails else ())
    return replace(blank, estimates=word, verdict=Verdict.HOLD, reasons=reasons, sequential_test=sequential_test)


def _champion_value(case: Case) -> Estimate:
    found = case.estimate(relied_on(case.champion))
    return found if case.champion_policy is not None else replace(found, name="mean")


def _model_word(p: Parts) -> Estimate:
    terms = dm(p)
    return Estimate(terms.name, terms.value, math.nan, math.nan, terms.ess, "none")


def _judged(blank: Evaluation, case: Case, sequential_test: SequentialTest | None) -> Evaluation:
    s = case.settings
    pair = case.pair
    weight = min(case.challenger.whole, case.champion.whole, key=effective)
    terms = Terms("paired DR" if case.challenger.modelled else "paired IPS", pair.corrected, weight, pair.cluster)
    error = drawn_and_bound(standard_error(terms.clustered), pair.expected_error)
    bounds = case.gap(terms)
    gap = Estimate(terms.name, terms.value, bounds.lower, bounds.upper, terms.ess, bounds.kind)
    assert blank.champion_value is not None
    margin = s.margin * blank.champion_value.value
    estimated = _estimated(case)
    judged = replace(
        blank,
        estimates=estimated.estimates,
        slope_choice=estimated.slope_choice,
        difference=gap,
        second_opinion=second_opinion(case, terms),
        margin=margin,
        detectable=float(ndtri(1 - s.alpha / 2) + ndtri(s.power)) * error,
    )
    if sequential_test is not None:
        return _judged_over_days(judged, case, sequential_test)
    decision = gate.judge(bounds, margin, blank.kind)
    return replace(judged, verdict=decision.verdict, reasons=decision.reasons)


def _judged_over_days(judged: Evaluation, case: Case, sequential_test: SequentialTest) -> Evaluation:
    """The verdict by all days of a sequential test."""
    gain = gain_for(sequential_test, case)
    found = look(sequential_test, case.pair, relied_on(case.champion).each, case.settings, gain)
    return replace(
        judged,
        detectable=found.rest.detectable,
        verdict=found.decision.verdict,
        reasons=found.decision.reasons,
        rest=found.rest,
        sequential_test=found.sequential_test,
    )


@dataclass(frozen=True)
class _Estimated:
    estimates: tuple[Estimate, ...]
    slope_choice: str


def _estimated(case: Case) -> _Estimated:
    p = case.challenger
    terms = [e(p) for e in ([ips, snips, dr, sndr] if p.modelled else [ips, snips])]
    found = [case.estimate(t) for t in terms]
    reward = case.bounds.upper / (int(p.log.position.max()) + 1)
    budget = BIAS_SHARE * standard_error(terms[-1].clustered) / reward
    shrinks = (CLIP, SWITCH, OPTIMISTIC) if p.modelled else (CLIP,)
    for shrink in shrinks if math.isfinite(reward) else ():  # without an upper limit their bias has no bound
        chosen = tuned(p, shrink, budget)
        terms.append(chosen.terms)
        found.append(case.biased(chosen.terms, reward * chosen.removed, downwards=shrink is CLIP))
    choice = terms[choose(terms, case.settings.alpha)].name
    if p.modelled:
        found.append(_model_word(p))
    return _Estimated(tuple(found), choice)


def _against_parent(judged: Evaluation, case: Case, parent: Parts) -> Evaluation:
    """ROLL_BACK where the live champion has fallen behind its own parent; else as judged."""
    older = diagnose(parent.log, None, parent.weight, parent.share)
    if refusals(older, case.settings) or judged.champion_value is None:
        return judged
    value = case.estimate(relied_on(parent))
    gap = signed_interval(difference(case.champion, parent).clustered, case.settings.alpha)
    judged = replace(judged, parent_value=value)
    live = ips(case.champion).value
    if not gate.must_roll_back(live, Interval(value.lower, value.upper, value.interval), gap):
        return judged
    why = f"the champion's own value {live:.4f} is below its parent's lower bound {value.lower:.4f}"
    return replace(judged, verdict=Verdict.ROLL_BACK, reasons=(why, *judged.reasons))


def _pictured(judged: Evaluation, case: Case, segments: Mapping[str, np.ndarray]) -> Evaluation:
    history, tail = ess_over_time(case.challenger), weight_tail(case.challenger)
    if not segments:
        return replace(judged, history=history, tail=tail)
    each = by_segment(segments, relied_on(case.challenger), case.pair, case.settings.alpha)
    return replace(judged, history=history, tail=tail, segments=each)
