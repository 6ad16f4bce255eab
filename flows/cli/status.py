"""What the ledger knows, for people and for scripts."""

import json

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from components.domain import iso
from components.frozen import Frozen
from components.publish.pointer import Role, read_pointer
from flows.stack.record import Role as Part
from flows.stack.record import read_stack
from flows.stages.release import settings_of
from flows.turn import warehouse_of
from flows.workspace import Workspace
from warehouse import ledger, segments, set_asides
from warehouse.records import CanaryMade, Counts, JudgedGeneration, ReleaseMade, SetAsideMade

BROKEN = 10
"""Broken lines that are shown; the JSON has all."""


class Status(Frozen):
    """What `evercurrent status --json` prints; instants in microseconds UTC."""

    home: str
    source: str
    champion: int | None
    challenger: int | None
    counts: Counts
    generations: tuple[JudgedGeneration, ...]
    releases: tuple[ReleaseMade, ...]
    canary: int | None
    canaries: tuple[CanaryMade, ...]
    windows: tuple[SetAsideMade, ...] = ()
    broken_lines: tuple[str, ...] = ()
    slots: tuple[str, ...] = ()


def read_status(workspace: Workspace) -> Status:
    """The state of a home.

    Raises
    ------
    ContractBroken
        If it holds no log yet.
    """
    w = warehouse_of(workspace)
    champion, challenger = (read_pointer(workspace.root, role) for role in (Role.CHAMPION, Role.CHALLENGER))
    canaries = ledger.canaries(w)
    return Status(
        home=str(workspace.root),
        source=w.source,
        champion=champion.generation if champion else None,
        challenger=challenger.generation if challenger else None,
        counts=ledger.counts(w),
        generations=ledger.generations(w),
        releases=ledger.releases(w),
        canary=next((c.generation for c in canaries if c.verdict is None), None),
        canaries=canaries,
        windows=set_asides.standing(w),
        broken_lines=tuple(map(str, segments.broken_records(w))),
        slots=_slots(workspace),
    )


def _slots(workspace: Workspace) -> tuple[str, ...]:
    """What the stack of this home, if one runs, says of slots that nobody has."""
    stack = read_stack(workspace)
    if stack.running(Part.SERVER) is None:
        return ()
    from flows.stack.slots import taken_in  # brings Prefect with it

    return tuple(f"{slot.said}; {slot.mend}" for slot in taken_in(stack))


def show_status(status: Status) -> None:
    """Tables: generations, the ledger of releases; canaries and windows that were set aside, if there were any."""
    console = Console()
    console.print(f"{status.home}: source {status.source}, champion generation {status.champion}", soft_wrap=True)
    c = status.counts
    console.print(
        f"{c.batches} batches, {c.requests} requests, {c.impressions} impressions, {c.outcomes} outcomes, "
        f"{c.quarantined} rows in quarantine"
        + (f"; {c.pruned_impressions} impressions of {c.pruned_days} days were pruned" if c.pruned_days else "")
    )
    console.print(_generations(status))
    console.print(_releases(status))
    if status.canaries:
        console.print(_canaries(status))
    if status.windows:
        console.print(_windows(status))
    if status.broken_lines:
        shown, more = status.broken_lines[:BROKEN], len(status.broken_lines) - BROKEN
        rest = f"\n  and {more:,} more: --json" if more > 0 else ""
        told = "\n  ".join(("broken lines of the decision log, kept aside:", *map(escape, shown)))
        console.print(told + rest, soft_wrap=True)
    for slot in status.slots:
        console.print(escape(slot), soft_wrap=True)


def _generations(status: Status) -> Table:
    table = Table(title="generations", header_style="bold")
    for name in ("generation", "parent", "cutoff", "rows", "ids +", "ids -", "verdict", "why"):
        table.add_column(name)
    for g in status.generations:
        mark = " *" if g.generation == status.champion else ""
        why = "; ".join(g.reasons or ())
        cells = (f"{g.generation}{mark}", g.parent, iso(g.cutoff), g.rows, g.grown, g.expired, g.verdict or "-", why)
        table.add_row(*("-" if cell is None else str(cell) for cell in cells))
    return table


def _releases(status: Status) -> Table:
    table = Table(title="releases", header_style="bold")
    for name in ("release", "kind", "generation", "previous", "cutoff", "reason"):
        table.add_column(name)
    for r in status.releases:
        cutoff = "-" if r.cutoff is None else iso(r.cutoff)
        table.add_row(str(r.release), r.kind, str(r.generation), str(r.previous or "-"), cutoff, r.reason)
    return table


def _canaries(status: Status) -> Table:
    table = Table(title="canaries", header_style="bold")
    who = ("generation", "beside", "share", "since", "ended", "verdict")
    for name in (*who, "earned", "champion's", "difference", "why"):
        table.add_column(name)
    for c in status.canaries:
        look = json.loads(c.look or "{}")
        ends = look.get("difference")
        cells = (
            str(c.generation),
            str(c.champion),
            f"{settings_of(c).share:.0%}",
            iso(c.began_at),
            iso(c.ended_at) if c.ended_at else ("-" if c.verdict is None else "by hand"),
            c.verdict or "out",
            _figure(look.get("canary")),
            _figure(look.get("champion")),
            f"[{ends['lower']:+.4f}, {ends['upper']:+.4f}]" if ends else "-",
            "; ".join(c.reasons or look.get("reasons", ())),
        )
        table.add_row(*map(escape, cells))
    return table


def _windows(status: Status) -> Table:
    table = Table(title="windows that were set aside", header_style="bold")
    for name in ("from", "to", "now", "why"):
        table.add_column(name, overflow="fold")
    for made in status.windows:
        table.add_row(iso(made.start), iso(made.cutoff), made.status.value, escape("; ".join(made.reasons)))
    return table


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.4f}"
