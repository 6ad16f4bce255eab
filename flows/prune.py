"""Prune a home: what nobody needs any more goes, oldest decisions first planned, then done.

Whoever answers, may have to come back, or is being compared stays, with all that the ledger names of the last month of
data time. The ledger itself is never pruned, so a generation that went stays in the history; days of facts leave the
warehouse where `facts_days` says so (`flows.prune_facts`). Closed files of the decision log become archives.
"""

import shutil
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from prefect import flow
from prefect.logging import get_run_logger
from pydantic import Field

from components.domain import Transient, iso
from components.evaluate.creep import Standing
from components.frozen import Frozen
from components.publish.pointer import Role, read_pointer
from components.publish.retention import Lineage, Named, horizon_of, kept_generations
from components.settings import read_settings
from flows.archive import SEGMENT, archivable, archive
from flows.control_room.failed import tell_failure
from flows.control_room.hearing import hear
from flows.prune_facts import NO_FACTS, OldFacts, find_old_facts, items_of, take_facts
from flows.prune_plan import FACTS, TRASH, Holding, Item, Keep, holdings, planned
from flows.prune_runs import forget_runs, old_runs
from flows.site.disk_use import size_of, told
from flows.site.draw import refresh_site
from flows.turn import ALL_TIME, warehouse_of
from flows.workspace import Workspace, enter
from flows.writing import writing
from warehouse import ledger
from warehouse.connect import Warehouse

FROZEN_ARM = "frozen arm of the replay"
"""Why generation 1 of a replay stays: to be compared with, never to answer."""


class Pruned(Frozen):
    """What `evercurrent prune --json` prints: what goes or, without `dry_run`, went.

    `before` is the instant of data time from which on everything named stays; `kept` says why of every generation;
    `runs` counts Prefect's flow runs. Facts from `facts_since` on stay because of `facts_why`, None: of all times;
    before it the days of `facts_kept`. `given_back`: bytes by which the warehouse's file became smaller.
    """

    home: str
    dry_run: bool
    before: str | None
    items: tuple[Item, ...]
    bytes: int
    runs: int
    kept: dict[int, str]
    facts_since: str | None = None
    facts_why: str = ""
    facts_kept: dict[str, str] = Field(default_factory=dict)
    given_back: int = 0

    @property
    def said(self) -> str:
        """One line."""
        verb = "would go" if self.dry_run else "went"
        given_back = f"; the warehouse's file gave back {told(self.given_back)}" if self.given_back else ""
        return f"{len(self.items)} things of {told(self.bytes)} and {self.runs} flow runs {verb}{given_back}"


@flow(name="prune", on_running=[hear], on_failure=[tell_failure])
def prune(home: str = ".evercurrent", dry_run: bool = False) -> Pruned:
    """Take away what `[retention]` does not keep; with `dry_run` say what would go, and touch nothing.

    Raises
    ------
    ContractBroken
        If the home holds no log yet.
    Transient
        If another run uses the home, or the disk refuses; what is done is done whole, and the next run goes on.
    """
    workspace = enter(Path(home))
    now = datetime.now(UTC)
    if dry_run:
        found = plan(workspace, now, old_facts_of(workspace), dry_run=True)
    else:
        with writing(workspace, patient=True):
            facts = old_facts_of(workspace)
            found = plan(workspace, now, facts, dry_run=False)
            take_away(workspace, found.items)
            given_back = take_facts(workspace, facts, read_settings(workspace.settings).retention)
            found = found.model_copy(update={"given_back": given_back})
            refresh_site(workspace)
    runs = old_runs(now, read_settings(workspace.settings).retention)
    if not dry_run:
        forget_runs(runs)
    found = found.model_copy(update={"runs": len(runs)})
    counted = (len(found.items), found.bytes, found.given_back, found.runs, dry_run)
    get_run_logger().info("stage=prune items=%d bytes=%d given_back=%d runs=%d dry_run=%s", *counted)
    return found


def plan(workspace: Workspace, now: datetime, facts: OldFacts = NO_FACTS, *, dry_run: bool) -> Pruned:
    """What goes, with sizes: a file that several things share counts with the first, and not if one of them stays."""
    w, settings = warehouse_of(workspace), read_settings(workspace.settings).retention
    turns = tuple(t.cutoff for t in ledger.turns(w))
    if not turns:
        return Pruned(home=str(workspace.root), dry_run=dry_run, before=None, items=(), bytes=0, runs=0, kept={})
    kept = kept_generations(lineage(workspace, w), turns[-1], settings)
    keep = Keep(kept, turns, now.timestamp(), _latest_in_stores(workspace))
    there = list(holdings(workspace))
    going = planned(there, keep, settings)
    seen: set[tuple[int, int]] = set()
    for stays in set(there) - {h for h, _ in going}:
        size_of(workspace.root / stays.path, seen)
    items = (
        *(_item(workspace, h, why, seen) for h, why in going),
        *archivable(workspace, w, turns[-1], settings),
        *items_of(workspace, w, facts, settings),
    )
    return Pruned(
        home=str(workspace.root),
        dry_run=dry_run,
        before=iso(horizon_of(turns[-1], settings.days)),
        items=items,
        bytes=sum(i.bytes for i in items),
        runs=0,
        kept=kept,
        facts_since=None if facts.since is None else iso(facts.since),
        facts_why=facts.why,
        facts_kept=dict(facts.kept),
    )


def old_facts_of(workspace: Workspace) -> OldFacts:
    """The days of facts that may go; none before there is a champion, whom nobody could relearn without them."""
    w, settings = warehouse_of(workspace), read_settings(workspace.settings)
    last = ledger.last_window(w, ALL_TIME)
    if last is None or ledger.champion(w) is None:
        return NO_FACTS
    known = lineage(workspace, w)
    needed = {number: why for number, why in known.needed.items() if why != FROZEN_ARM}
    kept = kept_generations(replace(known, needed=needed), last.cutoff, settings.retention)
    return find_old_facts(workspace, w, settings, last.cutoff, kept)


def lineage(workspace: Workspace, w: Warehouse) -> Lineage:
    """What the ledger, and the pointers, say of the home's generations."""
    made = ledger.generations(w)
    anchors = {g: Standing.from_json(told).anchor for g, told in ledger.standings(w).items()}
    return Lineage(
        made=tuple(g.generation for g in made),
        needed=_needed(workspace, w),
        named=tuple(Named(n.generation, n.at, n.why) for n in ledger.named_last(w)),
        parents={g.generation: g.parent for g in made if g.parent is not None},
        anchors=anchors,
        released=_by_latest_release([r.generation for r in ledger.releases(w)]),
    )


def _by_latest_release(generations: list[int]) -> tuple[int, ...]:
    """Every generation once, where it was released last.

    >>> _by_latest_release([1, 2, 3, 2])
    (1, 3, 2)
    """
    return tuple(dict.fromkeys(reversed(generations)))[::-1]


def _needed(workspace: Workspace, w: Warehouse) -> dict[int, str]:
    needed: dict[int, str] = {}
    if (champion := ledger.champion(w)) is not None:
        needed[champion] = "champion"
    if (out := ledger.canary_out(w)) is not None:
        needed |= {out.generation: "canary", out.champion: needed.get(out.champion, "beside the canary")}
    for role in (Role.CHAMPION, Role.CHALLENGER):
        if (pointer := read_pointer(workspace.root, role)) is not None:
            needed.setdefault(pointer.generation, str(role))
    if (workspace.root / "replay").is_dir() and ledger.generations(w):
        needed.setdefault(ledger.generations(w)[0].generation, FROZEN_ARM)
    return needed


def take_away(workspace: Workspace, items: Sequence[Item]) -> None:
    """Do what was planned, in order. Killed in between, nothing is half gone, and the next plan has the rest.

    Memories leave the ledger before their folders go: no turn may choose one that is not there. Facts have no folder.
    """
    trash = workspace.root / TRASH
    going = {item.path for item in items if item.kind == "memory"}
    w = warehouse_of(workspace)
    for item in items:
        if item.kind == SEGMENT:
            archive(workspace, w, Path(item.path).name)
    ledger.forget_memory(w, *(m for m in ledger.memories(w) if m.folder in going))
    try:
        trash.mkdir(exist_ok=True)
        for number, item in enumerate(item for item in items if item.kind not in (SEGMENT, FACTS)):
            _move(workspace.root / item.path, trash / f"{time.time_ns()}-{number}")
        shutil.rmtree(trash)
    except OSError as error:
        raise Transient(
            f"cannot prune {workspace.root}: {error.strerror or error}; rights there are needed, the next run goes on"
        ) from None


def _move(path: Path, to: Path) -> None:
    if path.is_relative_to(to.parent):
        return  # left over from an interrupted run, and in the trash already
    with suppress(FileNotFoundError):
        path.replace(to)


def _item(workspace: Workspace, h: Holding, why: str, seen: set[tuple[int, int]]) -> Item:
    size = size_of(workspace.root / h.path, seen)
    return Item(kind=h.kind, path=h.path, bytes=size, why=why, generation=h.generation, cutoff=h.cutoff)


def _latest_in_stores(workspace: Workspace) -> frozenset[str]:
    stores = (workspace.root / "bentoml").glob("*/evercurrent*/latest")
    return frozenset(path.read_text().strip() for path in stores)
