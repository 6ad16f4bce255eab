"""What ranking by the expected amount earns over ranking by the probability of a reward, in worlds of known values.

Per world and seed: a memory learns days of uniformly drawn items, then the policy answers later days by what the memory
says, and the exact expected revenue per request of every way to rank is enumerated. Two families of generators: the
simulated shop (lognormal sales, tastes that turn), and a market stall of its own laws (gamma sales, amounts that are
the users' doing as much as the items'). No setting was chosen on either.
"""

import argparse
from dataclasses import dataclass
from statistics import mean, stdev

import numpy as np

from components.domain import DAY, Doubles, Examples, Floats, Ints, Prediction
from components.feature_spec import FeatureSpec, Field, FieldKind, FieldOf
from components.memory.memory import ErrorMemory
from components.memory.settings import MemorySettings
from components.policy.plackett_luce import PlackettLuce
from components.policy.settings import PolicySettings
from components.ranker.features import hash_ids
from components.serving.appraisal import Appraisal
from components.sigmoid import sigmoid
from components.world.laws import SimulatedSettings
from components.world.simulated import SimulatedWorld

SPEC = FeatureSpec(
    (
        Field("user", FieldKind.ID, FieldOf.USER),
        Field("item", FieldKind.ID, FieldOf.ITEM),
        Field("aisle", FieldKind.CATEGORICAL, FieldOf.ITEM),
    )
)
WAYS = ("random", "by probability", "by expected amount", "by the truth")


@dataclass(frozen=True)
class Days:
    """r requests of k eligible items in order of time.

    Attributes
    ----------
    examples : (r k,). amount : (r, k) what each item would bring, 0 without a sale.
    probability, worth : (r, k) of a sale, and the expected amount of one.
    """

    examples: Examples
    amount: Doubles
    probability: Doubles
    worth: Doubles

    def logged(self, rng: np.random.Generator) -> tuple[Examples, Floats, Floats]:
        """One item per request, drawn uniformly: examples, reward and amount of what was shown."""
        rows, k = self.amount.shape
        shown = np.arange(rows) * k + rng.integers(k, size=rows)
        amount = self.amount.ravel()[shown].astype(np.float32)
        return self.examples.take(shown), (amount > 0).astype(np.float32), amount


def shop(seed: int, first: int, days: int, bargain: float) -> Days:
    """The simulated world with prices."""
    laws = SimulatedSettings(
        seed=seed, users=700, items=120, requests_per_day=700, eligible=8, tastes=3, price_spread=0.9, price_noise=0.8,
        bargain=bargain,
    )  # fmt: skip
    world = SimulatedWorld(laws)
    r = world.requests(world.day(first, days))
    amount = np.where(r.luck < r.probability, r.amount, 0.0)
    return Days(_examples(r.user, r.item, world.aisle(r.item), r.at), amount, r.probability, world.worth(r.item))


def stall(seed: int, first: int, days: int, bargain: float) -> Days:
    """Gamma sales of shape 1; users have purses, 40 items of 5 aisles have prices, and both set the amount."""
    world, rng = np.random.default_rng([seed, 1]), np.random.default_rng([seed, 2, first])
    price, purse = world.gamma(2.0, 0.5, 40), world.gamma(3.0, 1 / 3, 300)
    tastes = world.normal(0, 0.7, (300, 5))
    rows = 500 * days
    at = (20_000 + first) * DAY + np.sort(rng.integers(0, days * DAY, rows))
    user, item = rng.integers(300, size=rows), np.argsort(rng.random((rows, 40)), axis=1)[:, :6]
    probability = sigmoid(-0.5 + tastes[user[:, None], item % 5] - bargain * np.log(price[item]))
    worth = 30.0 * price[item] * purse[user][:, None]
    sold = rng.random(item.shape) < probability
    amount = np.where(sold, worth * rng.gamma(1.0, 1.0, item.shape), 0.0)
    return Days(_examples(user, item, (item % 5).astype(str), at), amount, probability, worth)


WORLDS = {"simulated shop": shop, "market stall": stall}


def revenue(world: str, seed: int, bargain: float, days: int = 14) -> dict[str, float]:
    """Expected revenue per request of the days after `days` of learning, by way to rank."""
    make = WORLDS[world]
    rows, reward, amount = make(seed, 0, days, bargain).logged(np.random.default_rng(seed))
    memory = ErrorMemory.empty(SPEC, 1, MemorySettings(), seed, amounts=True)
    memory.learn(rows, _nothing(rows, reward), reward, amount)
    later = make(seed, days, 2, bargain)
    score = memory.compensate(later.examples, _nothing(later.examples, reward))
    appraisal = Appraisal(score, memory.log_amount(later.examples))
    truth = np.log(later.probability * later.worth).ravel()
    preferences = (np.zeros(len(truth)), score, appraisal.preference, truth)
    return {way: _value(later, p) for way, p in zip(WAYS, preferences, strict=True)}


def _value(days: Days, preference: Doubles | Floats) -> float:
    rows, k = days.amount.shape
    shown = PlackettLuce(PolicySettings()).predict(preference, np.arange(rows + 1) * k).reshape(rows, k)
    return float((shown * days.probability * days.worth).sum(axis=1).mean())


def _nothing(rows: Examples, reward: Floats) -> Prediction:
    """A model that knows the rate of reward alone."""
    rate = float(reward.mean())
    return Prediction(np.full(len(rows), np.log(rate / (1 - rate)), np.float32), np.zeros((len(rows), 1), np.float32))


def _examples(user: Ints, item: Ints, aisle: np.ndarray, at: Ints) -> Examples:
    k = item.shape[1]
    ids = {"user": np.repeat(user, k), "item": item.ravel(), "aisle": aisle.ravel()}
    keys = np.column_stack([hash_ids(name, values.astype(str)) for name, values in ids.items()])
    return Examples(keys, np.zeros((len(keys), 0), np.float32), np.repeat(at, k))


def main() -> None:
    """Print a table: mean and standard deviation over seeds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=5)
    seeds = range(100, 100 + max(2, parser.parse_args().seeds))
    print(f"| world | log odds lost per log price | {' | '.join(WAYS)} |\n|---|---|{'---|' * len(WAYS)}")  # noqa: T201
    for world in WORLDS:
        for bargain in (0.0, 0.5, 1.0):
            found = [revenue(world, seed, bargain) for seed in seeds]
            told = [f"{mean(f[w] for f in found):.2f} ± {stdev(f[w] for f in found):.2f}" for w in WAYS]
            print(f"| {world} | {bargain} | {' | '.join(told)} |")  # noqa: T201


if __name__ == "__main__":
    main()
