"""Drift: the action and why, the decision table, calibration, and every field against both references.

Artifact ``drift``.
"""

from collections.abc import Iterable, Sequence

from components.domain import DriftAction
from components.drift.drift_action import ORDER, Judged
from components.drift.drift_page import NAMES
from components.drift.drift_report import DriftReport, FieldDrift
from components.pages.turn_pages import TurnPage
from flows.control_room.events import DriftEvent, Event
from flows.control_room.links import linked_page
from flows.control_room.log_line import Figures
from flows.control_room.markdown import Cell, bullets, table, text
from flows.control_room.shown import Markdown, Shown
from flows.stages.results import DriftFound
from flows.turn import Turn


def shown(turn: Turn, drift: DriftFound) -> Iterable[Shown]:
    """One page; before the first generation there is nothing to compare with, and it says so."""
    body = f"# {text(drift.action.value)}\n\n{bullets(drift.reasons)}"
    if drift.report is not None:
        body += (
            f"\n## Fields\n\n{_fields(drift.report)}\n## Calibration of the champion\n\n{_calibration(drift.report)}"
            f"\n## Decision table\n\n{_decisions(drift.judged)}{linked_page(turn, TurnPage.DRIFT)}"
        )
    yield Markdown("drift", _headline(drift), body)


def _headline(drift: DriftFound) -> str:
    action, reason = drift.action.value, drift.reasons[0]
    return reason if reason.startswith(action) else f"{action}: {reason}"


def figures(turn: Turn, drift: DriftFound) -> Figures:
    """For the log."""
    report = drift.report
    if report is None:
        return {"action": drift.action.value, "reason": drift.reasons[0]}
    return {
        "generation": turn.champion,
        "action": drift.action.value,
        "rows": report.rows,
        "matured": report.matured,
        "log_loss": report.calibration.log_loss,
        "z": report.calibration.z,
        "fields_drifted": sum(field.drifted for field in report.training.fields),
        "reason": drift.reasons[0],
    }


def events(turn: Turn, drift: DriftFound) -> Iterable[Event]:
    """What asks for more than an update is an event."""
    if ORDER.index(drift.action) > ORDER.index(DriftAction.UPDATE):
        yield DriftEvent.of(turn, drift.action, drift.reasons)


def _fields(report: DriftReport) -> str:
    """Distance and limit of every field against each reference; a mark where it drifted."""
    found = [{f.column: f for f in (r.score, *r.fields)} for r in report.references]
    head = ["field", *(words for r in report.references for words in (NAMES[r.name], "limit", ""))]
    rows: list[Sequence[Cell]] = []
    for column in found[0]:
        cells: list[Cell] = [column]
        for fields in found:
            cells += _against(fields.get(column))
        rows.append(cells)
    return table(head, rows)


def _against(field: FieldDrift | None) -> list[Cell]:
    return [None, None, None] if field is None else [field.distance, field.limit, "DRIFTED" if field.drifted else "ok"]


def _calibration(report: DriftReport) -> str:
    c = report.calibration
    rows: list[Sequence[Cell]] = [
        ("log loss", c.log_loss, c.expected, "expected if its probabilities are right"),
        ("z of that difference", c.z, 3.0, "from which on it is no longer calibrated"),
        ("log loss", c.log_loss, c.constant, "of one number for everybody"),
        ("calibration error", c.calibration_error, c.expected_calibration_error, "expected at this many rows"),
        ("share rewarded less mean probability", c.bias, 0.0, "no bias"),
        ("AUC", c.auc, 0.5, "chance"),
    ]
    return table(("figure", "measured", "compared with", "which is"), rows)


def _decisions(judged: Sequence[Judged]) -> str:
    rows = [
        (j.rule.action.value, j.rule.figure, j.figure, j.limit, f"{j.streak} of {j.rule.patience}", _stands(j))
        for j in sorted(judged, key=lambda j: -ORDER.index(j.rule.action))
    ]
    return table(("action", "figure", "measured", "limit", "windows", ""), rows)


def _stands(judged: Judged) -> str:
    if judged.followed:
        return "FOLLOWED"
    if judged.resting:
        return f"rests for {judged.resting} more"
    return "limit passed" if judged.holds else "within limit"
