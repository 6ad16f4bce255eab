"""Do the intervals hold, and does the gate err as rarely as it says, where logs are as logs are?

Worlds: users who come back, revenue, logging that hardly explores, drift with two loggers, slates.
"""


from dataclasses import dataclass

import numpy as np

from benchmarks.off_policy_families import OTHER, Family, pareto_mixed
from benchmarks.off_policy_population import Population, Shop, Users
from components.domain import Doubles

@dataclass(frozen=True)
class World:
    """A world by name: what makes a population of a family."""

    name: str
    k: int = 8
    rate: float = 0.1
    periods: int = 1
    returning: bool = False
    sigma: float | None = None
    pareto: bool = False
    epsilon: float = 0.1
    sharpness: float = 1.0
    distance: float = 1.0
    loggers: int = 1
    balanced: bool = False
    interleaved: bool = False
    length: int = 1
    model: str = "position"

    def population(self, family: Family, seed: int) -> Population:
        rng = np.random.default_rng([seed, sum(map(ord, self.name))])
        chance = family.chance(rng, self.k, self.rate, self.periods)
        count = family.requests(rng)
        amounts = None
        price = None
        if self.sigma is not None:
            price = family.price(rng, self.k) * np.ones((len(count), 1))
            amounts = pareto_mixed(self.sigma) if self.pareto else family.amounts(self.sigma)
        users = Users(
            chance=chance,
            requests=count if self.returning else np.ones(len(count), np.int64),
            mood=family.mood() if self.returning else None,
            stickiness=0.5 if self.returning else 0.0,
            price=price,
            amounts=amounts,
        )
        seen = [chance[t] for t in np.linspace(0, self.periods - 1, self.loggers + 1).astype(int)[:-1]] if self.loggers > 1 else [chance.mean(axis=0)]
        loggers = np.stack([family.scores(rng, c, self.sharpness) for c in seen])
        shop = Shop(loggers, family.nearby(rng, loggers[-1], self.distance), self.length, self.epsilon, self.model,
                    balanced=self.balanced, interleaved=self.interleaved)
        return Population(users, shop)


WORLDS = (
    World("one"),
    World("six", returning=True),
    World("rare", rate=0.003),
    World("revenue 1", sigma=1.0),
    World("revenue 1.5", sigma=1.5),
    World("revenue pareto", sigma=1.0, pareto=True),
    World("revenue six", sigma=1.0, returning=True),
    World("skewed", k=20, epsilon=0.02, sharpness=4.0, distance=0.8),
    World("drift", periods=10, loggers=2),
    World("drift balanced", periods=10, loggers=2, balanced=True),
    World("two balanced", loggers=2, balanced=True, interleaved=True),
    World("slate position", k=6, length=3, rate=0.2, distance=0.6),
    World("slate cascade", k=6, length=3, rate=0.2, distance=0.6, model="cascade"),
)
