"""The release: who answers now, and where it comes from. Artifacts ``release`` and, with an address, ``reports``."""

from collections.abc import Iterable, Sequence

from components.domain import Verdict, iso
from components.pages.turn_pages import TurnPage
from flows.control_room import links
from flows.control_room.events import CanaryEvent, Event, ReleaseEvent
from flows.control_room.log_line import Figures
from flows.control_room.markdown import Cell, Raw, table
from flows.control_room.shown import Link, Markdown, Shown
from flows.stages.results import Published
from flows.turn import Turn
from warehouse import ledger
from warehouse.records import CanaryMade, JudgedGeneration

GENERATIONS = 12
"""Generations that the lineage names, the latest."""


def shown(turn: Turn, published: Published) -> Iterable[Shown]:
    """Lineage, canary, and the pages of the turn."""
    w = turn.warehouse
    made = "no generation" if published.generation is None else f"generation {published.generation}"
    canaries = ledger.canaries(w)
    out = next((c for c in canaries if c.verdict is None), None)
    roles = {published.champion: "champion"} | ({} if out is None else {out.generation: "canary"})
    lineage = [_line(turn, g, roles.get(g.generation, "")) for g in reversed(ledger.generations(w)[-GENERATIONS:])]
    head = ("generation", "parent", "cutoff", "rows", "verdict", "is")
    pages = "".join(f"- {links.linked(turn, words, path)}\n" for words, path in links.pages(turn))
    canary = _told_of(canaries, turn.window.cutoff)
    body = (
        f"# Champion: generation {published.champion}\n\nThis turn made {made}; content `{published.digest[:16]}`.\n\n"
        f"{canary}## Lineage\n\n{table(head, lineage)}\n## Pages of this turn\n\n{pages}"
    )
    yield Markdown("release", f"Champion is generation {published.champion}; the turn made {made}", body)
    for words, path in list(links.pages(turn))[-1:]:
        if (address := links.address(turn, path)) is not None:
            yield Link("reports", f"{words} of {turn.window}", f"{words}, {iso(turn.window.cutoff)}", address)


def figures(turn: Turn, published: Published) -> Figures:
    """For the log."""
    return {
        "generation": published.generation,
        "parent": turn.champion,
        "champion": published.champion,
        "digest": published.digest[:16],
    }


def events(turn: Turn, published: Published) -> Iterable[Event]:
    """Moves of the champion pointer and of the canary's in this turn, as the ledger has them."""
    w, cutoff = turn.warehouse, turn.window.cutoff
    for made in ledger.releases(w):
        if made.cutoff == cutoff:
            yield ReleaseEvent.of(turn.source.name, made)
    for canary in ledger.canaries(w):
        if canary.began_at == cutoff:
            yield CanaryEvent.sent_out(turn.source.name, canary)
        if canary.ended_at == cutoff:
            yield CanaryEvent.ended(turn.source.name, canary)


def _line(turn: Turn, g: JudgedGeneration, role: str) -> list[Cell]:
    """A generation, which leads to the evaluation of the turn that made it where pages have addresses."""
    path = turn.workspace.turn(g.cutoff) / TurnPage.EVALUATION.file
    address = links.address(turn, path) if path.exists() else None
    number = str(g.generation) if address is None else Raw(f"[{g.generation}]({address})")
    parent = "from scratch" if g.parent is None else str(g.parent)
    return [number, parent, iso(g.cutoff), g.rows, g.verdict or "not judged", role]


def _told_of(canaries: Sequence[CanaryMade], cutoff: int) -> str:
    """The canary that is out, and the one that this turn ended; empty without."""
    return "".join(
        f"Canary: generation {c.generation}, beside generation {c.champion} since {iso(c.began_at)}.\n\n"
        if c.verdict is None
        else f"Canary: generation {c.generation} was {_ending(c.verdict)}.\n\n"
        for c in canaries
        if c.verdict is None or c.ended_at == cutoff
    )


def _ending(verdict: str | None) -> str:
    return "promoted" if verdict == Verdict.PROMOTE else "refused"
