"""The front page of the site: everything that happened in a home, on one page."""

import json

from components.domain import iso
from components.evaluate.evaluation import earned_in
from components.evaluate.promise_page import promise_section
from components.pages.blocks import Badge, Figure, Folded, KeyFigure, KeyFigures, Link, Row, Section, Table, Text, Tone
from components.pages.figures import SERIES, Axis, Series
from components.pages.page import render
from flows.site.curves import cost_section, drift_section, quality_section, trust_section, value_section, volume_section
from flows.site.disk_use import told
from flows.site.history import History
from flows.site.lineage import TONES, aside_section, lineage_section
from flows.stages.release import settings_of
from warehouse.records import CanaryMade

WORDS = {"replay.html": "The replay"}


def index_page(history: History) -> str:
    """One offline HTML page."""
    sections = [Section("", [_tiles(history)]), lineage_section(history)]
    if history.aside:
        sections.append(aside_section(history))
    if history.canaries:
        sections.append(_canaries(history))
    if history.turns:
        sections += [quality_section(history), value_section(history)]
    if history.promises:
        sections.append(promise_section(history.promises, earned_in(history.unit)))
    if any(t.drift for t in history.turns):
        sections.append(drift_section(history))
    if history.turns:
        sections.append(volume_section(history))
    if any(t.trust for t in history.turns):
        sections.append(trust_section(history))
    if history.turns:
        sections.append(cost_section(history))
    sections.append(_disk(history))
    beside = [Link(s.heading, f"#{s.anchor}") for s in sections if s.anchor]
    beside += [Link(WORDS[name], name) for name in history.others]
    return render(history.source, _subtitle(history), sections, _badges(history), beside)


def _subtitle(history: History) -> str:
    if not history.turns:
        return "no turn has been finished yet"
    first, last = history.turns[0], history.turns[-1]
    return f"{len(history.turns)} turns, {first.name[:10]} to {last.name[:10]}; the latest: {last.record.reasons[0]}"


def _badges(history: History) -> list[Badge]:
    if not history.turns:
        return []
    verdict = history.turns[-1].record.verdict
    return [Badge(verdict, TONES[verdict])]


def _tiles(history: History) -> KeyFigures:
    promoted = sum(t.record.verdict == "PROMOTE" for t in history.turns)
    held = sum(t.record.verdict == "HOLD" for t in history.turns)
    back = sum(r.kind == "ROLL_BACK" for r in history.releases)
    tiles = [
        KeyFigure(
            "Champion, generation", "none yet" if history.champion is None else f"{history.champion}", _since(history)
        ),
        KeyFigure("Turns that promoted", f"{promoted} of {len(history.turns)}", f"{held} held, {back} roll-backs"),
    ]
    measured = [t for t in history.turns if t.drift is not None]
    if measured and (c := measured[-1].drift.calibration if measured[-1].drift else None):
        expected = "" if c.expected is None else f"{c.expected:.4f} expected, {measured[-1].short}"
        tiles.append(KeyFigure("Log loss, latest window", c.log_loss, expected))
    if history.canary is not None:
        tiles.append(KeyFigure("Canary, generation", history.canary, "serves some users first", Tone.WARN))
    if history.aside:
        tiles.append(KeyFigure("Windows set aside", len(history.aside), "not learned", Tone.WARN))
    tiles.append(KeyFigure("Disk", told(sum(history.disk.values())), "this home"))
    return KeyFigures(tiles)


def _since(history: History) -> str:
    last = history.releases[-1] if history.releases else None
    if last is None:
        return ""
    return f"by hand: {last.kind}" if last.cutoff is None else f"since the turn to {iso(last.cutoff)[:10]}"


def _canaries(history: History) -> Section:
    heads = (
        "generation",
        "beside",
        "share",
        "since, UTC",
        "ended, UTC",
        "verdict",
        "earned",
        "champion's",
        "difference",
    )
    rows = [_canary(c) for c in reversed(history.canaries)]
    text = "Generations that passed the gate and served a share of the users beside the champion first."
    return Section("Canaries", [Text([text]), Table([*heads, "why"], rows, "Newest first.")], "canaries")


def _canary(c: CanaryMade) -> Row:
    look = json.loads(c.look or "{}")
    ends = look.get("difference")
    difference = f"{ends['lower']:+.4f} to {ends['upper']:+.4f}" if ends else None
    ended = iso(c.ended_at) if c.ended_at else None if c.verdict is None else "by hand"
    badge = Badge("out") if c.verdict is None else Badge(c.verdict, TONES.get(c.verdict, Tone.PLAIN))
    who = (c.generation, c.champion, f"{settings_of(c).share:.0%}", iso(c.began_at), ended, badge)
    why = Folded.of(c.reasons or tuple(look.get("reasons", ())))
    return Row([*who, look.get("canary"), look.get("champion"), difference, why])


def _disk(history: History) -> Section:
    kinds = list(history.disk)
    bars = Series("MB", [round(n / 1e6, 2) for n in history.disk.values()], kinds, SERIES[0], "bars")
    axes = Axis("megabytes", zero=True), Axis("kind", kinds)
    text = f"{told(sum(history.disk.values()))} in all; `evercurrent prune --dry-run` says what may go."
    if not kinds:
        return Section("Disk", [Text([text])], "disk")
    return Section(
        "Disk", [Text([text]), Figure("What this home takes", *axes, [bars], height=26 * len(kinds) + 10)], "disk"
    )
