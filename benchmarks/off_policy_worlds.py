"""Do the intervals hold, and does the gate err as rarely as it says, where logs are as logs are?

Users who come back, money, logging that hardly explores, drift with two loggers, slates: the truth is
the expected value over users, requests, choices and rewards drawn anew, enumerated, not what the judged
requests happened to be worth. Populations are drawn anew, too, every `POPULATION` logs.
"""

from dataclasses import asdict, dataclass, field, replace
from typing import Literal

import numpy as np

from benchmarks.off_policy_families import OTHER, Family, pareto_mixed
from benchmarks.off_policy_population import CAP, Drawn, Population, Shop, Users
from components.domain import Doubles, Verdict
from components.evaluate.evaluate import evaluate
from components.evaluate.evaluation import Evaluation
from components.evaluate.gate import Kind
from components.evaluate.settings import EvaluateSettings

SETTINGS = EvaluateSettings(bootstrap_resamples=0)
SIZES = (1000, 5000)
POPULATION = 25
"""Logs drawn from one population before the next is made."""
RELIED_ON = ("IPS", "SNIPS", "DR")


@dataclass(frozen=True)
class World:
    """What makes a population of a family.

    Attributes
    ----------
    rate : mean chance of a reward at the first position. periods : parts of time between which rewards drift.
    returning : whether users come six times on average, with moods, or once.
    sigma : of the amounts, for rewards that are money; `tail` makes some of them Pareto.
    distance : between champion and challenger. loggers : one after the other over the log's time, the champion last;
        `mixed` lets them take turns at random; `balanced` logs all their propensities.
    """

    name: str
    items: int = 8
    rate: float = 0.1
    periods: int = 1
    returning: bool = False
    sigma: float | None = None
    tail: bool = False
    epsilon: float = 0.1
    sharpness: float = 1.0
    distance: float = 1.0
    loggers: int = 1
    balanced: bool = False
    mixed: bool = False
    length: int = 1
    model: Literal["position", "cascade"] = "position"

    def population(self, family: Family, seed: list[int]) -> Population:
        """A population; every one of another seed has other tastes, policies and prices."""
        rng = np.random.default_rng(seed)
        chance = family.chance(rng, self.items, self.rate, self.periods)
        known = [chance[self.periods * logger // self.loggers] for logger in range(self.loggers)]
        loggers = np.stack([family.scores(rng, seen, self.sharpness) for seen in known])
        shop = Shop(
            loggers=loggers,
            target=family.nearby(rng, loggers[-1], self.distance),
            length=self.length,
            epsilon=self.epsilon,
            model=self.model,
            balanced=self.balanced,
            mixed=self.mixed,
        )
        return Population(self._users(family, rng, chance), shop, SETTINGS.margin)

    def _users(self, family: Family, rng: np.random.Generator, chance: Doubles) -> Users:
        users = Users(chance, np.ones(chance.shape[1], np.int64))
        if self.returning:
            users = replace(users, requests=family.requests(rng), mood=family.mood, stickiness=0.5)
        if self.sigma is None:
            return users
        amounts = pareto_mixed(self.sigma) if self.tail else family.amounts(self.sigma)
        return replace(users, price=family.price(rng, self.items), amounts=amounts)


WORLDS = (
    World("one request a user"),
    World("six sticky requests a user", returning=True),
    World("revenue, sigma 1", sigma=1.0),
    World("revenue, sigma 1.5", sigma=1.5),
    World("revenue, Pareto tail", sigma=1.0, tail=True),
    World("revenue, six requests a user", sigma=1.0, returning=True),
    World("skewed logging", items=20, epsilon=0.02, sharpness=4.0, distance=1.8),
    World("drift, two loggers", periods=10, loggers=2),
    World("drift, two loggers, balanced", periods=10, loggers=2, balanced=True),
    World("two loggers in turn, balanced", loggers=2, balanced=True, mixed=True),
    World("slates, position model", items=6, length=3, rate=0.2),
    World("slates, cascade model", items=6, length=3, rate=0.2, model="cascade"),
    World("two rewards in a thousand", rate=0.002),
)


@dataclass
class Row:
    """One world and size: shares of `logs`; `covered` and `promoted` are of the logs that were not refused.

    `flagged` is the share of values said to rest on a few large rewards.
    """

    name: str
    n: int
    logs: int = 0
    refused: int = 0
    flagged: int = 0
    covered: dict[str, int] = field(default_factory=lambda: dict.fromkeys((*RELIED_ON, "paired difference"), 0))
    promoted: dict[str, int] = field(default_factory=lambda: {"equal_superiority": 0, "margin_noninferiority": 0})

    def merge(self, other: "Row") -> None:
        """The logs of another part."""
        self.logs, self.refused = self.logs + other.logs, self.refused + other.refused
        self.flagged += other.flagged
        for mine, theirs in ((self.covered, other.covered), (self.promoted, other.promoted)):
            for name, count in theirs.items():
                mine[name] += count

    def told(self) -> dict[str, object]:
        """Shares instead of counts; null where every log was refused."""
        judged = self.logs - self.refused

        def share(counts: dict[str, int]) -> dict[str, float | None]:
            return {name: count / judged if judged else None for name, count in counts.items()}

        shares = {"refused": self.refused / self.logs, "flagged": self.flagged / self.logs}
        return asdict(self) | shares | {"covered": share(self.covered), "promoted": share(self.promoted)}


def worlds(world: World, n: int, logs: int, *, seed: int, stretch: int = 0, family: Family = OTHER) -> Row:
    """`logs` logs of about n requests; `stretch` numbers the parts that a row is drawn in."""
    row = Row(world.name, n, logs)
    for number in range(logs):
        if number % POPULATION == 0:
            key = [seed, WORLDS.index(world), n, stretch, number]
            population, rng = world.population(family, key), np.random.default_rng([*key, 1])
        _one(row, population, population.draw(n, rng))
    return row


def _one(row: Row, population: Population, drawn: Drawn) -> None:
    result = _judged(population, drawn, drawn.target, "change")
    row.flagged += result.diagnostics.tail_dominated
    if result.difference is None:
        row.refused += 1
        return
    for e in result.estimates:
        if e.name in RELIED_ON:
            row.covered[e.name] += e.lower <= population.target_value <= e.upper
    gain = population.target_value - population.champion_value
    row.covered["paired difference"] += result.difference.lower <= gain <= result.difference.upper
    equal, worse = _judged(population, drawn, drawn.equal, "change"), _judged(population, drawn, drawn.worse, "update")
    row.promoted["equal_superiority"] += equal.verdict is Verdict.PROMOTE
    row.promoted["margin_noninferiority"] += worse.verdict is Verdict.PROMOTE


def _judged(population: Population, drawn: Drawn, target: Doubles, kind: Kind) -> Evaluation:
    largest = 1.0 if population.users.price is None else CAP
    return evaluate(drawn.log, target, drawn.champion, drawn.q, SETTINGS, value_range=(0.0, largest), kind=kind)
