"""The arms: how the network is kept fresh, and what corrects its predictions.

An arm is a schedule of the network and a corrector. All arms see the same slots: predict the slot, then
learn what has become known. Nothing is chosen on the reported stretch: ReLoop2's strength and the memory's
prior standard deviations come from the pre-training stretch.
"""

from dataclasses import dataclass, field
from time import perf_counter
from typing import Protocol

import numpy as np

from components.domain import DAY, Doubles, Examples, Matured, Prediction
from components.feature_spec import FeatureSpec
from components.memory.memory import ErrorMemory, MemorySettings, TrustReport
from components.memory.neighbour_statistics import reloop2
from components.memory.neighbour_view import NeighbourView
from components.memory.settings import ViewName
from components.memory.sketch_view import SketchView
from components.memory.views import build
from components.ranker.settings import RankerSettings
from components.sigmoid import sigmoid
from components.update.checkpoint import Checkpoint
from components.update.settings import UpdateSettings
from components.update.train import pretrain
from components.update.warm_start import warm_start

ALL_VIEWS: tuple[ViewName, ...] = ("outcome", "residual", "counters", "sketch", "neighbours")


@dataclass(frozen=True, slots=True)
class Schedule:
    """How the network is kept fresh.

    Attributes
    ----------
    every : days between updates; 0 is never.
    window : days of the sliding window it is trained anew on; 0 is a warm start.
    reloop_alpha : weight of the self-correction loss of a warm start.
    """

    name: str
    every: float = 0.0
    window: float = 0.0
    reloop_alpha: float = 0.0


class Corrector(Protocol):
    """What turns the network's prediction into the arm's probability."""

    def read(self, examples: Examples, prediction: Prediction) -> Doubles:
        """(n,) probabilities."""
        ...

    def learn(self, fresh: Matured, prediction: Prediction) -> None:
        """Learn outcomes, with the predictions made before them."""
        ...

    def rebase(self, network: "Network") -> None:
        """The network has been updated."""
        ...

    @property
    def nbytes(self) -> int:
        """Bytes held."""
        ...


class Nothing:
    """The network as it is."""

    nbytes = 0

    def read(self, examples: Examples, prediction: Prediction) -> Doubles:
        """The network's own probability."""
        return sigmoid(prediction.logit)

    def learn(self, fresh: Matured, prediction: Prediction) -> None:
        """Nothing."""

    def rebase(self, network: "Network") -> None:
        """Nothing."""


class Published:
    """ReLoop2 as published: undecayed, unshrunk, one strength for all."""

    def __init__(self, view: SketchView | NeighbourView, gamma: float, strength: float) -> None:
        self.view, self._gamma, self._strength = view, gamma, strength

    @property
    def nbytes(self) -> int:
        """Bytes of sums or of kept outcomes."""
        return sum(a.nbytes for a in self.view.state().values())

    def read(self, examples: Examples, prediction: Prediction) -> Doubles:
        """The compensated probability."""
        statistics = self.view.statistics(examples, prediction)
        return reloop2(sigmoid(prediction.logit), statistics, self._gamma, self._strength)

    def learn(self, fresh: Matured, prediction: Prediction) -> None:
        """Keep the outcomes."""
        self.view.learn_unread(fresh.examples, prediction, fresh.reward)

    def rebase(self, network: "Network") -> None:
        """Encode anew, or reset."""
        self.view.rebase(network.checkpoint.model.predict)


class Remembering:
    """The error memory."""

    def __init__(self, memory: ErrorMemory) -> None:
        self.memory = memory

    @property
    def nbytes(self) -> int:
        """Bytes of what has been learned."""
        return self.memory.nbytes

    def read(self, examples: Examples, prediction: Prediction) -> Doubles:
        """The compensated probability."""
        return sigmoid(self.memory.compensate(examples, prediction))

    def learn(self, fresh: Matured, prediction: Prediction) -> None:
        """Learn the outcomes."""
        self.memory.learn(fresh.examples, prediction, fresh.reward, fresh.grade)

    def rebase(self, network: "Network") -> None:
        """Re-encode."""
        self.memory.rebase(network.checkpoint.model.predict)


@dataclass(slots=True)
class Network:
    """A network on a schedule, with what its updates have cost."""

    schedule: Schedule
    spec: FeatureSpec
    data: Matured
    seed: int
    checkpoint: Checkpoint
    learned: int
    next_update: int
    examples: int = 0
    seconds: float = 0.0

    def advance(self, now: int, known: int) -> bool:
        """Update if it is time, on the first `known` rows; whether the network changed."""
        if not self.schedule.every or now < self.next_update:
            return False
        step = int(self.schedule.every * DAY)
        self.next_update += step * ((now - self.next_update) // step + 1)
        start = perf_counter()
        changed = self._anew(now, known) if self.schedule.window else self._warm(now, known)
        self.seconds += perf_counter() - start
        return changed

    def _warm(self, now: int, known: int) -> bool:
        fresh = self.data.take(np.s_[self.learned : known])
        if not len(fresh):
            return False
        settings = UpdateSettings(reloop_alpha=self.schedule.reloop_alpha)
        made = warm_start(self.checkpoint, fresh, None, now, settings, self.seed)
        self.checkpoint, self.learned = made.checkpoint, known
        self.examples += made.examples_processed
        return made.diverged is None

    def _anew(self, now: int, known: int) -> bool:
        first = int(np.searchsorted(self.data.examples.at[:known], now - int(self.schedule.window * DAY)))
        window = self.data.take(np.s_[first:known])
        if not len(window) or window.reward.min() == window.reward.max():
            return False
        made = pretrain(self.spec, window, RankerSettings(), UpdateSettings(), self.seed)
        self.checkpoint = made.checkpoint
        self.examples += made.examples_processed
        return True


@dataclass(slots=True)
class Arm:
    """One corrector on one schedule; filled while replaying.

    `read_us`, `write_us` : microseconds per row of every read and write, slot by slot.
    """

    name: str
    corrector: Corrector
    probability: Doubles
    read_us: list[float] = field(default_factory=list)
    write_us: list[float] = field(default_factory=list)
    trust: list[tuple[int, TrustReport]] = field(default_factory=list)


def published(spec: FeatureSpec, hidden: int, seed: int, name: str, gamma: float, strength: float) -> Published:
    """ReLoop2 with the sketch, or with the exact neighbours if `name` says so."""
    forever = 36_500.0
    settings = MemorySettings(sketch_half_life=forever, neighbours_ttl=forever, neighbours_exact=True)
    view = build(spec, hidden, settings.model_copy(update={"views": (name,)}), seed)[name]
    assert isinstance(view, SketchView | NeighbourView)
    return Published(view, gamma, strength)


def remembering(spec: FeatureSpec, hidden: int, settings: MemorySettings, history: Matured, seed: int) -> Remembering:
    """A memory primed with the pre-training stretch."""
    memory = ErrorMemory.empty(spec, hidden, settings, seed)
    memory.prime(history)
    return Remembering(memory)
