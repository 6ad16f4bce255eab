"""The guardrails of a turn: what the held-out requests say of each, and the evidence of the turns before."""

import json
from collections.abc import Sequence

import numpy as np
import pandas as pd

from components.coded import Coded
from components.domain import ContractBroken, Doubles, Ints, Keys
from components.evaluate.evaluation import GuardrailFound
from components.evaluate.guardrails import Guardrails, Measured
from components.evaluate.item_metrics import exposure, new_items, variety
from components.evaluate.metrics import Guardrail
from components.evaluate.sequential_test import SequentialTest
from components.feature_spec import FieldOf
from components.ingest.reward_rule import RewardRule
from components.ranker.features import Encoder, hash_ids
from components.whole_file import write_durably
from flows.stages.held_out import HeldOut
from flows.turn import Turn
from warehouse import facts

GUARDRAIL_TESTS = "guardrail_tests.json"
"""Beside the turn: the evidence of the challengers on hold, by guardrail, today's included."""


def guardrails_of(turn: Turn, held: HeldOut, encoder: Encoder) -> Guardrails | None:
    """The guardrails of the settings on the held-out requests; None where none is set.

    Raises
    ------
    ContractBroken
        For a field that the source's items do not have.
    """
    wanted = turn.settings.metrics.guardrails
    if not wanted or turn.champion is None:
        return None
    measured = tuple(_measured(turn, held, encoder, guardrail) for guardrail in wanted)
    return Guardrails(measured, _tests_so_far(turn, turn.champion))


def outcomes_of(turn: Turn, held: HeldOut, kind: str) -> Doubles:
    """(n,) what each held-out decision earned of a kind of outcome that is measured and not learned from.

    Raises
    ------
    ContractBroken
        For a kind that the source does not measure.
    """
    allowed = [m.kind for m in turn.source.measured]
    if kind not in allowed:
        raise ContractBroken(
            f"[metrics] names outcomes of kind {kind!r}; source {turn.source.name} measures "
            f"{', '.join(allowed) or 'none'} beside its reward; see measured in docs/sources.md"
        )
    rule = RewardRule.of(turn.source).beside(kind)
    request, since = held.requests.request_id, int(held.requests.at.min())
    known = facts.measured(turn.warehouse, request, since, facts.Maturing(kind, turn.source.attribution))
    shown = pd.MultiIndex.from_arrays([request[held.log.request], held.log.position])
    known = known.set_index(["request_id", "position"]).reindex(shown)
    return rule.earned(known["reward"].fillna(0.0).to_numpy(float), known["grade"].to_numpy(float))


def keep_guardrails(turn: Turn, found: Sequence[GuardrailFound]) -> None:
    """Keep the evidence for the next turn, while challengers are on hold."""
    _write(turn, {g.name: g.sequential_test.to_json() for g in found if g.sequential_test})


def carry_guardrails(turn: Turn) -> None:
    """Hand on what the turn before kept, on a turn that has no evidence of its own."""
    _write(turn, _kept(turn))


def _write(turn: Turn, tests: dict[str, str]) -> None:
    path = turn.folder / GUARDRAIL_TESTS
    if not tests:
        path.unlink(missing_ok=True)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    write_durably(path, json.dumps(tests).encode())


def _kept(turn: Turn) -> dict[str, str]:
    path = turn.workspace.turn(turn.window.start) / GUARDRAIL_TESTS
    return json.loads(path.read_text()) if path.exists() else {}


def _tests_so_far(turn: Turn, champion: int) -> dict[str, SequentialTest]:
    """What the turn before kept, of each guardrail that stood against today's champion, else a test that begins."""
    tests = {g.name: SequentialTest(champion, "update") for g in turn.settings.metrics.guardrails}
    told = {name: SequentialTest.from_json(text) for name, text in _kept(turn).items() if name in tests}
    return tests | {name: test for name, test in told.items() if test.champion == champion}


def _measured(turn: Turn, held: HeldOut, encoder: Encoder, guardrail: Guardrail) -> Measured:
    if guardrail.kind is not None:
        earned, rule = outcomes_of(turn, held, guardrail.kind), RewardRule.of(turn.source).beside(guardrail.kind)
        return Measured(guardrail.name, earned, None, guardrail.margin, largest=rule.value_range[1])
    q = _of_items(turn, held, encoder, guardrail)
    return Measured(guardrail.name, q[held.log.action], q, guardrail.margin)


def _of_items(turn: Turn, held: HeldOut, encoder: Encoder, guardrail: Guardrail) -> Doubles:
    """(nnz,) what each entry is worth to a metric that is known before it is shown."""
    item = held.requests.item.take(held.entry)
    if guardrail.measures == "new_items":
        return new_items(held.log, _first_shown(turn, item), guardrail.days)
    keys = _keys(encoder, guardrail, item)
    if guardrail.measures == "variety":
        return variety(held.log, keys)
    field = next(f for f in encoder.spec.fields if f.name == guardrail.field)
    return exposure(keys, hash_ids(field.vocabulary, [guardrail.value])[0])


def _first_shown(turn: Turn, item: Coded) -> Ints:
    known = facts.first_shown(turn.warehouse).set_index("item_id")["first_at"]
    never = np.iinfo(np.int64).max
    return pd.Series(item.distinct).map(known).fillna(never).to_numpy(np.int64)[item.codes]


def _keys(encoder: Encoder, guardrail: Guardrail, item: Coded) -> Keys:
    known = encoder.items.keys
    if guardrail.field not in known:
        allowed = ", ".join(f.name for f in encoder.spec.fields if f.of is FieldOf.ITEM and f.name in known) or "none"
        raise ContractBroken(
            f"guardrail {guardrail.name}: the source's items have no field {guardrail.field!r}; allowed are {allowed}; "
            "see [metrics] in docs/settings.md"
        )
    return known[str(guardrail.field)][encoder.items.rows(item.distinct)][item.codes]
