"""One turn of the loop: what it works on, and what it leaves in the ledger."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
from pydantic import Field

from components.domain import ContractBroken, DriftAction, Verdict, Window, instant_of, iso
from components.frozen import Frozen
from components.ingest.source import Source, read_source
from components.settings import Settings, read_settings
from flows import progress
from flows.workspace import Workspace
from warehouse import facts, ledger
from warehouse.connect import Warehouse

ALL_TIME = 1 << 60
"""After every instant there is, microseconds."""


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

    workspace: Workspace
    source: Source
    settings: Settings
    window: Window
    champion: int | None
    stopwatch: Stopwatch = field(default_factory=Stopwatch)

    @property
    def warehouse(self) -> Warehouse:
        """Where its facts and its ledger are."""
        return Warehouse(self.workspace.database, self.source.name)

    @property
    def folder(self) -> Path:
        """Its working files and figures."""
        return self.workspace.turn(self.window.cutoff)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was logged inside its window."""
        return facts.requests_in(self.warehouse, self.window) == 0

    @property
    def pages(self) -> Path:
        """Its pages."""
        return self.workspace.pages(self.window.cutoff)

    @property
    def seed(self) -> int:
        """Seed of everything random in this turn: the same cutoff gives the same turn."""
        return int(np.random.SeedSequence([self.settings.seed, self.window.cutoff]).generate_state(1)[0])


class ValueRecord(Frozen):
    """Policy value of the challenger: expected reward per request, with its 95 % interval."""

    estimate: float | None = None
    lower: float | None = None
    upper: float | None = None


class HeldOutRecord(Frozen):
    """Held-out requests of a turn: judged by it, waiting for outcomes, and dropped unjudged, by reason."""

    judged: int = 0
    waiting: int = 0
    dropped: dict[str, int] = Field(default_factory=dict)


class LateRecord(Frozen):
    """What came after the window it belongs to was closed, and was learned by a turn."""

    impressions: int = 0
    outcomes: int = 0


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
    held_out: HeldOutRecord = HeldOutRecord()
    late: LateRecord = LateRecord()
    ids_grown: int
    ids_expired: int
    value: ValueRecord
    verdict: Verdict
    reasons: tuple[str, ...]
    digest: str
    seconds: dict[str, float]
    notices: tuple[str, ...] = ()

    @property
    def halted(self) -> bool:
        """Whether the window was set aside instead of learned."""
        return self.drift_action == DriftAction.HALT

    @property
    def instant(self) -> int:
        """The cutoff in microseconds."""
        return instant_of(datetime.fromisoformat(self.cutoff))


def open_turn(workspace: Workspace, cutoff: int, *, keep: bool = True) -> Turn:
    """The turn that ends at `cutoff`: its window begins where the last finished one ended.

    `keep` enters it into the ledger, unless nothing was logged in it; the fast loop looks at an open window without
    keeping one.

    Raises
    ------
    ContractBroken
        If this workspace holds no source, or nothing was logged before the cutoff.
    """
    source, settings, w = described_source(workspace), read_settings(workspace.settings), warehouse_of(workspace)
    last = ledger.last_window(w, cutoff)
    start = ledger.first_instant(w) if last is None else last.cutoff
    if start is None or start >= cutoff:
        begins = "" if start is None else f", the log begins {iso(start)}"
        raise ContractBroken(
            f"nothing was logged before {iso(cutoff)}{begins}; name a later cutoff, or ingest a log first: "
            "evercurrent ingest PATH --source NAME"
        )
    window = Window(start, cutoff)
    turn = Turn(workspace, source, settings, window, ledger.champion_of_turn(w, cutoff))
    if keep and not turn.is_empty:
        ledger.open_window(w, window)
    return turn


def finished(workspace: Workspace, cutoff: int) -> TurnRecord | None:
    """The record of a turn that is done, or None."""
    record = ledger.finished_turn(warehouse_of(workspace), cutoff)
    return None if record is None else TurnRecord.model_validate_json(record)


def finished_since(workspace: Workspace, cutoff: int) -> TurnRecord | None:
    """The record of the latest turn, if that ended after an instant; None where nothing was ingested yet."""
    if not workspace.source.exists():
        return None
    last = ledger.last_window(warehouse_of(workspace), ALL_TIME)
    return None if last is None or last.cutoff < cutoff else finished(workspace, last.cutoff)


def described_source(workspace: Workspace) -> Source:
    """The source this workspace holds.

    Raises
    ------
    ContractBroken
        If nothing was ingested here yet.
    """
    workspace.require_log()
    return read_source(workspace.source)


def warehouse_of(workspace: Workspace) -> Warehouse:
    """The warehouse of a workspace, for the source it holds.

    Raises
    ------
    ContractBroken
        If nothing was ingested here yet.
    """
    return Warehouse(workspace.database, described_source(workspace).name)
