"""What a sabotage may look at: the turn with its data, and what the simulated world alone knows."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from components.domain import Doubles
from components.serving.served import Served
from components.world.laws import described
from components.world.requests import true_value
from components.world.simulated import SimulatedWorld
from flows.stages.eligible_sets import EligibleSets, Requests, encode_eligible
from flows.stages.results import Challenger, Champion, NoChallenger, TurnData
from flows.turn import Turn


@dataclass(frozen=True)
class Scene:
    """A turn between its update and its verdict; `requests` are those of its window."""

    turn: Turn
    data: TurnData
    champion: Champion
    requests: pd.DataFrame

    def value_of(self, served: Served) -> float:
        """Exact expected reward per request at the first position, of the window's requests with a choice."""
        eligible, probability = self._known
        preference = served.appraise(eligible.examples).preference
        return true_value(served.policy.predict(preference, eligible.offsets), probability, eligible.offsets)

    @cached_property
    def _known(self) -> tuple[EligibleSets, Doubles]:
        """The eligible sets of the window, and the chance of reward of every entry, (nnz,)."""
        simulated = self.turn.source.simulated
        assert simulated is not None, "only a simulated source knows the chance of reward"
        requests = Requests.of_frame(self.requests)
        eligible = encode_eligible(requests.take(requests.sizes > 1), self.data.encoder)
        lengths = np.diff(eligible.offsets)
        user = np.repeat(_number(eligible.user.distinct)[eligible.user.codes], lengths)
        world = SimulatedWorld(described(simulated.laws))
        item = _number(eligible.item.distinct)[eligible.item.codes][:, None]
        return eligible, world.probability(user, item, np.repeat(eligible.at, lengths))[:, 0]


Sabotage = Callable[[Scene, Challenger], Challenger | NoChallenger]
"""Breaks a challenger after it was made and before it is judged; never changes the one it is given."""


def _number(ids: np.ndarray) -> np.ndarray:
    """(n,) numbers of the simulated world's users and items from their ids, such as 17 from ``u17``."""
    return np.array([int(each[1:]) for each in ids], np.int64)
