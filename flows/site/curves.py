"""How things went, turn by turn: quality, value, drift, volumes, trust and costs, each as a figure or a heat map."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from components.evaluate.evaluation import earned_in
from components.pages.blocks import Block, Figure, HeatMap, Section, SideBySide, Text
from components.pages.figures import BAD, REFERENCE, SERIES, Axis, Ink, Series, Value
from components.pages.heat_map import HeatCell
from flows.site.history import DriftTold, FieldTold, History, ReferenceTold, SiteTurn

ARMS = {"frozen": "generation 1, frozen", "champion": "champion", "champion_with_memory": "champion with memory"}
INKS: dict[str, Ink] = {"frozen": REFERENCE, "champion": SERIES[0], "champion_with_memory": SERIES[1]}
MOST_STAGES = 6
"""Stages drawn with a colour of their own; the others are one."""


def quality_section(history: History) -> Section:
    """How good the champion was on outcomes it had not learned; and what the loop bought, where a replay knows it."""
    measured = [t for t in history.turns if t.drift is not None]
    blocks: list[Block] = [Text([PROGRESSIVE])]
    if measured:
        blocks += [_log_loss(measured), SideBySide([_calibration(measured), _auc(measured)])]
    if any(t.replayed for t in history.turns):
        replayed = [t for t in history.turns if t.replayed]
        arms = [_arms(replayed, "auc", "AUC"), _arms(replayed, "log_loss", "Log loss, nats")]
        blocks += [Text([REPLAYED]), SideBySide(arms)]
    return Section("Quality", blocks, "quality")


PROGRESSIVE = (
    "What the champion said of each window's impressions when they were shown, memory included, against what came: "
    "every outcome is held against it before anybody learns it, so this is what users got."
)
REPLAYED = (
    "The replay knows what people thought of everything else, too: every interaction of the period after a turn, "
    "scored before its outcome was known."
)


def value_section(history: History) -> Section:
    """Policy value of each challenger with its interval, and the truth where a world knows it."""
    judged = [t for t in history.turns if t.record.value.estimate is not None]
    words = f"Expected {earned_in(history.unit)} of each challenger, estimated on requests that nobody learned from."
    blocks: list[Block] = [Text([words])]
    if judged:
        blocks += [_values(judged, earned_in(history.unit)), *_differences(judged, earned_in(history.unit))]
    return Section("Policy value", blocks, "value")


def drift_section(history: History) -> Section:
    """Heat map of fields and turns against the champion's training window, and against the last one."""
    measured = [(t, t.drift) for t in history.turns if t.drift is not None]
    text = (
        "Jensen-Shannon distance of each window from what the champion was trained on, and from the window before, "
        "as a multiple of the field's limit; above 1 it drifted, and is marked with an exclamation mark."
    )
    maps: list[Block] = []
    for title, of in REFERENCES.items():
        if any(of(drift) for _, drift in measured):
            maps.append(_heat(title, [t for t, _ in measured], [of(drift) for _, drift in measured]))
    actions = Counter(t.record.drift_action for t, _ in measured)
    said = ", ".join(f"{action} {count}" for action, count in actions.most_common())
    return Section("Drift", [Text([text, f"What was done about it, in turns: {said}."]), *maps], "drift")


REFERENCES: dict[str, Callable[[DriftTold], ReferenceTold | None]] = {
    "Against the champion's training window": lambda drift: drift.training,
    "Against the last window": lambda drift: drift.last,
}


def volume_section(history: History) -> Section:
    """What came in and what was fit for use; the first window, all that was before the loop, would hide the others."""
    turns = history.turns[1:] or history.turns
    first = history.turns[0].record
    words = f"The first window had {first.requests:,} requests and {first.impressions:,} impressions."
    blocks: list[Block] = [_impressions(turns), SideBySide([_rows(turns), _held_out(turns)])]
    return Section("Data", [Text([words]), *blocks] if turns is not history.turns else blocks, "data")


def _impressions(turns: Sequence[SiteTurn]) -> Figure:
    x = turn_axis(turns)
    accepted = [t.record.accepted for t in turns]
    aside = [t.record.impressions - t.record.accepted for t in turns]
    bars = [
        Series("accepted", x.categories, accepted, SERIES[0], "bars"),
        Series("set aside", x.categories, aside, BAD, "bars"),
    ]
    return Figure("Impressions of each window", x, Axis("impressions"), bars, stacked=True)


def _rows(turns: Sequence[SiteTurn]) -> Figure:
    lines: dict[str, Sequence[Value]] = {
        "requests": [t.record.requests for t in turns],
        "outcomes": [t.validation.statistics.outcomes for t in turns],
        "rows quarantined": [t.record.quarantined for t in turns],
    }
    x = turn_axis(turns)
    return Figure("Requests, outcomes and quarantine", x, Axis("rows", zero=True), _lines(x.categories, lines))


def _held_out(turns: Sequence[SiteTurn]) -> Figure:
    lines: dict[str, Sequence[Value]] = {
        "judged": [t.record.held_out.judged for t in turns],
        "wait for late outcomes": [t.record.held_out.waiting for t in turns],
        "dropped": [sum(t.record.held_out.dropped.values()) for t in turns],
    }
    caption = (
        "One waits until its whole slate has matured; what was dropped had nothing to choose, or no outcome that could "
        "be judged."
    )
    x = turn_axis(turns)
    return Figure("Held-out requests", x, Axis("requests", zero=True), _lines(x.categories, lines), caption)


def trust_section(history: History) -> Section:
    """What the champion's memory trusted."""
    turns = [t for t in history.turns if t.trust is not None]
    x = turn_axis(turns)
    signals = list(dict.fromkeys(w.signal for t in turns if t.trust for w in t.trust.weights))
    lines = {s: [_weight(t, s) for t in turns] for s in signals}
    caption = (
        "Stacking weights of the compensated score: how much each signal counts, learned online. The network alone "
        "is base logit 1 and everything else 0. A new champion starts from what its memory had learned."
    )
    figure = Figure("Trust of the champion's memory", x, Axis("stacking weight"), _lines(x.categories, lines), caption)
    return Section("Memory", [figure], "memory")


def cost_section(history: History) -> Section:
    """Seconds per stage over turns."""
    x = turn_axis(history.turns)
    total: Counter[str] = Counter()
    for t in history.turns:
        total.update(t.record.seconds)
    shown = [stage for stage, _ in total.most_common(MOST_STAGES)]
    spent = {stage: [t.record.seconds.get(stage, 0.0) for t in history.turns] for stage in shown}
    rest = [sum(s for stage, s in t.record.seconds.items() if stage not in shown) for t in history.turns]
    if any(rest):
        spent["other stages"] = rest
    series = [Series(n, x.categories, v, ink, "bars") for (n, v), ink in zip(spent.items(), SERIES, strict=False)]
    figure = Figure("Seconds of each turn, by stage", x, Axis("seconds"), series, stacked=True)
    return Section("Cost", [figure], "cost")


def turn_axis(turns: Sequence[SiteTurn]) -> Axis:
    """One place per turn, in order."""
    return Axis(f"turn to, UTC{_years(turns)}", [t.name for t in turns], [t.short for t in turns])


def _years(turns: Sequence[SiteTurn]) -> str:
    years = sorted({t.name[:4] for t in turns})
    return "" if not years else f", {years[0]}" if len(years) == 1 else f", {years[0]} to {years[-1]}"


def _lines(names: Sequence[str], values: Mapping[str, Sequence[Value]]) -> list[Series]:
    return [Series(n, names, v, SERIES[place % len(SERIES)]) for place, (n, v) in enumerate(values.items())]


def _log_loss(turns: Sequence[SiteTurn]) -> Figure:
    x, found = turn_axis(turns), [t.drift.calibration for t in turns if t.drift]
    series = [
        Series("champion", x.categories, [c.log_loss for c in found], SERIES[0]),
        Series("expected if its probabilities are right", x.categories, [c.expected for c in found], SERIES[1]),
        Series("one number for everybody", x.categories, [c.constant for c in found], REFERENCE, dashed=True),
    ]
    caption = "Lower is better. Well above the expected line, the champion is no longer calibrated."
    return Figure("Progressive log loss of the champion", x, Axis("log loss, nats"), series, caption)


def _calibration(turns: Sequence[SiteTurn]) -> Figure:
    x, found = turn_axis(turns), [t.drift.calibration for t in turns if t.drift]
    series = [
        Series("measured", x.categories, [c.calibration_error for c in found], SERIES[0]),
        Series(
            "expected if calibrated",
            x.categories,
            [c.expected_calibration_error for c in found],
            REFERENCE,
            dashed=True,
        ),
    ]
    title = "Calibration error of the champion"
    return Figure(title, x, Axis("mean distance of predicted and observed share", zero=True), series)


def _auc(turns: Sequence[SiteTurn]) -> Figure:
    x = turn_axis(turns)
    values = [t.drift.calibration.auc for t in turns if t.drift]
    return Figure("AUC of the champion on what it showed", x, Axis("AUC"), [Series("champion", x.categories, values)])


def _arms(turns: Sequence[SiteTurn], figure: str, axis: str) -> Figure:
    x = turn_axis(turns)
    series = [
        Series(name, x.categories, [getattr(getattr(t.replayed, figure), arm) for t in turns], INKS[arm])
        for arm, name in ARMS.items()
    ]
    return Figure(f"{axis}, in the period after each turn", x, Axis(axis), series)


def _values(turns: Sequence[SiteTurn], unit: str) -> Figure:
    x = turn_axis(turns)
    values = [t.record.value for t in turns]
    ends = [None if v.lower is None or v.upper is None else (v.lower, v.upper) for v in values]
    series = [
        Series("challenger, estimated", x.categories, [v.estimate for v in values], SERIES[0], "marks", y_ends=ends)
    ]
    champions = [
        t.evaluation.champion_value.value if t.evaluation and t.evaluation.champion_value else None for t in turns
    ]
    series.append(Series("champion, on the same requests", x.categories, champions, SERIES[6], "marks", "ring"))
    if any(t.replayed and t.replayed.value.true is not None for t in turns):
        for name, attribute, ink in (("challenger, true", "true", SERIES[1]), ("random choice", "random", REFERENCE)):
            truth = [getattr(t.replayed.value, attribute) if t.replayed else None for t in turns]
            series.append(
                Series(name, x.categories, truth, ink, "marks" if ink != REFERENCE else "line", dashed=ink == REFERENCE)
            )
    caption = "Whiskers: 95 % intervals, each for itself."
    return Figure("Value of each challenger", x, Axis(f"expected {unit}"), series, caption, 300)


def _differences(turns: Sequence[SiteTurn], unit: str) -> list[Figure]:
    found = [(t, t.evaluation.difference) for t in turns if t.evaluation and t.evaluation.difference]
    if not found:
        return []
    x = turn_axis([t for t, _ in found])
    ends = [None if d.lower is None or d.upper is None else (d.lower, d.upper) for _, d in found]
    zero = Series("equal", x.categories, [0.0 for _ in found], REFERENCE, dashed=True)
    gain = Series(
        "challenger minus champion", x.categories, [d.value for _, d in found], SERIES[0], "marks", y_ends=ends
    )
    caption = "Paired, on the same requests of each turn alone; the gate may rest on several turns."
    return [Figure("Challenger minus champion", x, Axis(f"difference in expected {unit}"), [zero, gain], caption)]


def _heat(title: str, turns: Sequence[SiteTurn], references: Sequence[ReferenceTold | None]) -> HeatMap:
    fields = [{f.column: f for f in _fields(r)} for r in references]
    columns = list(dict.fromkeys(name for found in fields for name in found))
    rows = [(name, [_cell(found.get(name), t) for found, t in zip(fields, turns, strict=True)]) for name in columns]
    return HeatMap(title, [t.short for t in turns], rows, "distance, in limits of the field, by turn")


def _fields(reference: ReferenceTold | None) -> list[FieldTold]:
    if reference is None:
        return []
    return [*([] if reference.score is None else [reference.score]), *reference.fields]


def _cell(found: FieldTold | None, turn: SiteTurn) -> HeatCell:
    if found is None or found.distance is None or not found.limit:
        return HeatCell(None)
    note = f"{found.column}, {turn.name}: distance {found.distance:.3f}, limit {found.limit:.3f}"
    return HeatCell(found.distance / found.limit, note)


def _weight(turn: SiteTurn, signal: str) -> float | None:
    weights = {} if turn.trust is None else {w.signal: w.weight for w in turn.trust.weights}
    return weights.get(signal)
