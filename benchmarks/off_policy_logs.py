"""Simulated logs with known truth: requests drawn from a pool of the simulated world."""

from dataclasses import dataclass

import numpy as np

from components.domain import Doubles, Ints
from components.evaluate.cross_fit import GroupMeans, cross_fitted
from components.evaluate.logged_decisions import LoggedDecisions
from components.world.laws import SimulatedSettings
from components.world.simulated import Requests, SimulatedWorld

POOL = 4000
"""Requests in the pool: the population whose value is exact."""


@dataclass(frozen=True)
class Pool:
    """A population of requests with a logger, a target and their exact values; arrays (POOL, k)."""

    requests: Requests
    logging: Doubles
    target: Doubles
    logging_value: float
    target_value: float


@dataclass(frozen=True)
class Logged:
    """One simulated log with both policies over its entries and a cross-fitted model."""

    log: LoggedDecisions
    target: Doubles
    logging: Doubles
    q: Doubles


def softmax(scores: Doubles, floor: float) -> Doubles:
    """(r, k) softmax of the scores, mixed with `floor` of the uniform choice."""
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return (1 - floor) * e / e.sum(axis=1, keepdims=True) + floor / scores.shape[1]


def make_pool(rate: float, seed: int = 0) -> Pool:
    """A pool whose logger and target see the truth through different noise."""
    world = SimulatedWorld(SimulatedSettings(seed=seed, rate=rate, requests_per_day=POOL))
    requests = world.requests(world.day(0))
    rng = np.random.default_rng([seed, 17])
    logit = np.log(requests.probability / (1 - requests.probability))
    noise = rng.normal(size=(2, *logit.shape))
    logging = softmax(logit + noise[0], 0.2)
    target = softmax(1.2 * logit + 0.7 * noise[0] + 0.7 * noise[1], 0.2)
    return Pool(requests, logging, target, world.value(requests, logging), world.value(requests, target))


def draw(pool: Pool, n: int, rng: np.random.Generator) -> Logged:
    """A log of n independent requests."""
    who = rng.integers(len(pool.requests), size=n)
    logging = pool.logging[who]
    shown = pick(logging, rng)
    chance = pool.requests.probability[who, shown]
    return logged(logging, pool.target[who], pool.requests.item[who], shown, (rng.random(n) < chance).astype(float))


def pick(policy: Doubles, rng: np.random.Generator) -> Ints:
    """(r,) one entry per row of an (r, k) policy."""
    drawn = (policy.cumsum(axis=1) < rng.random((len(policy), 1))).sum(axis=1)
    return np.minimum(drawn, policy.shape[1] - 1)


def logged(logging: Doubles, target: Doubles, item: Ints, shown: Ints, reward: Doubles) -> Logged:
    """Arrays (n, k) as a log; the model is the cross-fitted mean reward per item."""
    log = as_log(logging, shown, reward)
    q = cross_fitted(log, item.reshape(-1, 1), GroupMeans)
    return Logged(log, target.ravel(), logging.ravel(), q)


def as_log(logging: Doubles, shown: Ints, reward: Doubles) -> LoggedDecisions:
    """One decision per row of an (n, k) logging policy."""
    n, k = logging.shape
    rows, offsets = np.arange(n), np.arange(n + 1) * k
    return LoggedDecisions(
        request=rows,
        position=np.zeros(n, np.int64),
        offsets=offsets,
        action=offsets[:-1] + shown,
        propensity=logging[rows, shown],
        reward=reward,
        at=rows,
        logger=np.ones(n, np.int64),
    )
