"""Measure drift against the last window and the champion's training window, and decide what to do about it."""

from dataclasses import replace

import numpy as np

from components.domain import DriftAction
from components.drift.drift_action import DriftDecision, DriftState, decide
from components.drift.drift_frame import DriftFrame
from components.drift.drift_page import drift_page
from components.drift.drift_report import DriftReport
from components.drift.measure import measure
from components.pages.page import write_page
from components.pages.turn_pages import TurnPage
from components.serving.served import Served
from components.sigmoid import sigmoid
from flows.stages.results import DriftFound, DriftReferences, TurnData
from flows.stages.training_data import TrainingData
from flows.turn import Turn
from warehouse import ledger
from warehouse.records import DriftDecided


def measure_drift(turn: Turn, data: TurnData) -> DriftFound:
    """Compare the window with its two references; written beside the turn and into the ledger."""
    if data.champion is None or data.references is None:
        return DriftFound(DriftAction.UPDATE, ("first generation: there is no reference yet",))
    report, decision = _decided(turn, data.champion, data.references, data.fresh)
    _write(turn, report, decision)
    return DriftFound(decision.action, decision.reasons)


def watch_drift(turn: Turn, data: TurnData) -> DriftFound:
    """The same of a window that is still open: nothing is written or drawn, and no rule's streak goes on by it."""
    assert data.champion is not None and data.references is not None, "a window is watched beside a champion"
    undrawn = turn.settings.model_copy(update={"drift": turn.settings.drift.model_copy(update={"page": False})})
    _, decision = _decided(replace(turn, settings=undrawn), data.champion, data.references, data.fresh)
    return DriftFound(decision.action, decision.reasons)


def _decided(
    turn: Turn, champion: Served, references: DriftReferences, fresh: TrainingData
) -> tuple[DriftReport, DriftDecision]:
    inside = fresh.frame["matured_at"].to_numpy() >= turn.window.start
    last = references.last
    report = measure(
        _frame(turn, fresh.take(inside), champion),
        None if last is None else _frame(turn, last, champion),
        _frame(turn, references.training, champion),
        turn.settings.drift,
        turn.seed,
    )
    before = ledger.drift_state(turn.warehouse, turn.window.cutoff)
    return report, decide(report, DriftState.from_json(before) if before else DriftState(), turn.settings.drift)


def _frame(turn: Turn, data: TrainingData, champion: Served) -> DriftFrame:
    """Scores as logged when the items were shown; the champion's own where the log has none."""
    logit = data.frame["score"].to_numpy(float, copy=True)
    missing = np.isnan(logit)
    if missing.any():
        logit[missing] = champion.model.predict(data.examples.take(missing)).logit
    return DriftFrame.of(data.examples, sigmoid(logit), data.matured.reward, turn.source.spec)


def _of_amounts(turn: Turn) -> str:
    """Rewards that are amounts drift in whether and in how much; what is measured here is whether."""
    scale = turn.source.outcome.amounts
    return "" if scale is None else f"; rewarded is any amount above 0 {scale.unit}, whatever its size"


def _write(turn: Turn, report: DriftReport, decision: DriftDecision) -> None:
    assert turn.champion is not None, "drift is measured against a champion"
    subtitle = f"{turn.window}, champion generation {turn.champion}{_of_amounts(turn)}"
    beside = [TurnPage.VALIDATION]
    if report.html:
        write_page(turn.folder / TurnPage.EVIDENTLY.file, report.html)
        beside.append(TurnPage.EVIDENTLY)
    write_page(turn.folder / TurnPage.DRIFT.file, drift_page(report, decision, subtitle, beside))
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
