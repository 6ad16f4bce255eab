"""Measure drift against the last window and the champion's training window, and decide what to do about it."""

from dataclasses import replace

import numpy as np

from components.domain import DriftAction
from components.drift.contradiction import Excess, gone, worst
from components.drift.drift_action import DriftDecision, DriftState, decide
from components.drift.drift_frame import DriftFrame
from components.drift.drift_page import drift_page
from components.drift.drift_report import DriftReport
from components.drift.evidently_page import write_evidently
from components.drift.measure import measure
from components.pages.page import write_page
from components.pages.turn_pages import TurnPage
from components.ranker.strides import logits
from components.serving.served import Served
from components.sigmoid import sigmoid
from flows.stages.references import read_references
from flows.stages.results import DriftFound, TurnData
from flows.stages.training_data import TrainingData
from flows.turn import Turn
from warehouse import ledger, set_asides
from warehouse.records import DriftDecided, SetAsideStatus


def measure_drift(turn: Turn, data: TurnData) -> DriftFound:
    """Compare the window with its two references; written beside the turn and into the ledger."""
    if data.champion is None:
        return DriftFound(DriftAction.UPDATE, ("first generation: there is no reference yet",))
    report, decision = _decided(turn, data, data.champion)
    _write(turn, report, decision)
    return DriftFound(decision.action, decision.reasons, replace(report, html=""), decision.judged)


def watch_drift(turn: Turn, data: TurnData) -> DriftFound:
    """The same of a window that is still open: nothing is written or drawn, and no rule's streak goes on by it."""
    assert data.champion is not None, "a window is watched beside a champion"
    undrawn = turn.settings.model_copy(update={"drift": turn.settings.drift.model_copy(update={"page": False})})
    _, decision = _decided(replace(turn, settings=undrawn), data, data.champion)
    return DriftFound(decision.action, decision.reasons)


def _decided(turn: Turn, data: TurnData, champion: Served) -> tuple[DriftReport, DriftDecision]:
    frames, settings = _frames(turn, data, champion), turn.settings.drift
    report = measure(*frames, settings, turn.seed, _lost(data))
    before = ledger.drift_state(turn.warehouse, turn.window.cutoff)
    return report, decide(report, DriftState.from_json(before) if before else DriftState(), settings)


def contradicts(turn: Turn, data: TurnData) -> DriftFound | None:
    """What halts a turn over the window as it is so far, None if nothing does; looks, and writes nothing.

    The fields' distances, which cost most of a measurement, halt nobody.
    """
    if data.champion is None:
        return None
    frames, settings = _frames(turn, data, data.champion), turn.settings.drift.halting
    decision = decide(measure(*frames, settings, turn.seed, _lost(data), fields=False), DriftState(), settings)
    found = DriftFound(decision.action, decision.reasons)
    return found if found.halts else None


def _frames(turn: Turn, data: TurnData, champion: Served) -> tuple[DriftFrame, DriftFrame | None, DriftFrame]:
    """The window, the last one and the champion's training window; what a person accepted is looked at no more."""
    matured, shown = data.fresh.matured_at, data.fresh.examples.at
    looked_at = matured >= turn.window.start
    for made in set_asides.standing(turn.warehouse):
        if made.status is SetAsideStatus.ACCEPTED:
            looked_at &= (matured != made.learnable_at) & ~((shown >= made.start) & (shown < made.cutoff))
    references = read_references(turn, data)
    last = references.last
    return (
        _frame(turn, data.fresh if looked_at.all() else data.fresh.take(looked_at), champion),
        None if last is None else _frame(turn, last, champion),
        _frame(turn, references.training, champion),
    )


def _frame(turn: Turn, data: TrainingData, champion: Served) -> DriftFrame:
    """Scores as logged when the items were shown; the champion's own where the log has none."""
    logit = data.logit.copy()
    missing = np.isnan(logit)
    if missing.any():
        logit[missing] = logits(champion.model.predict, data.examples, np.flatnonzero(missing))
    score = np.where(np.isnan(data.score), logit, data.score)
    amount = None if turn.source.outcome.amounts is None else data.grade.astype(np.float64)
    frame = DriftFrame.of(data.examples, sigmoid(score), data.reward, turn.source.spec)
    return replace(frame, logit=logit, user=data.user, amount=amount)


def _lost(data: TurnData) -> Excess:
    """What the champion knows of users and items and the warehouse does not any more, of the worst field."""
    assert data.champion is not None
    found = []
    for then, now in (
        (data.champion.encoder.users, data.encoder.users),
        (data.champion.encoder.items, data.encoder.items),
    ):
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
