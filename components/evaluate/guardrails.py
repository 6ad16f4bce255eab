"""Guardrails: metrics that a release must not harm, beside the one that is to be improved.

A challenger is released if the gate's metric passes *and* every guardrail has shown that it does not fall by more
than its margin. That is an intersection-union test: each part is read at the full level and the whole still
errs with at most that (Berger 1982, Technometrics 24, section 2), for it errs only where every part passes and
one of them should not. What it costs is power: a guardrail with little evidence holds a good release.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from components.domain import Doubles, Verdict
from components.evaluate.bounded_gain import gain_for
from components.evaluate.case import Case, relied_on, request_bounds
from components.evaluate.estimate import Estimate
from components.evaluate.estimators import Parts
from components.evaluate.evaluation import Evaluation, GuardrailFound
from components.evaluate.gate import GateState
from components.evaluate.intervals import Interval, signed_interval
from components.evaluate.sequential_test import Look, SequentialTest, look


@dataclass(frozen=True)
class Measured:
    """A metric on the log that the gate reads.

    Attributes
    ----------
    reward : (n,) what each decision earned of it, in [0, `largest`].
    q : (nnz,) what each entry would earn; exact for what is known of an item before it is shown, then the
        difference of two policies has no noise of outcomes; None where nothing is known.
    margin : share of the champion's value by which it may fall.
    """

    name: str
    reward: Doubles
    q: Doubles | None
    margin: float
    largest: float = 1.0


@dataclass(frozen=True)
class Guardrails:
    """The guardrails of a judgement, and for each by name the evidence of the challengers on hold before this one."""

    measured: tuple[Measured, ...]
    tests: Mapping[str, SequentialTest]


def guarded(judged: Evaluation, case: Case, guardrails: Guardrails) -> Evaluation:
    """The evaluation with its guardrails; HOLD where one of them has not passed."""
    found = tuple(_found(_own(case, m), m.name, guardrails.tests[m.name]) for m in guardrails.measured)
    judged = replace(judged, guardrails=found)
    held = tuple(f"guardrail {g.name}: {reason}" for g in found if not g.passed for reason in g.reasons)
    if not held or judged.verdict is Verdict.ROLL_BACK:
        return judged
    return replace(judged, verdict=Verdict.HOLD, reasons=(*held, *judged.reasons))


def waiting(case: Case, guardrails: Guardrails, *, small: bool) -> tuple[GuardrailFound, ...]:
    """The guardrails on a day that is refused: with its evidence where it is merely too `small`, else as they were."""
    return tuple((_too_small if small else _unread)(_own(case, m), m.name, guardrails) for m in guardrails.measured)


def _too_small(own: Case, name: str, guardrails: Guardrails) -> GuardrailFound:
    test = guardrails.tests[name]
    test = test.add(GateState.of(own.pair, relied_on(own.champion).each), gain_for(test, own))
    return _told(own, name, False, ("too small to be looked at alone",), test)


def _unread(own: Case, name: str, guardrails: Guardrails) -> GuardrailFound:
    test = guardrails.tests[name]
    test = test.add(GateState.empty(), gain_for(test, own))
    none = Estimate("none", math.nan, math.nan, math.nan, math.nan, "none")
    return GuardrailFound(name, own.settings.margin, none, none, False, ("refused, as the day is",), test)


def _found(own: Case, name: str, test: SequentialTest) -> GuardrailFound:
    looked = look(test, own.pair, relied_on(own.champion).each, own.settings, gain_for(test, own))
    return _told(own, name, _passes(own, looked), looked.decision.reasons, looked.sequential_test)


def _passes(own: Case, looked: Look) -> bool:
    """What both policies are known to have alike cannot have fallen, though nothing can lie above a floor of 0."""
    return looked.decision.verdict is Verdict.PROMOTE or not own.pair.a.any()


def _told(own: Case, name: str, passed: bool, reasons: tuple[str, ...], test: SequentialTest) -> GuardrailFound:
    champion, bounds = own.estimate(relied_on(own.champion)), _gap(own)
    gap = Estimate("paired", float(own.pair.corrected.mean()), bounds.lower, bounds.upper, champion.ess, bounds.kind)
    return GuardrailFound(name, own.settings.margin, champion, gap, passed, reasons, test)


def _gap(own: Case) -> Interval:
    return signed_interval(own.pair.clustered, own.settings.alpha, own.pair.expected_error)


def _own(case: Case, metric: Measured) -> Case:
    """The same decisions and weights, with the rewards and the margin of another metric."""
    log = replace(case.challenger.log, reward=np.asarray(metric.reward, float))

    def of(p: Parts, policy: Doubles | None) -> Parts:
        return replace(case.weighing.parts(log, policy, metric.q, p.share), weight=p.weight)

    return replace(
        case,
        challenger=of(case.challenger, case.target),
        champion=of(case.champion, case.champion_policy),
        settings=case.settings.model_copy(update={"margin": metric.margin}),
        bounds=request_bounds(log, (0.0, metric.largest)),
    )
