"""What may play in a world: a generation as it would be served, by the contracts of its parts."""

from typing import Protocol

import numpy as np

from components.domain import Doubles, Examples, FeatureSpec, Floats, Ints, Prediction
from components.ranker.history import History


class Encoding(Protocol):
    """Raw ids to examples."""

    @property
    def spec(self) -> FeatureSpec: ...

    def encode(
        self, user_ids: np.ndarray, item_ids: np.ndarray, at: Ints, context: dict[str, np.ndarray]
    ) -> Examples: ...


class Predicting(Protocol):
    """The slow learner."""

    def predict(self, examples: Examples) -> Prediction: ...


class Remembering(Protocol):
    """The fast learner."""

    def compensate(self, examples: Examples, prediction: Prediction) -> Floats: ...

    def learn(self, examples: Examples, prediction: Prediction, reward: Floats, grade: Floats | None) -> None: ...


class ShownSlates(Protocol):
    """Slates as entries; see `components.policy.plackett_luce.Shown`."""

    @property
    def entry(self) -> Ints: ...

    @property
    def position(self) -> Ints: ...

    @property
    def request(self) -> Ints: ...


class Drawn(Protocol):
    """Slates with propensities; see `components.policy.plackett_luce.Slates`."""

    @property
    def shown(self) -> ShownSlates: ...

    @property
    def propensity(self) -> Doubles: ...


class Drawing(Protocol):
    """The policy."""

    def sample(self, scores: Floats, offsets: Ints, slate_size: Ints, rng: np.random.Generator) -> Drawn: ...


class Player(Protocol):
    """What plays: a generation as it would be served."""

    @property
    def generation(self) -> int: ...

    @property
    def encoder(self) -> Encoding: ...

    @property
    def model(self) -> Predicting: ...

    @property
    def memory(self) -> Remembering: ...

    @property
    def policy(self) -> Drawing: ...

    @property
    def history(self) -> History | None: ...
