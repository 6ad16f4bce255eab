"""Slates drawn by the product's own policy in the simulated world: estimates against enumeration."""

import numpy as np
import pytest

from components.evaluate.estimators import dr, ips, parts
from components.evaluate.intervals import standard_error
from components.evaluate.logged_decisions import LoggedDecisions
from components.policy.plackett_luce import PlackettLuce
from components.policy.settings import PolicySettings
from components.world.laws import SimulatedSettings
from components.world.simulated import SimulatedWorld

REQUESTS, LENGTH, ELIGIBLE = 6000, 3, 5


def conditional(policy, scores):
    """Prefix -> (r, k) probability of the next item, as the world enumerates it."""

    def given(prefix):
        left = np.delete(np.arange(ELIGIBLE), list(prefix))
        flat = scores[:, left].ravel()
        found = np.zeros_like(scores)
        found[:, left] = policy.predict(flat, np.arange(len(scores) + 1) * len(left)).reshape(-1, len(left))
        return found

    return given


@pytest.fixture(scope="module")
def slates():
    world = SimulatedWorld(SimulatedSettings(seed=8, eligible=ELIGIBLE, requests_per_day=REQUESTS))
    requests = world.requests(world.day(0))
    rng = np.random.default_rng(0)
    logit = np.log(requests.probability / (1 - requests.probability))
    logging, target = (logit + rng.normal(size=logit.shape) for _ in range(2))
    policy = PlackettLuce(PolicySettings(temperature=1.5, epsilon=0.2))
    drawn = policy.sample(logging.ravel(), requests.offsets, LENGTH, rng)
    there = policy.conditionals(target.ravel(), requests.offsets, drawn.shown)
    rows = np.arange(REQUESTS)
    shown = drawn.shown.entry.reshape(REQUESTS, LENGTH) - requests.offsets[:-1, None]
    reward = np.stack([world.reward(requests, shown[:, at], at) for at in range(LENGTH)], axis=1)
    log = LoggedDecisions(
        request=np.repeat(rows, LENGTH),
        position=np.tile(np.arange(LENGTH), REQUESTS),
        offsets=there.offsets,
        action=np.flatnonzero(there.entry == np.repeat(drawn.shown.entry, np.diff(there.offsets))),
        propensity=drawn.propensity,
        reward=reward.ravel(),
        at=np.repeat(requests.at, LENGTH),
        logger=np.ones(REQUESTS * LENGTH),
    )
    examined = np.array([world.examined(at) for at in range(LENGTH)])
    q = requests.probability.ravel()[there.entry] * np.repeat(np.tile(examined, REQUESTS), np.diff(there.offsets))
    truth = world.slate_value(requests, conditional(policy, target), LENGTH)
    return log, there.probability, q, truth


@pytest.mark.parametrize("error", [0.0, 0.5, 1.0])
def test_cascade_dr_finds_the_enumerated_value_whatever_its_model(slates, error):
    log, target, q, truth = slates
    terms = dr(parts(log, target, (1 - error) * q))
    assert terms.value == pytest.approx(truth, abs=4 * standard_error(terms.each))


def test_a_good_model_narrows_what_rips_leaves_open(slates):
    log, target, q, _ = slates
    assert standard_error(dr(parts(log, target, q)).each) < 0.95 * standard_error(ips(parts(log, target)).each)
