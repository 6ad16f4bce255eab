"""What a sabotage may look at: the turn with its data, and what the simulated world alone knows."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from components.domain import Doubles, Examples, Ints
from components.serving.served import Served
from components.world.laws import described
from components.world.requests import true_value
from components.world.simulated import SimulatedWorld
from flows.stages.eligible_sets import Requests, encode_eligible
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
        offsets, examples, probability = self._known
        preference = served.appraise(examples).preference
        return true_value(served.policy.predict(preference, offsets), probability, offsets)

    @cached_property
    def _known(self) -> tuple[Ints, Examples, Doubles]:
        """(r + 1,) bounds of the eligible sets of the window, their entries, and the chance of reward of each."""
        simulated = self.turn.source.simulated
        assert simulated is not None, "only a simulated source knows the chance of reward"
        every = Requests.of_frame(self.requests)
        asked = every.take(every.sizes > 1)
        user = np.repeat(_number(asked.user.distinct)[asked.user.codes], asked.sizes)
        world = SimulatedWorld(described(simulated.laws))
        item = _number(asked.item.distinct)[asked.item.codes][:, None]
        chance = world.probability(user, item, np.repeat(asked.at, asked.sizes))[:, 0]
        return asked.offsets, encode_eligible(asked, self.data.encoder), chance


Sabotage = Callable[[Scene, Challenger], Challenger | NoChallenger]
"""Breaks a challenger after it was made and before it is judged; never changes the one it is given."""


def _number(ids: np.ndarray) -> np.ndarray:
    """(n,) numbers of the simulated world's users and items from their ids, such as 17 from ``u17``."""
    return np.array([int(each[1:]) for each in ids], np.int64)
