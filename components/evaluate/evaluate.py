"""Evaluate: may the challenger replace the champion, as far as the champion's own log can tell?

The order is fixed: diagnostics, then refusals, then values, then the verdict. A refused
log yields HOLD with its reasons and no weighted value.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from scipy.special import ndtri

from components.domain import DAY, ContractBroken, Doubles, Verdict
from components.evaluate import gate
from components.evaluate.diagnostics import diagnose, merely_small, refusals
from components.evaluate.difference import Paired, difference, gap_spread, paired
from components.evaluate.estimators import Parts, Terms, dm, dr, effective, ips, parts, sndr, snips
from components.evaluate.evaluation import Estimate, Evaluation
from components.evaluate.gate import GateState, Kind
from components.evaluate.intervals import Interval, signed_interval, skew_interval, standard_error
from components.evaluate.logged_decisions import LoggedDecisions, check_model, check_policy
from components.evaluate.picture import by_segment, ess_over_time, weight_tail
from components.evaluate.sequential_test import SequentialTest, look, turns
from components.evaluate.settings import EvaluateSettings
from components.evaluate.slope import CLIP, OPTIMISTIC, SWITCH, choose, tuned
from components.evaluate.weights import weights

__all__ = ["Estimate", "EvaluateSettings", "Evaluation", "evaluate"]

BIAS_SHARE = 0.1
"""Share of DR's standard error that shrinking weights may cost in bias, and by which intervals are then widened:
a tenth moves coverage by at most a point (with a quarter DRos covered 97.0 % instead of 95)."""


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
    segments: Mapping[str, np.ndarray] | None = None,
    sequential_test: SequentialTest | None = None,
) -> Evaluation:
    """Judge the challenger `target` against `champion` on requests neither learned from.

    Parameters
    ----------
    target, champion, parent : (nnz,) conditional probabilities; `parent` is the champion's own
        parent, given when the live champion itself is to be checked for a roll-back.
    q : (nnz,) expected reward of every entry by a model that has not seen these rewards, or None.
    value_range : smallest and largest reward of one position.
    segments : column -> (m,) labels of the requests, for values per segment.
    sequential_test : evidence of the challengers on hold before this one; None: one finished sample is all there is.

    Raises
    ------
    ContractBroken
        For policies, models or rewards that mean nothing; names row and column.
    """
    _check(log, target, champion, q, value_range)
    if parent is not None:
        check_policy(log, parent, "parent")
    share = request_share(log, settings)
    case = _Case(
        challenger=_parts(log, target, q, share),
        champion=_parts(log, champion, q, share),
        target=target,
        champion_policy=champion,
        settings=settings,
        bounds=_request_bounds(log, value_range),
    )
    ours, theirs = (
        diagnose(log, pi, p.weight, share) for pi, p in ((target, case.challenger), (champion, case.champion))
    )
    blank = Evaluation(
        kind=kind,
        diagnostics=ours,
        champion_diagnostics=theirs,
        refused=refusals(ours, settings) or refusals(theirs, settings),
        champion_value=None if refusals(theirs, settings) else case.estimate(_relied_on(case.champion)),
    )
    if blank.refused:
        return _refused(blank, case, sequential_test)
    judged = _judged(blank, case, sequential_test)
    if parent is not None:
        judged = _against_parent(judged, case, _parts(log, parent, q, share))
    return _pictured(judged, case, segments or {})


@dataclass(frozen=True)
class _Case:
    challenger: Parts
    champion: Parts
    target: Doubles
    champion_policy: Doubles
    settings: EvaluateSettings
    bounds: Interval

    @cached_property
    def pair(self) -> Paired:
        """What the gate reads: terms of the paired difference, and the spread they were bound to have."""
        spread = gap_spread(self.challenger, self.champion, self.target, self.champion_policy)
        return paired(self.challenger, self.champion, spread)

    def estimate(self, terms: Terms) -> Estimate:
        """A value with its interval, kept within what a request can earn."""
        found = skew_interval(terms.each, self.settings.alpha)
        lower, upper = found.lower, found.upper
        if lower == upper:
            lower, upper = lower - self._unseen(terms), upper + self._unseen(terms)
        return Estimate(
            terms.name, terms.value, max(lower, self.bounds.lower), min(upper, self.bounds.upper), terms.ess, found.kind
        )

    def _unseen(self, terms: Terms) -> float:
        """Rule of three: what m alike requests leave open about the next (Hanley and Lippman-Hand 1983)."""
        return 3 * (self.bounds.upper - self.bounds.lower) / terms.ess if terms.ess > 0 else math.inf

    def biased(self, terms: Terms, missing: float, *, downwards: bool) -> Estimate:
        """A value whose bias is at most `missing`; the interval is widened by it to where the bias may point."""
        plain = self.estimate(terms)
        if missing == 0:
            return plain
        lower = plain.lower if downwards else max(plain.lower - missing, self.bounds.lower)
        upper = min(plain.upper + missing, self.bounds.upper)
        return replace(plain, lower=lower, upper=upper, interval=f"{plain.interval}, widened by its bias bound")


def request_share(log: LoggedDecisions, settings: EvaluateSettings) -> Doubles | None:
    """(m,) weight of each request in every mean: subsampling undone, old requests decayed; None if all alike.

    ``h = 2^(-age / half-life) / (1 - p_drop)``; the ESS reported is that of ``h W``.
    """
    share = None
    if log.p_drop is not None:
        share = 1 / (1 - log.p_drop[log.starts])
    if settings.decay_half_life is not None:
        at = log.at[log.starts]
        decay = 0.5 ** ((at.max() - at) / (settings.decay_half_life * DAY))
        share = decay if share is None else share * decay
    return None if share is None else share / share.mean()


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


def _parts(log: LoggedDecisions, policy: Doubles, q: Doubles | None, share: Doubles | None) -> Parts:
    return parts(log, policy, q, weight=weights(log, policy, balanced=True), share=share)


def _request_bounds(log: LoggedDecisions, value_range: tuple[float, float]) -> Interval:
    slate = int(log.position.max()) + 1
    return Interval(min(value_range[0], slate * value_range[0]), slate * value_range[1], "range")


def _relied_on(p: Parts) -> Terms:
    return dr(p) if p.modelled else snips(p)


def _refused(blank: Evaluation, case: _Case, sequential_test: SequentialTest | None) -> Evaluation:
    """HOLD, with the model's word if there is a model, flagged by an interval of kind ``none``.

    A day that is merely too small adds its evidence to the sequential_test: many of them make a sample.
    """
    reasons = tuple(f"refused: {r}" for r in blank.refused)
    word = (_model_word(case.challenger),) if case.challenger.modelled else ()
    if sequential_test is not None and merely_small(blank.refused):
        sequential_test = sequential_test.add(GateState.of(case.pair, _relied_on(case.champion).each))
        kept = f"{sequential_test.state.count:,} held-out requests of {turns(sequential_test.turns)}"
        reasons = (*reasons, f"kept for later: {kept} so far")
    return replace(blank, estimates=word, verdict=Verdict.HOLD, reasons=reasons, sequential_test=sequential_test)


def _model_word(p: Parts) -> Estimate:
    terms = dm(p)
    return Estimate(terms.name, terms.value, math.nan, math.nan, terms.ess, "none")


def _judged(blank: Evaluation, case: _Case, sequential_test: SequentialTest | None) -> Evaluation:
    s = case.settings
    pair = case.pair
    weight = min(case.challenger.whole, case.champion.whole, key=effective)
    terms = Terms("paired DR" if case.challenger.modelled else "paired IPS", pair.corrected, weight)
    error = max(standard_error(terms.each), pair.expected_error)
    bounds = signed_interval(terms.each, s.alpha, error)
    gap = Estimate(terms.name, terms.value, bounds.lower, bounds.upper, terms.ess, bounds.kind)
    assert blank.champion_value is not None
    margin = s.margin * blank.champion_value.value
    estimated = _estimated(case)
    judged = replace(
        blank,
        estimates=estimated.estimates,
        slope_choice=estimated.slope_choice,
        difference=gap,
        margin=margin,
        detectable=float(ndtri(1 - s.alpha / 2) + ndtri(s.power)) * error,
    )
    if sequential_test is not None:
        return _judged_over_days(judged, case, sequential_test)
    decision = gate.judge(bounds, margin, blank.kind)
    return replace(judged, verdict=decision.verdict, reasons=decision.reasons)


def _judged_over_days(judged: Evaluation, case: _Case, sequential_test: SequentialTest) -> Evaluation:
    """The verdict by all days of a sequential test."""
    found = look(sequential_test, case.pair, _relied_on(case.champion).each, case.settings)
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


def _estimated(case: _Case) -> _Estimated:
    p = case.challenger
    terms = [e(p) for e in ([ips, snips, dr, sndr] if p.modelled else [ips, snips])]
    found = [case.estimate(t) for t in terms]
    reward = case.bounds.upper / (int(p.log.position.max()) + 1)
    budget = BIAS_SHARE * standard_error(terms[-1].each) / reward
    for shrink in (CLIP, SWITCH, OPTIMISTIC) if p.modelled else (CLIP,):
        chosen = tuned(p, shrink, budget)
        terms.append(chosen.terms)
        found.append(case.biased(chosen.terms, reward * chosen.removed, downwards=shrink is CLIP))
    choice = terms[choose(terms, case.settings.alpha)].name
    if p.modelled:
        found.append(_model_word(p))
    return _Estimated(tuple(found), choice)


def _against_parent(judged: Evaluation, case: _Case, parent: Parts) -> Evaluation:
    """ROLL_BACK where the live champion has fallen behind its own parent; else as judged."""
    older = diagnose(parent.log, None, parent.weight, parent.share)
    if refusals(older, case.settings) or judged.champion_value is None:
        return judged
    value = case.estimate(_relied_on(parent))
    gap = signed_interval(difference(case.champion, parent).each, case.settings.alpha)
    judged = replace(judged, parent_value=value)
    live = ips(case.champion).value
    if not gate.must_roll_back(live, Interval(value.lower, value.upper, value.interval), gap):
        return judged
    why = f"the champion's own value {live:.4f} is below its parent's lower bound {value.lower:.4f}"
    return replace(judged, verdict=Verdict.ROLL_BACK, reasons=(why, *judged.reasons))


def _pictured(judged: Evaluation, case: _Case, segments: Mapping[str, np.ndarray]) -> Evaluation:
    history, tail = ess_over_time(case.challenger), weight_tail(case.challenger)
    if not segments:
        return replace(judged, history=history, tail=tail)
    each = by_segment(segments, _relied_on(case.challenger), case.pair, case.settings.alpha)
    return replace(judged, history=history, tail=tail, segments=each)
