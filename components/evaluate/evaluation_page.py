"""The page of one evaluation: verdict and why, values in one forest plot, and what they rest on."""

from collections.abc import Sequence

import numpy as np

from components.domain import SECOND, Verdict
from components.evaluate.estimate import Estimate
from components.evaluate.evaluation import Creep, Evaluation, GuardrailFound, Segment
from components.evaluate.promise_page import promise_section
from components.evaluate.propensity_audit import PropensityAudit
from components.evaluate.sequential_test import Rest, turns
from components.evaluate.slate_page import slate_section
from components.pages.blocks import (
    Badge,
    Block,
    Cell,
    Column,
    Figure,
    KeyFigure,
    KeyFigures,
    Row,
    Section,
    Table,
    Text,
    Tone,
)
from components.pages.figures import BAD, OK, REFERENCE, SERIES, Axis, Ink, Rule, Series
from components.pages.page import render
from components.pages.turn_pages import TurnPage, links_to

ESTIMAND = (
    "Every value is what a policy is expected to earn on further requests like these, users and their answers drawn "
    "anew: not what these very requests happened to be worth, nor what they will be worth once tastes have moved on."
)
TAIL = (
    "rests on a thousandth of the requests: a few large rewards. Intervals are wider for it; another sample may lie "
    "far from this one."
)

TONES = {Verdict.PROMOTE: Tone.OK, Verdict.HOLD: Tone.WARN, Verdict.ROLL_BACK: Tone.BAD}


def evaluation_page(
    evaluation: Evaluation, title: str, truth: float | None = None, beside: Sequence[TurnPage] = ()
) -> str:
    """One offline HTML document.

    Parameters
    ----------
    truth : the challenger's true value per request where the world knows it; drawn as a line.
    beside : pages of the same turn that lie in the same folder.
    """
    e = evaluation
    test = "superiority (a changed family or exploration)" if e.kind == "change" else "non-inferiority (routine update)"
    words = [*(f"Warning: {w}." for w in e.warnings), *e.reasons]
    sections = [
        Section("", [KeyFigures(_tiles(e, truth)), Text(words)]),
        *([_values(e, truth), _paired(e)] if e.difference is not None else [_refused(e)]),
        _support(e),
    ]
    if e.audit:
        sections.append(_audit(e.audit))
    if e.guardrails:
        sections.append(_guardrails(e.guardrails))
    if e.creep:
        sections.append(_creep(e.creep))
    if e.promises:
        sections.append(promise_section(e.promises, e.earned))
    if e.other_models:
        sections.append(slate_section(e))
    if e.segments:
        sections.append(_segments(e))
    badge = Badge(str(e.verdict), TONES[e.verdict])
    return render(
        title,
        f"{e.diagnostics.requests:,} requests judged by {e.metric} for {test}",
        sections,
        [badge],
        links_to(beside),
    )


def refused_page(reasons: Sequence[str], title: str, beside: Sequence[TurnPage] = ()) -> str:
    """One offline HTML document for a challenger that could not even be asked for its choices."""
    section = Section("No value", [Text(reasons)])
    return render(title, "nothing was judged", [section], [Badge(str(Verdict.HOLD), Tone.WARN)], links_to(beside))


def _tiles(e: Evaluation, truth: float | None) -> list[KeyFigure]:
    tiles = []
    if e.value is not None:
        tiles.append(KeyFigure("challenger's value", e.value.value, _interval(e.value)))
    if e.champion_value is not None:
        tiles.append(KeyFigure(f"{_of(e)} value", e.champion_value.value, _interval(e.champion_value)))
    if e.difference is not None:
        tiles.append(KeyFigure("paired difference", _signed(e.difference.value), _interval(e.difference, signed=True)))
    if truth is not None:
        tiles.append(KeyFigure("true value", truth, "known to the world, not to the gate"))
    tiles.append(KeyFigure("effective sample", e.diagnostics.ess, f"of {e.diagnostics.users:,} users"))
    if e.rest is not None:
        tiles.append(KeyFigure("the verdict rests on", f"{e.rest.requests:,}", f"requests of {turns(e.rest.turns)}"))
    if e.detectable is not None:
        over = "gain over the floor" if e.rest else "true difference"
        tiles.append(KeyFigure("smallest detectable", e.detectable, f"{over} that would have shown"))
    return tiles


def _of(e: Evaluation) -> str:
    return "champion's" if e.compared_with == "champion" else "logged"


def _values(e: Evaluation, truth: float | None) -> Section:
    named = {f"challenger, {x.name}": x for x in e.estimates}
    if e.parent_value is not None:
        named[f"champion's parent, {e.parent_value.name}"] = e.parent_value
    if e.champion_value is not None:
        named[f"{e.compared_with}, {e.champion_value.name}"] = e.champion_value
    reference = [("true value", truth)] if truth is not None else []
    columns: list[Column | str] = [
        "policy, estimator",
        *(Column(c, ".4f") for c in ("value", "lower", "upper")),
        Column("ess", ",.0f"),
        "interval",
    ]
    rows = [Row([n, x.value, x.lower, x.upper, x.ess, x.interval]) for n, x in named.items()]
    caption = (
        f"Values ({e.earned}) with 95 % intervals. The model's word (DM) has none: its bias is unknown. "
        f"SLOPE++ would take {e.slope_choice}; the gate's estimator was fixed beforehand. {ESTIMAND}"
    )
    forest = _forest("Policy values", named, f"expected {e.earned}", reference, caption)
    return Section("Values", [forest, Table(columns, rows)])


def _paired(e: Evaluation) -> Section:
    assert e.difference is not None and e.margin is not None
    floor = 0.0 if e.kind == "change" else -e.margin
    named = {f"challenger − {e.compared_with}": e.difference}
    caption = (
        "The gate reads the lower end: right of the floor is PROMOTE. Both policies are weighed on the same requests."
    )
    if e.rest is not None:
        named, caption = _gate_readings(e.difference, e.rest)
    if e.second_opinion is not None:
        named = named | {"second opinion, bootstrap": e.second_opinion}
        caption += " The second opinion draws these users again and is not read by the gate."
    title, references = f"Challenger minus {e.compared_with}", [("floor", floor), ("equal", 0.0)]
    forest = _forest(title, named, f"difference in expected {e.earned}", references, caption)
    return Section("The gate's quantity", [forest])


def _gate_readings(today: Estimate, rest: Rest) -> tuple[dict[str, Estimate], str]:
    """What the gate read, beside today alone, and the sentence on it."""
    read = Estimate(today.name, rest.value, rest.lower, rest.upper, today.ess, rest.interval)
    ends = f"The gate reads the lower end, right of the floor is PROMOTE: {rest.promise}."
    if rest.reading == "first look":
        return {"challenger − champion": read}, ends
    if rest.reading == "exact sequence":
        ends = f"The gate reads no interval but a capital, told above: {rest.promise}. The interval is asymptotic."
    words = (
        f"{ends} Every turn brought another challenger against the same champion; this turn's alone is for comparison."
    )
    return {"this turn's requests, 95 %": today, f"the gate: {turns(rest.turns)}, {rest.level:.1%}": read}, words


def _audit(a: PropensityAudit) -> Section:
    columns: list[Column | str] = ["", "cell", "expected", "observed, weighted", Column("standard errors", "+.1f")]
    rows = [
        Row(
            [c.dimension, c.cell, f"{c.expected:.1%}", f"{c.observed:.1%}", c.z],
            Tone.BAD if a.failed and abs(c.z) > a.limit else Tone.PLAIN,
        )
        for c in a.worst
    ]
    words = f"failed, likely cause: {a.cause}" if a.failed else "passed"
    caption = (
        f"The worst of {a.cells} cells; more than {a.limit:.1f} standard errors refuses the log: {words}. Weighted to "
        "the champion, every item, position and generation must be shown as often as the champion shows it."
    )
    return Section("Audit of the logged propensities", [Table(columns, rows, caption)])


def _guardrails(guardrails: Sequence[GuardrailFound]) -> Section:
    columns: list[Column | str] = [
        "metric",
        Column("champion", ".4f"),
        "may fall by",
        Column("difference", "+.4f"),
        "95 %",
        "passed",
    ]
    caption = (
        "A release needs every guardrail: each must have shown, over all turns on hold, that the metric does not fall "
        "by more than its margin. Read together they err no oftener than one of them alone."
    )
    return Section("Guardrails", [Table(columns, [_guardrail(g) for g in guardrails], caption)])


def _guardrail(g: GuardrailFound) -> Row:
    cells: list[Cell] = [g.name, g.champion.value, f"{g.margin:.1%}", g.difference.value]
    cells += [_interval(g.difference, signed=True), "yes" if g.passed else "no"]
    return Row(cells, Tone.OK if g.passed else Tone.BAD)


def _creep(c: Creep) -> Section:
    gap = c.difference
    rows = {
        f"the budget, of generation {c.anchor}'s value": f"{c.budget:.1%}",
        "what releases since then may have lost": f"{c.spent:.1%}",
        "the margin this challenger was judged with": f"{c.allowed:.1%}",
        "challenger − anchor, paired": "not compared"
        if gap is None
        else f"{_signed(gap.value)}, {_interval(gap, signed=True)}",
        "spent after a release of this challenger": "-" if c.would_spend is None else f"{max(c.would_spend, 0):.1%}",
    }
    words = (
        "Margins add up: each release may lose what its own small sample could not exclude. What releases may have "
        "lost since the anchor, the best generation by lower bounds, stays within the budget."
    )
    return Section("Creep", [Text([words]), Table(["figure", "value"], [Row([*pair]) for pair in rows.items()])])


def _refused(e: Evaluation) -> Section:
    rows = [Row([r.reason, r.figure, r.limit, r.advice], Tone.BAD) for r in e.refused]
    blocks: list[Block] = [Table(["refused because of", "figure", "limit", "what to do"], rows)]
    if e.estimates:
        blocks.append(Text([f"The model alone says {e.estimates[0].value:.4f}; nothing in this log checks it."]))
    return Section("No value", blocks)


def _support(e: Evaluation) -> Section:
    blocks: list[Block] = []
    if e.tail:
        caption = "Share of requests with at least this weight. A straight line to the right is a heavy tail."
        blocks.append(_tail(e, caption))
    if e.history:
        caption = "Effective sample size of all requests so far; a drop is one request that outweighs the rest."
        blocks.append(_history(e, caption))
    ours, theirs = e.diagnostics, e.champion_diagnostics
    names = {
        "mean weight (1 if propensities are right)": (ours.mean_weight, theirs.mean_weight),
        "its distance from 1, standard errors": (ours.mean_weight_z, theirs.mean_weight_z),
        "users": (ours.users, theirs.users),
        "effective sample size, in users": (ours.ess, theirs.ess),
        "largest weight": (ours.largest_weight, theirs.largest_weight),
        "share of the largest user's weight": (ours.largest_weight_share, theirs.largest_weight_share),
        "share of the value in its largest .1 % of requests": (ours.tail_share, theirs.tail_share),
        "Pareto index of the tail": (ours.pareto_k, theirs.pareto_k),
        "target's mass without support": (ours.unsupported_mass, theirs.unsupported_mass),
        "effective rewarded users": (ours.rewarded, theirs.rewarded),
        "share of missing propensities": (ours.missing, theirs.missing),
    }
    if e.held_out is not None:
        blocks.append(Text([f"{e.held_out}."]))
    rows = [Row([name, *pair]) for name, pair in names.items()]
    blocks.append(Table(["figure", "challenger", e.compared_with], rows))
    if ours.tail_dominated:
        blocks.append(Text([f"{ours.tail_share:.0%} of the challenger's value {TAIL}"]))
    return Section("What the values rest on", blocks)


def _segments(e: Evaluation) -> Section:
    columns: list[Column | str] = [
        "segment",
        Column("requests", ",.0f"),
        Column("value", ".4f"),
        "95 %",
        Column("difference", "+.4f"),
        "95 %",
    ]
    caption = "The intervals hold together: all differences at once with 95 %, and all values."
    return Section("Segments", [Table(columns, [_segment_row(s) for s in e.segments], caption)])


def _segment_row(s: Segment) -> Row:
    tone = Tone.BAD if s.difference.upper < 0 else Tone.OK if s.difference.lower > 0 else Tone.PLAIN
    cells: list[Cell] = [f"{s.column} = {s.label}", s.requests, s.value.value, _interval(s.value)]
    return Row([*cells, s.difference.value, _interval(s.difference, signed=True)], tone)


def _forest(
    title: str, named: dict[str, Estimate], unit: str, references: list[tuple[str, float]], caption: str
) -> Figure:
    bounded = {n: x for n, x in named.items() if np.isfinite(x.lower) and np.isfinite(x.upper)}
    bare = {n: x for n, x in named.items() if n not in bounded}
    ends = [(x.lower, x.upper) for x in bounded.values()]
    series = [
        Series("with its interval", [x.value for x in bounded.values()], [*bounded], SERIES[0], "marks", x_ends=ends),
        Series("without", [x.value for x in bare.values()], [*bare], REFERENCE, "marks", "ring"),
    ]
    colours: dict[str, Ink] = {"true value": OK, "floor": BAD}
    rules = [Rule(f"{label} {value:.4f}", value, colours.get(label, REFERENCE)) for label, value in references]
    kept = [s for s in series if s.x]
    height = 24 + 34 * len(named)
    return Figure(title, Axis(unit), Axis("policy, estimator", [*named]), kept, caption, height, rules)


def _tail(e: Evaluation, caption: str) -> Figure:
    axes = Axis("importance weight (log scale)", log=True), Axis("share of requests above (log scale)", log=True)
    weights = Series("weights", [t.weight for t in e.tail], [t.share for t in e.tail], SERIES[0], "steps")
    return Figure("The tail of the importance weights", *axes, [weights], caption)


def _history(e: Evaluation, caption: str) -> Figure:
    dated = e.history[-1].at > SECOND
    along = Axis("request time, UTC", time=True) if dated else Axis("requests so far")
    places = [h.at if dated else h.requests for h in e.history]
    series = [
        Series("effective", places, [h.ess for h in e.history], SERIES[0]),
        Series("requests", places, [h.requests for h in e.history], REFERENCE, dashed=True),
    ]
    return Figure("Effective sample size over time", along, Axis("requests", zero=True), series, caption)


def _interval(x: Estimate, *, signed: bool = False) -> str:
    spec = "+.4f" if signed else ".4f"
    if not np.isfinite(x.lower):
        return "no interval"
    return f"{x.lower:{spec}} to {x.upper:{spec}}" if np.isfinite(x.upper) else f"from {x.lower:{spec}}"


def _signed(value: float) -> str:
    return f"{value:+.4f}"
