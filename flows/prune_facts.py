"""Facts that `[retention]` keeps no longer: which days may go, and why the others stay.

A day goes when it is older than `facts_days` and no turn will ask for it again: every generation that may answer, or be
compared, has learned it, no window that is set aside needs it, and no request of it waits for an outcome.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from components.domain import DAY, SECOND, iso
from components.evaluate.canary import past_window
from components.ingest.source import Source
from components.publish.retention import RetentionSettings, horizon_of
from components.ranker.history import history_width
from components.settings import Settings
from flows.prune_plan import FACTS, Item
from flows.stages.release import settings_of
from flows.turn import described_source, warehouse_of
from flows.workspace import Workspace
from warehouse import ledger, old_facts
from warehouse.compact import compact
from warehouse.connect import Warehouse
from warehouse.day_files import write_beside
from warehouse.facts import Maturing
from warehouse.old_facts import OldDay, Reach


@dataclass(frozen=True, slots=True)
class OldFacts:
    """Days that go, in order; days that stay though they are old, and why.

    Facts of `since` and later stay, whatever a day is needed for: `why`. None where `facts_days` is not set.
    """

    going: tuple[OldDay, ...] = ()
    kept: Mapping[str, str] = field(default_factory=dict)
    since: int | None = None
    why: str = ""


NO_FACTS = OldFacts()


@dataclass(frozen=True, slots=True)
class Limit:
    """No fact of `at` or later may go, and why."""

    at: int
    why: str


def find_old_facts(
    workspace: Workspace, w: Warehouse, settings: Settings, latest: int, kept: Mapping[int, str]
) -> OldFacts:
    """What may go.

    Parameters
    ----------
    latest : cutoff of the latest finished turn. kept : generations that may still answer, or be compared, and why.
    """
    days = settings.retention.facts_days
    if days is None:
        return OldFacts()
    source = described_source(workspace)
    needed = _unlearned(w, source, settings, kept)
    limits = (
        Limit(horizon_of(latest, days), "facts_days"),
        Limit(latest - _patience(source, settings), "requests that are held out may wait for outcomes"),
        needed,
        *_unfinished(w, latest),
        *_canary(w),
    )
    first = min(limits, key=lambda limit: limit.at)
    before = first.at // DAY * DAY
    found = old_facts.old_days(w, Reach(before, needed.at, maturing(source)))
    return OldFacts(
        going=tuple(day for day in found if day.needed is None),
        kept={day.day.isoformat(): day.needed for day in found if day.needed is not None},
        since=before,
        why=first.why,
    )


def items_of(workspace: Workspace, w: Warehouse, found: OldFacts, settings: RetentionSettings) -> tuple[Item, ...]:
    """The days that go, each with its share of the warehouse's file by rows."""
    if not found.going:
        return ()
    per_row = workspace.database.stat().st_size / max(old_facts.fact_rows(w), 1)
    why = f"older than facts_days = {settings.facts_days:g}; " + (
        "to Parquet" if settings.old_facts == "archive" else "for good"
    )
    return tuple(
        Item(kind=FACTS, path=f"facts/day={day.day}", bytes=round(per_row * day.rows), why=why) for day in found.going
    )


def take_facts(workspace: Workspace, found: OldFacts, settings: RetentionSettings) -> int:
    """Take the days out, the oldest first; the bytes that the warehouse's file gave back.

    Killed in between, every day is whole somewhere, and the next prune goes on.

    Raises
    ------
    ContractBroken, Transient
        As `warehouse.old_facts.take_out`.
    """
    source, w = described_source(workspace), warehouse_of(workspace)
    archive = workspace.old_facts if settings.old_facts == "archive" else None
    if archive is not None and found.going:
        archive.mkdir(exist_ok=True)
        write_beside(w, archive, workspace.source)
    for day in found.going:
        old_facts.take_out(w, day, maturing(source), history_width(source.spec), archive)
    return compact(w.path)


def maturing(source: Source) -> Maturing:
    """When an impression's reward is known."""
    return Maturing(source.outcome.kind, source.attribution)


def _unlearned(w: Warehouse, source: Source, settings: Settings, kept: Mapping[int, str]) -> Limit:
    """What matured since the earliest window of a generation that is kept: after a roll-back to it, that is learned."""
    start, generation = min((ledger.generation(w, number).start, number) for number in kept)
    waits = _patience(source, settings) if source.attribution is None else 0  # a slate's early outcomes may have waited
    return Limit(max(start - waits, 0), f"generation {generation} is kept ({kept[generation]}) and has not learned it")


def _patience(source: Source, settings: Settings) -> int:
    return round((source.attribution or 0.0) * SECOND + settings.evaluate.wait_days * DAY)


def _unfinished(w: Warehouse, latest: int) -> list[Limit]:
    """A turn that is resumed must find what it began with, the past that it replays included."""
    begun = ledger.unfinished_windows(w, latest)
    return [Limit(0, f"the turn that ends {iso(window.cutoff)} is not finished") for window in begun[:1]]


def _canary(w: Warehouse) -> list[Limit]:
    """A canary's users are compared with their own past."""
    out = ledger.canary_out(w)
    if out is None:
        return []
    past = past_window(out.began_at, settings_of(out))
    return [Limit(min(past.start, out.began_at), f"canary generation {out.generation} is compared with it")]
