"""Measure drift against the last window and the champion's training window, and decide what to do about it."""

from dataclasses import replace

import numpy as np

from components.domain import Bools, DriftAction
from components.drift.contradiction import Excess, gone, worst
from components.drift.drift_action import DriftDecision, DriftState, decide
from components.drift.drift_page import drift_page
from components.drift.drift_report import DriftReport
from components.drift.evidently_page import write_evidently
from components.drift.measure import Looked, measure, measure_contradiction
from components.pages.page import write_page
from components.pages.turn_pages import TurnPage
from components.ranker.features import Encoder
from flows.stages.references import DriftReferences, frame_of, keep_window, read_references
from flows.stages.results import DriftFound, Latest, TurnData
from flows.stages.training_data import TrainingData
from flows.turn import Turn
from warehouse import ledger, set_asides
from warehouse.records import DriftDecided, SetAsideStatus


def measure_drift(turn: Turn, data: TurnData) -> DriftFound:
    """Compare the window with its two references; written beside the turn and into the ledger."""
    inside = data.fresh.matured_at >= turn.window.start
    if data.champion is None:
        keep_window(turn, data.fresh, inside)
        return DriftFound(DriftAction.UPDATE, ("first generation: there is no reference yet",))
    looked_at = _looked_at(turn, data.fresh)
    current = Looked.at(frame_of(turn, data.fresh, data.champion.model, looked_at))
    report, decision = _decided(turn, data, current, read_references(turn, data.encoder, data.champion))
    _write(turn, report, decision)
    if decision.action is not DriftAction.HALT:
        keep_window(turn, data.fresh, inside, current.counts if (looked_at == inside).all() else None)
    return DriftFound(decision.action, decision.reasons, replace(report, html=""), decision.judged)


def watch_drift(turn: Turn, data: TurnData) -> DriftFound:
    """The same of a window that is still open: nothing is decided or drawn, and no rule's streak goes on by it."""
    assert data.champion is not None, "a window is watched beside a champion"
    undrawn = turn.settings.model_copy(update={"drift": turn.settings.drift.model_copy(update={"page": False})})
    current = Looked.at(frame_of(turn, data.fresh, data.champion.model, _looked_at(turn, data.fresh)))
    references = read_references(turn, data.encoder, data.champion)
    _, decision = _decided(replace(turn, settings=undrawn), data, current, references)
    return DriftFound(decision.action, decision.reasons)


def contradicts(turn: Turn, latest: Latest) -> DriftFound | None:
    """What halts a turn over what came lately, None if nothing does; the ledger is told nothing.

    The fields' distances, which halt nobody, are not measured.
    """
    usual = read_references(turn, latest.encoder, latest.champion)
    current = Looked.at(frame_of(turn, latest.rows, latest.champion.model, _looked_at(turn, latest.rows)))
    lost = _lost(latest.champion.encoder, latest.encoder)
    report = measure_contradiction(current, usual.last, usual.training, lost)
    decision = decide(report, DriftState(), turn.settings.drift.halting)
    found = DriftFound(decision.action, decision.reasons)
    return found if found.halts else None


def _looked_at(turn: Turn, rows: TrainingData) -> Bools:
    """(n,) what became known in the window; what a person accepted is looked at no more."""
    matured, shown = rows.matured_at, rows.examples.at
    looked_at = matured >= turn.window.start
    for made in set_asides.standing(turn.warehouse):
        if made.status is SetAsideStatus.ACCEPTED:
            looked_at &= (matured != made.learnable_at) & ~((shown >= made.start) & (shown < made.cutoff))
    return np.asarray(looked_at)


def _decided(turn: Turn, data: TurnData, current: Looked, usual: DriftReferences) -> tuple[DriftReport, DriftDecision]:
    assert data.champion is not None, "drift is measured beside a champion"
    settings, lost = turn.settings.drift, _lost(data.champion.encoder, data.encoder)
    report = measure(current, usual.last, usual.training, settings, turn.seed, lost)
    before = ledger.drift_state(turn.warehouse, turn.window.cutoff)
    return report, decide(report, DriftState.from_json(before) if before else DriftState(), settings)


def _lost(before: Encoder, after: Encoder) -> Excess:
    """What the champion knows of users and items and the warehouse does not any more, of the worst field."""
    found = []
    for then, now in ((before.users, after.users), (before.items, after.items)):
        row = now.rows(then.ids.to_numpy(object))
        found += [
            Excess(name, gone(keys[:-1, 0], now.keys[name][row, 0]), 0.0)
            for name, keys in then.keys.items()
            if name in now.keys and len(row)
        ]
    return worst(found)


def _of_amounts(turn: Turn) -> str:
    """Rewards that are amounts drift in whether and in how much; what is measured here is whether."""
    scale = turn.source.outcome.amounts
    return "" if scale is None else f"; rewarded is any amount above 0 {scale.unit}, whatever its size"


def _write(turn: Turn, report: DriftReport, decision: DriftDecision) -> None:
    assert turn.champion is not None, "drift is measured against a champion"
    subtitle = f"{turn.window}, champion generation {turn.champion}{_of_amounts(turn)}"
    beside = [TurnPage.VALIDATION]
    if report.html:
        write_evidently(turn.workspace.reports, turn.pages, report.html)
        beside.append(TurnPage.EVIDENTLY)
    write_page(turn.pages / TurnPage.DRIFT.file, drift_page(report, decision, subtitle, beside))
    write_page(turn.folder / "drift.json", report.to_json())
    decided = DriftDecided(
        cutoff=turn.window.cutoff,
        champion=turn.champion,
        action=decision.action.value,
        reasons=decision.reasons,
        state=decision.state.to_json(),
        report=report.to_json(),
    )
    ledger.record_drift(turn.warehouse, decided)
