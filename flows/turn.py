"""One turn of the loop: what it works on, and what it leaves in the ledger."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np

from components.domain import ContractBroken, Verdict, Window, iso
from components.frozen import Frozen
from components.ingest.source import Source, read_source
from components.settings import Settings, read_settings
from flows import progress
from flows.workspace import Workspace
from warehouse import query
from warehouse.connect import warehouse


class Stopwatch:
    """Seconds per stage of one turn."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}

    @contextmanager
    def time(self, stage: str) -> Iterator[None]:
        """Add the block's wall seconds to `stage`, and tell who watches."""
        progress.begin(stage)
        begin = time.perf_counter()
        try:
            yield
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - begin


@dataclass(frozen=True)
class Turn:
    """What one turn works on, fixed when it opens. `champion` is None before the first generation."""

    home: Workspace
    source: Source
    settings: Settings
    window: Window
    champion: int | None
    stopwatch: Stopwatch = field(default_factory=Stopwatch)

    @property
    def seed(self) -> int:
        """Seed of everything random in this turn: the same cutoff gives the same turn."""
        return int(np.random.SeedSequence([self.settings.seed, self.window.cutoff]).generate_state(1)[0])


class ValueRecord(Frozen):
    """Policy value of the challenger: expected reward per request, with its 95 % interval."""

    estimate: float | None = None
    lower: float | None = None
    upper: float | None = None


class TurnRecord(Frozen):
    """The figures of one finished turn, as the ledger keeps them."""

    cutoff: str
    generation: int
    parent: int | None
    champion: int
    requests: int
    impressions: int
    accepted: int
    quarantined: int
    drift_action: str
    ids_grown: int
    ids_expired: int
    value: ValueRecord
    verdict: Verdict
    reasons: tuple[str, ...]
    digest: str
    seconds: dict[str, float]


def open_turn(home: Workspace, cutoff: int, *, keep: bool = True) -> Turn:
    """The turn that ends at `cutoff`: its window begins where the last finished one ended.

    `keep` enters it into the ledger; the fast loop looks at an open window without keeping one.

    Raises
    ------
    ContractBroken
        If this home holds no source, or nothing was logged before the cutoff.
    """
    source, settings = described_source(home), read_settings(home.settings)
    with warehouse(home.warehouse) as connection:
        last = query.rows(connection, "06_ledger/last_window", source=source.name, cutoff=cutoff)
        start = last[0]["cutoff"] if last else None
        if start is None:
            start = query.rows(connection, "06_ledger/first_instant", source=source.name)[0]["first_at"]
        if start is None or int(str(start)) >= cutoff:
            raise ContractBroken(
                f"nothing was logged before {iso(cutoff)}; ingest a log first: evercurrent ingest PATH --source NAME"
            )
        window = Window(int(str(start)), cutoff)
        champion = query.rows(connection, "06_ledger/champion", source=source.name)
        if keep:
            query.execute(connection, "06_ledger/open_window", source=source.name, cutoff=cutoff, start=window.start)
    return Turn(home, source, settings, window, int(str(champion[0]["generation"])) if champion else None)


def finished(home: Workspace, cutoff: int) -> TurnRecord | None:
    """The record of a turn that is done, or None."""
    source = described_source(home)
    with warehouse(home.warehouse) as connection:
        found = query.rows(connection, "06_ledger/turn", source=source.name, cutoff=cutoff)
    done = bool(found) and bool(found[0]["finished"])
    return TurnRecord.model_validate_json(str(found[0]["turn"])) if done else None


def write_record(turn: Turn, record: TurnRecord) -> None:
    """Finish the turn in the ledger."""
    with warehouse(turn.home.warehouse) as connection:
        query.execute(
            connection,
            "06_ledger/close_window",
            source=turn.source.name,
            cutoff=turn.window.cutoff,
            requests=record.requests,
            impressions=record.impressions,
            turn=record.model_dump_json(),
        )


def described_source(home: Workspace) -> Source:
    """The source this home holds.

    Raises
    ------
    ContractBroken
        If nothing was ingested here yet.
    """
    if not home.source.exists():
        raise ContractBroken(
            f"{home.root} holds no log yet; start with: evercurrent replay, or evercurrent ingest PATH --source NAME"
        )
    return read_source(home.source)


def instant(moment: datetime) -> int:
    """Microseconds since the epoch; a time without zone is UTC."""
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return round(moment.timestamp() * 1_000_000)
