"""The page of a drift report and what was decided on it."""

import math
from collections.abc import Sequence

from components.domain import DriftAction
from components.drift.drift_action import ORDER, DriftDecision, Judged
from components.drift.drift_report import DriftReport, FieldDrift, ReferenceDrift
from components.pages.blocks import (
    Badge,
    Block,
    Column,
    Figure,
    KeyFigure,
    KeyFigures,
    Row,
    Section,
    Table,
    Text,
    Tone,
    show,
)
from components.pages.figures import BAD, REFERENCE, SERIES, Axis, Series
from components.pages.page import render
from components.pages.turn_pages import TurnPage, links_to

TONES = {
    DriftAction.NONE: Tone.PLAIN,
    DriftAction.REFRESH_MEMORY: Tone.OK,
    DriftAction.UPDATE: Tone.OK,
    DriftAction.WIDEN_EXPLORATION: Tone.WARN,
    DriftAction.REBUILD: Tone.WARN,
    DriftAction.HALT: Tone.BAD,
}
NAMES = {"training": "champion's training window", "last": "last window"}


def drift_page(
    report: DriftReport, decision: DriftDecision, subtitle: str = "", beside: Sequence[TurnPage] = ()
) -> str:
    """HTML of both, one file.

    Parameters
    ----------
    subtitle : which window and which champion.
    beside : the turn's other pages that lie in the same folder; among them `report.html` where it is kept.
    """
    sections = [
        Section("", [_tiles(report)]),
        Section("Decision", [Text(decision.reasons), _table(decision)]),
        Section("Is the champion still calibrated?", _calibration(report)),
        Section("Fields", _fields(report)),
        Section("Ids", [_ids(report)]),
    ]
    badge = Badge(str(decision.action), TONES[decision.action])
    return render("Drift", subtitle, sections, [badge], links_to(beside))


def _tiles(report: DriftReport) -> KeyFigures:
    calibration, against = report.calibration, [f"{_share(r.reward)} in {NAMES[r.name]}" for r in report.references]
    drifted = [f"{sum(f.drifted for f in r.fields)} of {len(r.fields)}" for r in report.references]
    late = Tone.WARN if calibration.z >= 3 else Tone.PLAIN
    return KeyFigures(
        [
            KeyFigure("Impressions", report.rows, f"{report.matured:,} with a known reward"),
            KeyFigure("Share rewarded", _share(report.reward), "; ".join(against)),
            KeyFigure(
                "Log loss",
                calibration.log_loss,
                f"expected {show(calibration.expected)}, z {show(calibration.z, '.1f')}",
                late,
            ),
            KeyFigure("AUC", calibration.auc, "champion, before it learned them"),
            KeyFigure("Fields drifted", drifted[0], "against the champion's training window"),
        ]
    )


def _table(decision: DriftDecision) -> Table:
    rows = [_line(judged) for judged in sorted(decision.judged, key=lambda j: -ORDER.index(j.rule.action))]
    caption = "The decision table, most serious action first. Followed: the most serious rule that held long enough."
    return Table(
        ["Action", "Figure", Column("Measured"), Column("Limit"), Column("Windows", numeric=True), "Rule"],
        rows,
        caption,
    )


def _line(judged: Judged) -> Row:
    rule = judged.rule
    windows = f"{judged.streak} of {rule.patience}"
    if judged.followed:
        badge = Badge("followed", TONES[rule.action])
    elif judged.resting:
        badge = Badge(f"rests for {judged.resting} more")
    else:
        badge = Badge("limit passed") if judged.holds else Badge("within limit")
    tone = TONES[rule.action] if judged.followed else Tone.PLAIN
    name = rule.figure.replace("_", " ")
    return Row([str(rule.action), name, judged.figure, judged.limit, windows, badge], tone)


def _calibration(report: DriftReport) -> list[Block]:
    p = report.calibration
    rows: list[Row] = [
        Row(["Log loss", p.log_loss, p.expected, "expected if these probabilities are right"]),
        Row(["Log loss", p.log_loss, p.constant, "a constant prediction: this window's share rewarded"]),
        Row(
            [
                "Calibration error",
                p.calibration_error,
                p.expected_calibration_error,
                "expected if calibrated, with this many rows",
            ]
        ),
        Row(["Share rewarded − mean probability", p.bias, 0.0, "no bias"]),
    ]
    table = Table(["Figure", Column("Measured", ".4f"), Column("Compared with", ".4f"), "Which is"], rows)
    if not report.bins:
        return [table]
    caption = "Ten groups of equally many impressions; on the dotted line the predictions are calibrated."
    return [table, _reliability(report, caption)]


def _fields(report: DriftReport) -> list[Block]:
    text = (
        "Jensen-Shannon distance between samples of the new window and of each reference: 0 where they agree, 0.83 "
        "where they share nothing. A field drifted when its distance is above its limit; the limit is higher for small "
        "windows. An id is compared by its popularity: how often it occurs in the reference."
    )
    if not report.training.fields:
        return [Text([text])]
    caption = "Bars: the distance; red marks: the limit of the field."
    return [Text([text]), _distances(report, caption), _field_table(report)]


def _field_table(report: DriftReport) -> Table:
    columns: list[Column | str] = ["Field"]
    for reference in report.references:
        columns += [Column(NAMES[reference.name].capitalize(), ".3f"), Column("Limit", ".3f"), "Against it"]
    found = [{f.column: f for f in (r.score, *r.fields)} for r in report.references]
    rows = []
    for column in found[0]:
        cells: list[str | float | Badge | None] = [column]
        for fields in found:
            drift = fields.get(column)
            cells += [None, None, None] if drift is None else [drift.distance, drift.limit, _badge(drift)]
        drifted = all(column in fields and fields[column].drifted for fields in found)
        rows.append(Row(cells, Tone.WARN if drifted else Tone.PLAIN))
    return Table(columns, rows)


def _badge(drift: FieldDrift) -> Badge:
    if math.isnan(drift.distance):
        return Badge("not measured")
    return Badge("drifted", Tone.WARN) if drift.drifted else Badge("steady", Tone.OK)


def _ids(report: DriftReport) -> Table:
    rows = [Row([i.column, NAMES[r.name], i.unseen, i.expected, i.excess]) for r in report.references for i in r.ids]
    return Table(
        ["Id", "Reference", Column("Unseen", ".1%"), Column("Expected", ".1%"), Column("Excess", "+.1%")],
        rows,
        caption="Share of impressions whose id is not in the reference, and the share expected if nothing had changed.",
        empty="The frames carry no ids.",
    )


def _share(value: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.1%}"


def _reliability(report: DriftReport, caption: str) -> Figure:
    scores, rewards = [b.score for b in report.bins], [b.reward for b in report.bins]
    error = [2 * math.sqrt(max(b.reward * (1 - b.reward), 0) / b.rows) for b in report.bins]
    ends = [min(*scores, *rewards), max(*scores, *rewards)]
    whiskers = [(r - e, r + e) for r, e in zip(rewards, error, strict=True)]
    series = [
        Series("calibrated", ends, ends, REFERENCE, dashed=True),
        Series("new window, two standard errors", scores, rewards, SERIES[0], "marks", y_ends=whiskers),
    ]
    axes = Axis("mean predicted probability"), Axis("share rewarded")
    return Figure("Share rewarded by predicted probability", *axes, series, caption)


def _distances(report: DriftReport, caption: str) -> Figure:
    limits = _ordered(report.training)
    columns = list(dict.fromkeys(f.column for r in report.references for f in _ordered(r)))
    series = [
        Series(NAMES[r.name], [f.distance for f in _ordered(r)], [f.column for f in _ordered(r)], ink, "bars")
        for r, ink in zip(report.references, SERIES, strict=False)
    ]
    series.append(Series("limit", [f.limit for f in limits], [f.column for f in limits], BAD, "marks", "tick"))
    axes = Axis("Jensen-Shannon distance, 0 to 0.83", zero=True), Axis("field", columns)
    return Figure("Distance by field", *axes, series, caption, 20 + 38 * len(columns))


def _ordered(reference: ReferenceDrift) -> list[FieldDrift]:
    return [reference.score, *reference.fields]
