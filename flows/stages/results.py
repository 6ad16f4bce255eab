"""What the stages of a turn hand to each other."""

from dataclasses import dataclass

import numpy as np

from components.domain import Bools, DriftAction, Ints, Matured, Refused, Verdict
from components.drift.drift_action import Judged
from components.drift.drift_report import DriftReport
from components.evaluate.creep import Standing
from components.evaluate.evaluate import Evaluation
from components.evaluate.gate import Kind
from components.evaluate.holdout import HoldoutCounts
from components.memory.gain import MemoryGain
from components.memory.memory import ErrorMemory, TrustReport
from components.policy.plackett_luce import PlackettLuce
from components.ranker.features import Encoder
from components.ranker.history import History
from components.serving.served import Served
from components.update.checkpoint import Checkpoint
from components.update.train import Update
from components.validate.validate import Validation
from flows.stages.choices import Rater
from flows.stages.training_data import TrainingData
from flows.turn import ValueRecord
from warehouse.facts import Late


@dataclass(frozen=True)
class DriftFound:
    """What is done about drift, and why; before the first generation: learn, with no `report`."""

    action: DriftAction
    reasons: tuple[str, ...]
    report: DriftReport | None = None
    judged: tuple[Judged, ...] = ()

    @property
    def halts(self) -> bool:
        """Whether the window contradicts the past: nobody learns from it, and nobody is judged by it."""
        return self.action is DriftAction.HALT


@dataclass(frozen=True)
class ValidatedWindow:
    """A validated window: what was found, what halts the turn, if anything does, and what arrived out of its time.

    `late` is what came of earlier windows, and is learned with this one.
    """

    validation: Validation
    unsound: DriftFound | None = None
    notices: tuple[str, ...] = ()
    late: tuple[Late, ...] = ()


@dataclass(frozen=True)
class TurnData:
    """What matured and the champion does not know, in order of arrival, and the champion.

    Attributes
    ----------
    servable : (k,) ids of the items that can be shown.
    held : (n,) marks, among `fresh`, what is judged by this turn: nobody learns from it before the verdict.
    waiting : (n,) marks what belongs to held-out requests of which a later turn will judge: nobody learns from it, but
        the live memory. `waiting_requests` counts those requests, the ones of which nothing matured yet included.
    learnable : (n,) instants from which `fresh` may be learned, `NEVER` while it waits.
    replayed : a sample of what earlier generations learned from, against forgetting; None where none is wanted.
    champion : as it was released, without its memory: one stage reads that, and no other asks it; None before the
        first generation.
    history : what every user liked last as known at the cutoff, where the source has the field `recent`.
    """

    encoder: Encoder
    servable: np.ndarray
    fresh: TrainingData
    held: Bools
    waiting: Bools
    learnable: Ints
    waiting_requests: int
    replayed: TrainingData | None
    champion: Served | None
    history: History | None = None

    @property
    def is_open(self) -> Bools:
        """(n,) what may be learned before the verdict."""
        return ~self.held & ~self.waiting

    def learned_before(self, instant: int) -> Bools:
        """(n,) what could be learned before an instant."""
        return self.learnable < instant

    @property
    def open(self) -> Matured:
        """What the challenger may learn from before the verdict: a copy, unless that is everything."""
        return self.fresh.matured if self.is_open.all() else self.fresh.matured.take(self.is_open)

    @property
    def held_out(self) -> Matured:
        """What is learned after the verdict: a copy."""
        return self.fresh.matured.take(self.held)


@dataclass(frozen=True)
class Latest:
    """What a refresh works on: what came since the memory that it goes on from, and a little before.

    Attributes
    ----------
    champion : as it was released. known : with the memory that knows most so far, and what users liked last as known
        at the cutoff.
    rows : what became known lately, in order of arrival. (n,) `unknown` marks what that memory has not learned.
    """

    encoder: Encoder
    champion: Served
    known: Served
    rows: TrainingData
    unknown: Bools


@dataclass(frozen=True)
class Remembered:
    """What is told of a generation's memory that knows everything. The memory itself is a snapshot on the disk.

    A run keeps the result of every stage until it ends, and nobody in it asks this memory anything.

    Attributes
    ----------
    generation : whose it is. nbytes : bytes of what it has learned. trust : after how many outcomes it trusts what.
    gain : what it was worth on what it learned last; None where nothing had come that it did not know.
    """

    generation: int
    nbytes: int
    trust: TrustReport
    gain: MemoryGain | None

    @classmethod
    def of(cls, generation: int, memory: ErrorMemory, gain: MemoryGain | None) -> "Remembered":
        """Of a memory that is about to go."""
        return cls(generation, memory.nbytes, memory.trust_report(), gain)


@dataclass(frozen=True)
class Champion:
    """The champion at the cutoff, with the memory that is blind to what is held out, and what is told of its live one.

    `parent` is the generation it replaced, as blind; None for the first. `standing` says what releases since its
    anchor may have lost; `anchor` is that generation, as blind, None where it is the champion itself.
    """

    live: Remembered
    blind: Served
    parent: Served | None
    standing: Standing
    anchor: Served | None


@dataclass(frozen=True)
class Challenger:
    """A generation in the making. `kind` decides how the gate judges it; None: first of all, nothing to compare."""

    checkpoint: Checkpoint
    memory: ErrorMemory
    policy: PlackettLuce
    kind: Kind | None
    update: Update

    @property
    def rater(self) -> Rater:
        """It as one of those that are asked; what it expects is the gate's reward model."""
        return Rater(self.checkpoint.model, self.memory, self.policy, expects=True)


@dataclass(frozen=True)
class NoChallenger:
    """Why a turn makes no new generation: which rule or guard, which figure, which limit, what to do."""

    reasons: tuple[str, ...]

    @classmethod
    def diverged(cls, refused: Refused) -> "NoChallenger":
        """Training got worse instead of better."""
        return cls((f"challenger discarded: {refused}",))


@dataclass(frozen=True)
class Judgement:
    """The verdict with its reasons; `evaluation` is None where there was nothing to compare or to judge.

    `held_out` counts the held-out requests by what became of them, where there is a champion.
    """

    verdict: Verdict
    reasons: tuple[str, ...]
    evaluation: Evaluation | None = None
    held_out: HoldoutCounts | None = None

    @property
    def value(self) -> ValueRecord:
        """The challenger's policy value, as far as it could be estimated."""
        relied = self.evaluation.value if self.evaluation else None
        return ValueRecord(estimate=relied.value, lower=relied.lower, upper=relied.upper) if relied else ValueRecord()


@dataclass(frozen=True)
class Trial:
    """The canary that was out when the turn opened, and what becomes of it: PROMOTE, ROLL_BACK, or HOLD: it stays."""

    generation: int
    share: float
    verdict: Verdict
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Published:
    """The generation a turn made (or None), the champion after it, and a digest of what was made."""

    generation: int | None
    champion: int
    digest: str
