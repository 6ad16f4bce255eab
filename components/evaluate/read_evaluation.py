"""An evaluation read back from its JSON document."""

import json
import math
from typing import Any, TypeVar

from components.domain import ContractBroken, Refused, Verdict
from components.evaluate.diagnostics import Diagnostics
from components.evaluate.estimate import Estimate
from components.evaluate.evaluation import (
    Creep,
    EssAt,
    Evaluation,
    GuardrailFound,
    OtherModel,
    Segment,
    Slot,
    TailAt,
)
from components.evaluate.holdout import Dropped, HoldoutCounts
from components.evaluate.promise import Promise
from components.evaluate.propensity_audit import AuditedCell, PropensityAudit
from components.evaluate.sequential_test import Rest


def read_evaluation(text: str) -> Evaluation:
    """The evaluation that `to_json` wrote, without its sequential test.

    Raises
    ------
    ContractBroken
        If another release wrote it, with other figures.
    """
    try:
        return _read(json.loads(text))
    except (KeyError, TypeError) as error:
        raise ContractBroken(
            f"an evaluation has not the figures of this release ({error}); another one wrote it: go on in a new "
            "home, or with that release"
        ) from None


def _read(told: dict[str, Any]) -> Evaluation:
    both = ("value", "difference")
    read = {
        "diagnostics": _figures(Diagnostics, told["diagnostics"]),
        "champion_diagnostics": _figures(Diagnostics, told["champion_diagnostics"]),
        "refused": tuple(_figures(Refused, r) for r in told["refused"]),
        "estimates": tuple(Estimate.of(e) for e in told["estimates"]),
        "segments": tuple(
            Segment(**s | {name: Estimate.of(s[name]) for name in ("value", "difference")}) for s in told["segments"]
        ),
        "guardrails": tuple(
            GuardrailFound(
                **g
                | {name: Estimate.of(g[name]) for name in ("champion", "difference")}
                | {"reasons": tuple(g["reasons"])}
            )
            for g in told["guardrails"]
        ),
        "history": tuple(EssAt(**h) for h in told["history"]),
        "tail": tuple(TailAt(**t) for t in told["tail"]),
        "slots": tuple(Slot(**s | _estimates(s, *both)) for s in told["slots"]),
        "other_models": tuple(OtherModel(**o | _estimates(o, *both)) for o in told["other_models"]),
        "verdict": Verdict(told["verdict"]),
        "reasons": tuple(told["reasons"]),
        "warnings": tuple(told["warnings"]),
        "rest": _figures(Rest, told["rest"]) if told["rest"] else None,
        "audit": _audit(told["audit"]) if told["audit"] else None,
        "held_out": _held_out(told["held_out"]) if told["held_out"] else None,
        "promises": tuple(Promise(**p | _estimates(p, "promised", "earned", "gap")) for p in told["promises"]),
        "creep": _creep(told["creep"]) if told["creep"] else None,
    }
    values = ("champion_value", "parent_value", "difference", "second_opinion")
    return Evaluation(**told | read | {name: Estimate.of(told[name]) for name in values if told[name]})


def _audit(told: dict[str, Any]) -> PropensityAudit:
    return PropensityAudit(**told | {"worst": tuple(AuditedCell(**cell) for cell in told["worst"])})


def _held_out(told: dict[str, Any]) -> HoldoutCounts:
    return HoldoutCounts(**told | {"dropped": tuple(Dropped(**d) for d in told["dropped"])})


def _estimates(told: dict[str, Any], *names: str) -> dict[str, Estimate]:
    """Those of the named estimates that are there."""
    return {name: Estimate.of(told[name]) for name in names if told[name]}


def _creep(told: dict[str, Any]) -> Creep:
    return Creep(**told | {"difference": Estimate.of(told["difference"]) if told["difference"] else None})


Record = TypeVar("Record")


def _figures(kind: type[Record], told: dict[str, object]) -> Record:
    """A record of figures; a null among them is nan."""
    return kind(**{name: math.nan if value is None else value for name, value in told.items()})
