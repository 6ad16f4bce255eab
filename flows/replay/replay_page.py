"""The page of a replay: what the loop bought, turn by turn, and what it said against what was true."""

from collections.abc import Mapping, Sequence

from components.evaluate.evaluation import earned_in
from components.evaluate.promise_page import promise_section
from components.pages.blocks import (
    Badge,
    Cell,
    Column,
    Figure,
    KeyFigure,
    KeyFigures,
    Link,
    Row,
    Section,
    Table,
    Text,
    Tone,
)
from components.pages.figures import REFERENCE, SERIES, Axis, Series
from components.pages.page import render
from flows.replay.replay_record import Arms, ReplayRecord, ReplayTurn, mean_arms

ARMS = {"frozen": "generation 1, frozen", "champion": "champion", "champion_with_memory": "champion with memory"}
COLOURS = {"frozen": REFERENCE, "champion": SERIES[0], "champion_with_memory": SERIES[1]}
TONES = {"PROMOTE": Tone.OK, "HOLD": Tone.WARN, "ROLL_BACK": Tone.BAD}


def replay_page(record: ReplayRecord, pages: Mapping[str, Sequence[Link]]) -> str:
    """One offline HTML page; `pages` links, per cutoff, the pages that the turn left."""
    last = record.turns[-1]
    subtitle = f"{len(record.turns)} turns to {last.cutoff[:10]}; champion is generation {record.champion}"
    sections = [
        Section("", [_tiles(record)]),
        Section("Freshness", [Text([FRESHNESS]), _curves(record, "auc", "AUC"), _arm_table(record)]),
        Section("Log loss", [_curves(record, "log_loss", "Log loss, nats")]),
        Section(
            "Policy value",
            [Text([_value(record), f"Mind: {record.caveat}."]), _intervals(record), _value_table(record)],
        ),
        *([promise_section(record.promises, earned_in(record.unit))] if record.promises else []),
        Section("What the loop did", [_loop_table(record), _page_table(record, pages)]),
        Section("Where the time went", [Text([_times(record)]), _seconds(record)]),
    ]
    return render(f"Replay of {record.source}", subtitle, sections)


FRESHNESS = (
    "Every interaction of the period after a turn, scored before its outcome was known: by generation 1 left as it "
    "was, by the champion's weights alone, and by the champion with its error memory, which learns the outcomes of "
    "shown items as they arrive."
)


def _value(record: ReplayRecord) -> str:
    return (
        f"Expected {earned_in(record.unit)} of the challenger, estimated on the requests it never learned from, with "
        "its 95 % interval; the world knows every eligible item's outcome, so the truth stands beside it, between a "
        "random choice and an oracle's."
    )


def _tiles(record: ReplayRecord) -> KeyFigures:
    auc = mean_arms([t.auc for t in record.turns])
    judged = [t.value for t in record.turns if t.value.estimate is not None]
    covered = sum(v.covered for v in judged)
    promoted = sum(t.verdict == "PROMOTE" for t in record.turns)
    return KeyFigures(
        [
            KeyFigure("AUC gained by loop and memory", _points(auc.champion_with_memory, auc.frozen), "points, mean"),
            KeyFigure("AUC gained by warm start alone", _points(auc.champion, auc.frozen), "points, mean"),
            KeyFigure(
                "intervals that hold the truth",
                f"{covered} of {len(judged)}",
                "of the judged requests: finds gross faults",
            ),
            KeyFigure("promoted", f"{promoted} of {len(record.turns)}", "challengers"),
        ]
    )


def _points(ours: float | None, base: float | None) -> Cell:
    return None if ours is None or base is None else f"{100 * (ours - base):+.1f}"


def _curves(record: ReplayRecord, figure: str, axis: str) -> Figure:
    series = [
        Series(name, _days(record), [getattr(getattr(t, figure), arm) for t in record.turns], COLOURS[arm])
        for arm, name in ARMS.items()
    ]
    return Figure(f"{axis}, in the week after each turn", Axis("week to, UTC", _days(record)), Axis(axis), series)


def _intervals(record: ReplayRecord) -> Figure:
    judged = [t for t in record.turns if t.value.estimate is not None]
    days = [t.cutoff[:10] for t in judged]
    ends = [(t.value.lower or 0.0, t.value.upper or 0.0) for t in judged]
    series = [
        Series(name, days, [getattr(t.value, name) for t in judged], REFERENCE, dashed=True)
        for name in ("random", "oracle")
    ]
    series.append(Series("estimate", days, [t.value.estimate for t in judged], SERIES[0], "marks", y_ends=ends))
    series.append(Series("true", days, [t.value.true for t in judged], SERIES[1], "marks"))
    axes = Axis("week to, UTC", days), Axis(f"expected {earned_in(record.unit)}")
    return Figure("Estimated and true value of each challenger", *axes, series)


def _seconds(record: ReplayRecord) -> Figure:
    spent = dict(sorted(record.stage_seconds.items(), key=lambda item: -item[1]))
    bars = Series("seconds", [*spent.values()], [*spent], SERIES[0], "bars")
    axes = Axis("seconds, all turns", zero=True), Axis("stage", [*spent])
    return Figure("Seconds per stage", *axes, [bars], height=26 * len(spent) + 10)


def _arm_table(record: ReplayRecord) -> Table:
    columns = [Column("week to"), *(Column(name, ".4f") for name in ARMS.values()), Column("gain, points", "+.1f")]
    rows: list[Row] = []
    lines = [(t.cutoff[:10], t.auc) for t in record.turns]
    for label, arms in [*lines, ("mean", mean_arms([a for _, a in lines]))]:
        rows.append(Row([label, arms.frozen, arms.champion, arms.champion_with_memory, _gain(arms)]))
    return Table(columns, rows, caption="AUC")


def _gain(arms: Arms) -> float | None:
    if arms.champion_with_memory is None or arms.frozen is None:
        return None
    return 100 * (arms.champion_with_memory - arms.frozen)


def _value_table(record: ReplayRecord) -> Table:
    heads = ("estimate", "lower", "upper", "true", "random", "oracle")
    columns = [Column("week to"), *(Column(h, ".3f") for h in heads), Column("verdict"), Column("why")]
    return Table(columns, [_value_row(t) for t in record.turns])


def _value_row(t: ReplayTurn) -> Row:
    v = t.value
    badge = Badge(t.verdict, TONES[t.verdict])
    return Row([t.cutoff[:10], v.estimate, v.lower, v.upper, v.true, v.random, v.oracle, badge, "; ".join(t.reasons)])


def _loop_table(record: ReplayRecord) -> Table:
    heads = ("week to", "generation", "requests", "impressions", "accepted", "quarantined", "drift action")
    columns = [*(Column(h) for h in heads), Column("ids grown"), Column("ids expired"), Column("seconds", ".1f")]
    return Table(columns, [_loop_row(t) for t in record.turns])


def _page_table(record: ReplayRecord, pages: Mapping[str, Sequence[Link]]) -> Table:
    found = {t.cutoff: {link.text: link for link in pages.get(t.cutoff, ())} for t in record.turns}
    names = list(dict.fromkeys(name for links in found.values() for name in links))
    rows = [[cutoff[:10], *(links.get(name) for name in names)] for cutoff, links in found.items()]
    return Table(["week to", *names], rows, caption="The pages of each turn, in the folder of the home.")


def _loop_row(t: ReplayTurn) -> Row:
    counts: Sequence[Cell] = (t.generation, t.requests, t.impressions, t.accepted, t.quarantined, t.drift_action)
    tone = Tone.WARN if t.quarantined else Tone.PLAIN
    return Row([t.cutoff[:10], *counts, t.ids_grown, t.ids_expired, sum(t.seconds.values())], tone)


def _times(record: ReplayRecord) -> str:
    share = f"{record.orchestration_share:.0%}"
    return f"{record.seconds:.1f} seconds in all; {share} of it was orchestration: everything outside the stages."


def _days(record: ReplayRecord) -> list[str]:
    return [t.cutoff[:10] for t in record.turns]
