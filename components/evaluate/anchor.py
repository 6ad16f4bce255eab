"""The challenger beside the anchor of its champion: what a release may still lose, and what this one would have spent.

Two ways to stay within the budget, of which one suffices. By the chain: what the releases since the anchor may have
lost together, and this one's own loss that its test leaves possible. Directly: the paired difference to the anchor on
the same requests. The chain needs no old model to be comparable, the direct comparison forgives a chain of tests
that were merely small.
"""

from dataclasses import dataclass, replace

from components.domain import Doubles, Verdict
from components.evaluate.case import Case, relied_on
from components.evaluate.creep import Released, Standing
from components.evaluate.diagnostics import diagnose, refusals
from components.evaluate.difference import paired
from components.evaluate.estimate import Estimate
from components.evaluate.estimators import Parts
from components.evaluate.evaluation import Creep, Evaluation
from components.evaluate.intervals import signed_interval
from components.evaluate.settings import EvaluateSettings


@dataclass(frozen=True)
class Anchor:
    """The champion's `standing`, and the (nnz,) conditional probabilities of its anchor's `policy`.

    `policy` is None where the anchor is the champion itself or is kept no more: the chain alone decides then.
    """

    standing: Standing
    policy: Doubles | None


def creep_of(case: Case, anchor: Anchor, q: Doubles | None) -> Creep:
    """What stands before the verdict: the budget, what is spent of it, and the challenger beside the anchor."""
    standing, s = anchor.standing, case.settings
    creep = Creep(standing.anchor, s.creep_budget, standing.spent, min(s.margin, standing.left(s.creep_budget)))
    if anchor.policy is None:
        return creep
    log = case.challenger.log
    theirs = case.weighing.parts(log, anchor.policy, q, case.challenger.share)
    if refusals(diagnose(log, None, theirs.weight, theirs.share), s):
        return creep
    gap, value = _gap(case, theirs, anchor.policy), relied_on(theirs).value
    loss = -gap.lower / value if value > 0 else 0.0
    allowed = s.margin if loss <= s.creep_budget else creep.allowed
    return replace(creep, difference=gap, loss=loss, allowed=allowed)


def within_budget(case: Case, creep: Creep) -> Case:
    """The case with the margin that is left."""
    return replace(case, settings=case.settings.model_copy(update={"margin": creep.allowed}))


def after_release(standing: Standing, generation: int, creep: Creep, settings: EvaluateSettings) -> Standing:
    """What a challenger stands on once it is released as `generation`; `standing` is its predecessor's."""
    assert creep.would_spend is not None, "what was released was judged"
    return standing.after(Released(generation, creep.would_spend), settings.anchor_releases)


def settled(judged: Evaluation, creep: Creep, settings: EvaluateSettings) -> Evaluation:
    """The evaluation with what a release would spend; HOLD where the challenger is surely worse than the anchor."""
    assert judged.champion_value is not None and judged.difference is not None
    gap = judged.rest or judged.difference
    value = judged.champion_value.value
    chain = creep.spent - (gap.lower / value if value > 0 else 0.0)
    creep = replace(creep, would_spend=chain if creep.loss is None else min(chain, creep.loss))
    judged = replace(judged, creep=creep)
    if creep.difference is not None and creep.difference.upper < 0 and judged.verdict is Verdict.PROMOTE:
        why = f"worse than its anchor, generation {creep.anchor}: upper bound {creep.difference.upper:+.4f} is below 0"
        return replace(judged, verdict=Verdict.HOLD, reasons=(why, *judged.reasons))
    if creep.allowed < settings.margin and judged.kind == "update":
        return replace(judged, reasons=(*judged.reasons, str(creep)))
    return judged


def _gap(case: Case, anchor: Parts, policy: Doubles) -> Estimate:
    pair = paired(case.challenger, anchor, case.weighing.gap_spread(case.challenger, anchor, case.target, policy))
    bounds = signed_interval(pair.clustered, case.settings.alpha, pair.expected_error)
    ess = min(relied_on(p).ess for p in (case.challenger, anchor))
    return Estimate("paired", float(pair.corrected.mean()), bounds.lower, bounds.upper, ess, bounds.kind)
