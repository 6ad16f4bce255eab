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

from components.domain import ContractBroken, Doubles, Ints, Refused, Verdict
from components.evaluate import gate
from components.evaluate.anchor import Anchor, creep_of, settled, within_budget
from components.evaluate.bounded_gain import gain_for
from components.evaluate.case import Case, Weighing, relied_on, request_bounds, request_share
from components.evaluate.diagnostics import diagnose, merely_small, refusals
from components.evaluate.difference import difference
from components.evaluate.estimate import Estimate
from components.evaluate.estimators import Parts, Terms, controlled, dm, dr, effective, ips, sndr, snips
from components.evaluate.evaluation import Compared, Evaluation
from components.evaluate.gate import GateState, Kind
from components.evaluate.guardrails import Guardrails, guarded, waiting
from components.evaluate.intervals import Interval, drawn_and_bound, signed_interval, standard_error
from components.evaluate.logged_decisions import LoggedDecisions, check_model, check_policy
from components.evaluate.picture import by_segment, ess_over_time, weight_tail
from components.evaluate.propensity_audit import audit
from components.evaluate.second_opinion import second_opinion
from components.evaluate.sequential_test import SequentialTest, look, turns
from components.evaluate.settings import EvaluateSettings, SlateModel
from components.evaluate.slate_values import by_model, by_position
from components.evaluate.slates import ASSUMED
from components.evaluate.slope import CLIP, OPTIMISTIC, SWITCH, Shrink, choose, tuned

__all__ = ["EvaluateSettings", "Evaluation", "InLoop", "evaluate"]

BIAS_SHARE = 0.1
"""Share of DR's standard error that shrinking weights may cost in bias, and by which intervals are then widened:
a tenth moves coverage by at most a point (with a quarter DRos covered 97.0 % instead of 95)."""


@dataclass(frozen=True)
class InLoop:
    """What only a loop knows of a challenger's time and place.

    Attributes
    ----------
    sequential_test : evidence of the challengers on hold before this one; None: one finished sample is all there is.
    parent : (nnz,) conditional probabilities of the champion's own parent, given when the live champion itself is to be
        checked for a roll-back.
    anchor : what releases so far may have lost, which bounds what this one may; None: nothing counts losses.
    guardrails : metrics that must not fall, each of which holds the challenger by itself.
    """

    sequential_test: SequentialTest | None = None
    parent: Doubles | None = None
    anchor: Anchor | None = None
    guardrails: Guardrails | None = None


def evaluate(
    log: LoggedDecisions,
    target: Doubles,
    champion: Doubles | None,
    q: Doubles | None,
    settings: EvaluateSettings,
    *,
    value_range: tuple[float, float] = (0.0, 1.0),
    kind: Kind = "update",
    metric: str = "reward",
    item: Ints | None = None,
    segments: Mapping[str, np.ndarray] | None = None,
    loop: InLoop | None = None,
) -> Evaluation:
    """Judge the challenger `target` against `champion` on requests neither learned from.

    Parameters
    ----------
    target, champion : (nnz,) conditional probabilities. A `champion` of None is what was logged: by its
        distribution where one logger recorded it (`LoggedDecisions.logging`), else by the rewards alone
        (`components.evaluate.logged_champion`).
    q : (nnz,) expected reward of every entry by a model that has not seen these rewards, or None.
    value_range : smallest and largest reward of one position; inf where no largest is known: then nothing is cut at
        it, and estimators that shrink weights, whose bias it bounds, are left out.
    metric : what the rewards of the log are.
    item : (nnz,) code of each entry's item, for the audit of the propensities; None leaves items out of it.
    segments : column -> (m,) labels of the requests, for values per segment.
    loop : what a loop knows besides; None: one finished sample is all there is.

    Raises
    ------
    ContractBroken
        For policies, models or rewards that mean nothing; names row and column.
    """
    loop = loop or InLoop()
    compared_with: Compared = "what was logged" if champion is None else "champion"
    if champion is None and log.logger_propensity is None:
        champion = log.logging
    _check(log, target, champion, q, value_range)
    if loop.parent is not None:
        check_policy(log, loop.parent, "parent")
    weighed = _weighed(log, (target, champion), q, _settings(settings, loop), request_bounds(log, value_range))
    case, test = weighed.case, _begun(loop.sequential_test, weighed.case)
    ours, theirs = (
        diagnose(log, pi if case.weighing.slates is None else None, p.weight, p.share)
        for pi, p in ((target, case.challenger), (champion, case.champion))
    )
    audited = None if champion is None else audit(log, champion, item, settings)
    unsound = refusals(ours, settings) or refusals(theirs, settings) or (audited.refusals if audited else ())
    blank = Evaluation(
        kind=kind,
        metric=metric,
        compared_with=compared_with,
        slate_model=case.settings.slate_model,
        diagnostics=ours,
        champion_diagnostics=theirs,
        refused=weighed.refused or unsound,
        audit=audited,
        champion_value=None if weighed.refused or refusals(theirs, settings) else _champion_value(case),
    )
    if blank.refused:
        return replace(_refused(blank, case, test, loop.guardrails), other_models=by_model(case, q))
    creep = creep_of(case, loop.anchor, q) if loop.anchor else None
    judged = _judged(blank, case if creep is None else within_budget(case, creep), test)
    judged = judged if creep is None else settled(judged, creep, settings)
    judged = judged if loop.guardrails is None else guarded(judged, case, loop.guardrails)
    if loop.parent is not None:
        judged = _against_parent(judged, case, case.weighing.parts(log, loop.parent, q, case.challenger.share))
    if case.weighing.slates is not None:
        model = case.weighing.model
        judged = replace(judged, reasons=(*judged.reasons, f"rests on the slate model {model}: {ASSUMED[model]}"))
    return replace(_pictured(judged, case, segments or {}), slots=by_position(case), other_models=by_model(case, q))


def _settings(settings: EvaluateSettings, loop: InLoop) -> EvaluateSettings:
    """The settings with the slate model of the test that has begun: two models over the same days are no sequence."""
    begun = loop.sequential_test and loop.sequential_test.slate_model
    return settings.model_copy(update={"slate_model": begun}) if begun else settings


def _begun(test: SequentialTest | None, case: Case) -> SequentialTest | None:
    return None if test is None else replace(test, slate_model=case.settings.slate_model)


@dataclass(frozen=True)
class _Weighed:
    """The case by the slate model of the settings; where that cannot be read, `refused` says so and the case is by
    the cascade, for its diagnostics."""

    case: Case
    refused: tuple[Refused, ...]


def _weighed(
    log: LoggedDecisions,
    policies: tuple[Doubles, Doubles | None],
    q: Doubles | None,
    settings: EvaluateSettings,
    bounds: Interval,
) -> _Weighed:
    share, (target, champion) = request_share(log, settings), policies

    def case(weighing: Weighing) -> Case:
        ours, theirs = (weighing.parts(log, policy, q, share) for policy in policies)
        return Case(ours, theirs, target, champion, settings, bounds, weighing)

    model = settings.slate_model
    if model == "additive" and settings.sequence == "exact" and not log.single:
        return _Weighed(case(Weighing()), (_unread(log, model, "its weights can be negative: no exact sequence"),))
    try:
        return _Weighed(case(Weighing.by(model, log, champion)), ())
    except ContractBroken as error:
        if model == "cascade" or log.single:
            raise
        return _Weighed(case(Weighing()), (_unread(log, model, str(error)),))


def _unread(log: LoggedDecisions, model: SlateModel, why: str) -> Refused:
    return Refused(
        f"requests that the slate model {model} cannot weigh ({why})",
        log.requests,
        0,
        'evaluate.slate_model = "cascade" needs no more than propensities',
    )


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
    shrinks: tuple[Shrink, ...] = (CLIP, SWITCH, OPTIMISTIC) if p.modelled else (CLIP,)
    if case.weighing.slates is not None:
        found.append(case.estimate(controlled(p)))
        shrinks = ()  # what shrinking removes is bounded for weights of a cascade
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
