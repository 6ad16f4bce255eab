"""What the site is drawn of: the ledger of a home, and what a replay knows beside it; read, never changed.

Reports of stages are read leniently: those of an earlier version lack what was not measured then.
"""

import logging
from dataclasses import dataclass, field
from functools import cached_property

from pydantic import BaseModel, ConfigDict, ValidationError

from components.domain import iso
from components.evaluate.promise import Promise
from components.ingest.reward_rule import RewardRule
from components.pages.scale import day
from components.publish.manifest import MANIFEST
from flows.site.disk_use import disk_use
from flows.turn import TurnRecord, described_source, warehouse_of
from flows.workspace import Workspace
from warehouse import ledger, set_asides
from warehouse.records import CanaryMade, JudgedGeneration, ReleaseMade, TurnKept

log = logging.getLogger(__name__)


class Told(BaseModel):
    """A part of a report; what it says beyond that is another page's."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class EstimateTold(Told):
    """A value with its interval; None where there is none."""

    value: float | None = None
    lower: float | None = None
    upper: float | None = None


class EvaluationTold(Told):
    """What was judged; `champion_value` on the same requests, `difference` challenger - champion."""

    champion_value: EstimateTold | None = None
    difference: EstimateTold | None = None


class FieldTold(Told):
    """One field's distance from a reference, and its limit."""

    column: str
    distance: float | None = None
    limit: float | None = None


class ReferenceTold(Told):
    """A window against one reference."""

    fields: tuple[FieldTold, ...] = ()
    score: FieldTold | None = None


class CalibrationTold(Told):
    """What the champion predicted against what came; `expected` if its probabilities are right."""

    log_loss: float | None = None
    expected: float | None = None
    constant: float | None = None
    calibration_error: float | None = None
    expected_calibration_error: float | None = None
    auc: float | None = None


class DriftTold(Told):
    """A drift report."""

    training: ReferenceTold = ReferenceTold()
    last: ReferenceTold | None = None
    calibration: CalibrationTold = CalibrationTold()


class CountsTold(Told):
    """Counts of a validation."""

    outcomes: int | None = None
    set_aside: int | None = None


class ValidationTold(Told):
    """A validation report."""

    statistics: CountsTold = CountsTold()


class WeightTold(Told):
    """Weight of one input of the compensated logit."""

    signal: str
    weight: float


class TrustTold(Told):
    """What a memory trusts."""

    outcomes: int = 0
    weights: tuple[WeightTold, ...] = ()


class ArmsTold(Told):
    """One figure for generation 1 left as it was, and for the champion without and with its memory."""

    frozen: float | None = None
    champion: float | None = None
    champion_with_memory: float | None = None


class TruthTold(Told):
    """What a world knows: the challenger's true value, and those of a random choice and of the best."""

    true: float | None = None
    random: float | None = None
    oracle: float | None = None


class ReplayedTold(Told):
    """What a replay knows of a turn."""

    cutoff: str
    auc: ArmsTold = ArmsTold()
    log_loss: ArmsTold = ArmsTold()
    value: TruthTold = TruthTold()


class ReplayTold(Told):
    """What a replay knows."""

    turns: tuple[ReplayedTold, ...] = ()


@dataclass(frozen=True)
class SiteTurn:
    """One finished turn.

    `made` is the generation it made, None where it made none; `replayed` what a replay knows of it; `pages` the pages
    that lie in the site; `trust` of its champion's memory.
    """

    record: TurnRecord
    kept: TurnKept
    validation: ValidationTold
    drift: DriftTold | None
    evaluation: EvaluationTold | None
    made: JudgedGeneration | None
    trust: TrustTold | None
    replayed: ReplayedTold | None
    pages: tuple[str, ...]

    @property
    def name(self) -> str:
        """The end of its window, whole."""
        return iso(self.kept.cutoff)

    @property
    def short(self) -> str:
        """The end of its window, as it stands at an axis."""
        return day(self.kept.cutoff)


@dataclass(frozen=True)
class WindowAside:
    """A window that the loop refused to learn: why, and what became of it."""

    start: int
    cutoff: int
    reasons: tuple[str, ...]
    state: str


@dataclass(frozen=True)
class History:
    """All that the index tells; turns and generations in order. `bundles` are the generations whose bundle is there."""

    source: str
    unit: str
    champion: int | None
    turns: tuple[SiteTurn, ...]
    generations: tuple[JudgedGeneration, ...]
    releases: tuple[ReleaseMade, ...]
    canaries: tuple[CanaryMade, ...]
    promises: tuple[Promise, ...]
    bundles: frozenset[int]
    disk: dict[str, int]
    aside: tuple[WindowAside, ...] = ()
    others: tuple[str, ...] = field(default=())
    """Further pages of the site, relative to it."""

    @cached_property
    def canary(self) -> int | None:
        """The generation that serves some users first."""
        return next((c.generation for c in self.canaries if c.verdict is None), None)

    @cached_property
    def released(self) -> frozenset[int]:
        """Every generation that was champion once."""
        return frozenset(r.generation for r in self.releases)


def read_history(workspace: Workspace) -> History:
    """The history of a home.

    Raises
    ------
    ContractBroken
        If it holds no log yet.
    Transient
        If another process holds the warehouse.
    """
    w = warehouse_of(workspace)
    told, known = ledger.everything(w), {t.cutoff: t for t in _replayed(workspace).turns}
    made = told.generations
    by_cutoff = {g.cutoff: g for g in made}
    trusts = {(t.generation, t.cutoff): t.trust for t in told.trusts}
    turns = []
    for kept in told.turns:
        record = TurnRecord.model_validate_json(kept.turn)
        trust = trusts.get((record.parent or 0, kept.cutoff))
        turns.append(
            SiteTurn(
                record=record,
                kept=kept,
                validation=ValidationTold.model_validate_json(kept.validation or "{}"),
                drift=None if kept.drift is None else DriftTold.model_validate_json(kept.drift),
                evaluation=None if kept.evaluation is None else EvaluationTold.model_validate_json(kept.evaluation),
                made=by_cutoff.get(kept.cutoff),
                trust=None if trust is None else TrustTold.model_validate_json(trust),
                replayed=known.get(record.cutoff),
                pages=_pages(workspace, kept.cutoff),
            )
        )
    return History(
        source=w.source,
        unit=RewardRule.of(described_source(workspace)).unit,
        champion=told.releases[-1].generation if told.releases else None,
        turns=tuple(turns),
        generations=made,
        releases=told.releases,
        canaries=told.canaries,
        promises=tuple(map(Promise.from_json, told.promises.values())),
        bundles=frozenset(g.generation for g in made if (workspace.bundle(g.generation) / MANIFEST).exists()),
        disk=disk_use(workspace.root),
        aside=tuple(
            WindowAside(m.start, m.cutoff, m.reasons, m.status) for m in set_asides.standing_of(told.set_asides)
        ),
        others=("replay.html",) if (workspace.reports / "replay.html").exists() else (),
    )


def _pages(workspace: Workspace, cutoff: int) -> tuple[str, ...]:
    folder = workspace.pages(cutoff)
    return tuple(sorted(p.name for p in folder.glob("*.html"))) if folder.is_dir() else ()


def _replayed(workspace: Workspace) -> ReplayTold:
    """What the last replay of this home knew; nothing without one."""
    try:
        return ReplayTold.model_validate_json(workspace.replay_record.read_bytes())
    except FileNotFoundError:
        return ReplayTold()
    except ValidationError:
        log.warning("stage=site event=replay_left_out path=%s", workspace.replay_record)
        return ReplayTold()
