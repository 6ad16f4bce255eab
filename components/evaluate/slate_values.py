"""A slate's value by position, and what it would be if users looked otherwise than from the top down.

Values by position rest on the gate's own estimator and add up to it. The other slate models are labelled alternatives:
the gate reads the one of its setting alone, but where whole-slate weights are refused they say what could be known,
and at which price.
"""

from components.domain import ContractBroken, Doubles
from components.evaluate.case import UNKNOWN, Case, Weighing, relied_on, whole_slates
from components.evaluate.diagnostics import diagnose, refusals
from components.evaluate.difference import paired
from components.evaluate.estimate import Estimate
from components.evaluate.estimators import Parts, controlled
from components.evaluate.evaluation import OtherModel, Slot
from components.evaluate.intervals import signed_interval
from components.evaluate.settings import SlateModel
from components.evaluate.slates import ASSUMED, WholeSlates, at_position


def by_position(case: Case) -> tuple[Slot, ...]:
    """What each position of the slate earns per request, and the paired difference there.

    Empty without slates, and where the champion's probabilities are not known.
    """
    log = case.challenger.log
    if log.single or case.champion_policy is None:
        return ()
    found = []
    for position in range(int(log.position.max()) + 1):
        ours, theirs = (at_position(p, position) for p in (case.challenger, case.champion))
        found.append(Slot(position, case.estimate(relied_on(ours)), _gap(case, ours, theirs, None)))
    return tuple(found)


def by_model(case: Case, q: Doubles | None) -> tuple[OtherModel, ...]:
    """Values under each slate model that the gate does not read, or why there are none; empty without slates."""
    log, champion = case.challenger.log, case.champion_policy
    if log.single:
        return ()
    others = [model for model in ASSUMED if model != case.weighing.model]
    if champion is None:
        return tuple(OtherModel(model, ASSUMED[model], UNKNOWN) for model in others)
    try:
        slates = case.weighing.slates or whole_slates(log, champion)
    except ContractBroken as error:
        return tuple(OtherModel(model, ASSUMED[model], str(error)) for model in others)
    return tuple(_under(model, slates, case, (case.target, champion), q) for model in others)


def _under(
    model: SlateModel, slates: WholeSlates, case: Case, policies: tuple[Doubles, Doubles], q: Doubles | None
) -> OtherModel:
    log, share = case.challenger.log, case.challenger.share
    weighing = Weighing() if model == "cascade" else Weighing(model, slates)
    try:
        ours, theirs = (weighing.parts(log, policy, q, share) for policy in policies)
        spread = weighing.gap_spread(ours, theirs, *policies)
    except ContractBroken as error:
        return OtherModel(model, ASSUMED[model], str(error))
    for p in (ours, theirs):
        refused = refusals(diagnose(log, None, p.weight, p.share), case.settings)
        if refused:
            return OtherModel(model, ASSUMED[model], f"refused: {refused[0]}")
    value = relied_on(ours) if model == "cascade" else controlled(ours)
    return OtherModel(model, ASSUMED[model], "", case.estimate(value), _gap(case, ours, theirs, spread))


def _gap(case: Case, ours: Parts, theirs: Parts, spread: Doubles | None) -> Estimate:
    pair = paired(ours, theirs, spread)
    bounds = signed_interval(pair.clustered, case.settings.alpha, pair.expected_error)
    name = "paired DR" if ours.modelled else "paired IPS"
    ess = min(relied_on(p).ess for p in (ours, theirs))
    return Estimate(name, float(pair.corrected.mean()), bounds.lower, bounds.upper, ess, bounds.kind)
