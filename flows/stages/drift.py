"""Measure drift against the last window and the champion's training window, and decide what to do about it."""

import numpy as np

from components.domain import DriftAction, Window
from components.drift.drift_action import DriftDecision, DriftState, decide
from components.drift.drift_frame import DriftFrame
from components.drift.drift_page import drift_page
from components.drift.drift_report import DriftReport, measure
from components.pages.page import write_page
from components.publish.bundle import load_bundle
from components.serving.served import Served
from flows.stages.results import Drift, Learnable
from flows.stages.training_data import Known, read_matured
from flows.turn import Turn
from warehouse import query
from warehouse.connect import warehouse


def measure_drift(turn: Turn, learnable: Learnable) -> Drift:
    """Compare the window with its two references; written beside the turn and into the ledger."""
    if turn.champion is None:
        return Drift(DriftAction.UPDATE, ("first generation: there is no reference yet",))
    champion = load_bundle(turn.home.bundle(turn.champion))
    inside = learnable.fresh.frame["matured_at"].to_numpy() >= turn.window.start
    training, last = _references(turn, learnable)
    report = measure(
        _frame(turn, learnable.fresh.take(inside), champion),
        _frame(turn, last, champion) if last is not None else None,
        _frame(turn, training, champion),
        turn.settings.drift,
        turn.seed,
    )
    decision = decide(report, _state(turn), turn.settings.drift)
    _write(turn, report, decision)
    return Drift(decision.action, decision.reasons)


def _references(turn: Turn, learnable: Learnable) -> "tuple[Known, Known | None]":
    source = turn.source
    with warehouse(turn.home.warehouse) as connection:
        made = query.rows(connection, "06_ledger/generation", generation=turn.champion)[0]
        window = Window(int(str(made["start"])), int(str(made["cutoff"])))
        training = read_matured(connection, source, learnable.encoder, window.start, window.cutoff)
        previous = query.rows(connection, "06_ledger/last_window", source=source.name, cutoff=turn.window.cutoff)
        if not previous or int(str(previous[0]["cutoff"])) == window.cutoff:
            return training, None  # the champion was trained on the last window: one reference says it all
        start, cutoff = int(str(previous[0]["start"])), int(str(previous[0]["cutoff"]))
        return training, read_matured(connection, source, learnable.encoder, start, cutoff)


def _frame(turn: Turn, known: Known, champion: Served) -> DriftFrame:
    """Scores as logged when the items were shown; the champion's own where the log has none."""
    logit = known.frame["score"].to_numpy(float, copy=True)
    missing = np.isnan(logit)
    if missing.any():
        logit[missing] = champion.model.predict(known.examples.take(missing)).logit
    score = 1 / (1 + np.exp(-logit))
    return DriftFrame.of(known.examples, score, known.matured.reward, turn.source.spec)


def _state(turn: Turn) -> DriftState:
    with warehouse(turn.home.warehouse) as connection:
        found = query.rows(connection, "06_ledger/drift_state", source=turn.source.name, cutoff=turn.window.cutoff)
    return DriftState.from_json(str(found[0]["state"])) if found else DriftState()


def _write(turn: Turn, report: DriftReport, decision: DriftDecision) -> None:
    folder = turn.home.turn(turn.window.cutoff)
    write_page(
        folder / "drift.html",
        drift_page(report, decision, subtitle=f"{turn.window}, champion generation {turn.champion}"),
    )
    write_page(folder / "drift-evidently.html", report.html)
    write_page(folder / "drift.json", report.to_json())
    with warehouse(turn.home.warehouse) as connection:
        query.execute(
            connection,
            "06_ledger/record_drift",
            source=turn.source.name,
            cutoff=turn.window.cutoff,
            champion=turn.champion,
            action=decision.action.value,
            reasons=list(decision.reasons),
            state=decision.state.to_json(),
            report=report.to_json(),
        )
