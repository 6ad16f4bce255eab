"""Rows of the ledger as types: what `warehouse.ledger` takes and gives. Instants are microseconds UTC."""

from enum import StrEnum

from components.domain import Window
from components.frozen import Frozen


class Generation(Frozen):
    """One generation, promoted or held.

    `parent` was champion when it was made. `rows` counts the fresh matured impressions it learned from, `grown` and
    `expired` the ids that got and lost a row; `bundle` is relative to the workspace.
    """

    generation: int
    parent: int | None
    start: int
    cutoff: int
    rows: int
    grown: int
    expired: int
    bundle: str
    manifest_digest: str

    @property
    def window(self) -> Window:
        """The window of the turn that made it."""
        return Window(self.start, self.cutoff)


class JudgedGeneration(Frozen):
    """One generation and its verdict; None while nobody judged it."""

    generation: int
    parent: int | None
    cutoff: int
    rows: int
    grown: int
    expired: int
    verdict: str | None
    reasons: tuple[str, ...] | None


class ReleaseMade(Frozen):
    """One move of the champion pointer; `cutoff` is the turn's, None where a person moved it."""

    release: int
    generation: int
    previous: int | None
    kind: str
    reason: str
    cutoff: int | None


class ReleaseWanted(Frozen):
    """A move of the champion pointer that is to be made: to `generation`, why, and in which turn, if in one."""

    generation: int
    kind: str
    reason: str
    cutoff: int | None


class CanaryWanted(Frozen):
    """A generation that is to serve some users first: beside which champion, since when, by which settings (JSON)."""

    generation: int
    champion: int
    began_at: int
    settings: str


class CanaryMade(CanaryWanted):
    """A canary, out or ended.

    `looked_at` and `look` (JSON) are of the latest comparison. `verdict` None: it is out; PROMOTE or ROLL_BACK, with
    reasons; `ended_at` is the turn's cutoff, None where a person ended it.
    """

    looked_at: int | None
    look: str | None
    verdict: str | None
    reasons: tuple[str, ...] | None
    ended_at: int | None


class CanaryEnded(Frozen):
    """What became of a canary; `ended_at` is the turn's cutoff, None where a person ended it."""

    generation: int
    verdict: str
    reasons: tuple[str, ...]
    ended_at: int | None


class Memory(Frozen):
    """The memory of a generation as of a cutoff; `folder` is relative to the workspace."""

    generation: int
    cutoff: int
    folder: str
    digest: str


class Trusted(Frozen):
    """What the memory of a generation trusted as of a cutoff (JSON of a `TrustReport`)."""

    generation: int
    cutoff: int
    trust: str


class NamedLast(Frozen):
    """The latest instant of data time at which the ledger names a generation, and as what."""

    generation: int
    at: int
    why: str


class TurnKept(Frozen):
    """A finished turn: its record, and the reports (JSON) of its stages, None where a stage had nothing to say.

    `challenger` None: it made none, or nobody judged it.
    """

    start: int
    cutoff: int
    turn: str
    validation: str | None
    drift_champion: int | None
    drift_reasons: tuple[str, ...] | None
    drift: str | None
    challenger: int | None
    evaluation: str | None


class SetAsideStatus(StrEnum):
    """What stands of a window: refused by the loop, taken out by a person, or learned after all."""

    HALTED = "HALTED"
    QUARANTINED = "QUARANTINED"
    ACCEPTED = "ACCEPTED"
    MENDED = "MENDED"

    @property
    def aside(self) -> bool:
        """Whether nobody learns from it."""
        return self in (SetAsideStatus.HALTED, SetAsideStatus.QUARANTINED)


class SetAside(Frozen):
    """One decision about a window, with its reasons.

    `learnable_at` is the instant from which what was readmitted counts as known; None where nobody learns from it.
    """

    start: int
    cutoff: int
    status: SetAsideStatus
    reasons: tuple[str, ...]
    learnable_at: int | None = None

    @property
    def window(self) -> Window:
        """Which window."""
        return Window(self.start, self.cutoff)


class SetAsideMade(SetAside):
    """A decision with its number in the ledger."""

    number: int


class Everything(Frozen):
    """What the report site is drawn of: all that the ledger knows of generations, turns and what became of them.

    `promises`: generation -> JSON.
    """

    generations: tuple[JudgedGeneration, ...]
    turns: tuple[TurnKept, ...]
    releases: tuple[ReleaseMade, ...]
    canaries: tuple[CanaryMade, ...]
    trusts: tuple[Trusted, ...]
    set_asides: tuple[SetAsideMade, ...]
    promises: dict[int, str]


class DriftDecided(Frozen):
    """What was measured against a champion and decided: `state` carries hysteresis and cool-down to the next turn."""

    cutoff: int
    champion: int
    action: str
    reasons: tuple[str, ...]
    state: str
    report: str


class Judged(Frozen):
    """One judgement of the gate; `challenger` is None where a turn made none."""

    cutoff: int
    challenger: int | None
    champion: int | None
    verdict: str
    reasons: tuple[str, ...]
    report: str


class Counts(Frozen):
    """Rows of the warehouse; impressions of days that were taken out of it are not among them."""

    batches: int
    requests: int
    impressions: int
    outcomes: int
    quarantined: int
    pruned_days: int = 0
    pruned_impressions: int = 0


class BatchTaken(Frozen):
    """A batch of a log: where it came from, its rows, and how many of them were here already."""

    path: str
    rows: int
    duplicates: int
    first_at: int
    last_at: int
