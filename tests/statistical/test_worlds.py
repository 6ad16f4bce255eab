"""Worlds as logs are, of the generators that no interval was chosen with: few logs, binomial tolerances.

A share s of L logs has standard error sqrt(s (1 - s) / L); bounds lie four of them beyond 93 to 97 %, so that
an interval that takes returning users for strangers (75 %) or money for clicks (85 %) is found.
"""

import numpy as np
import pytest

from benchmarks.off_policy_families import OTHER, TUNED_ON
from benchmarks.off_policy_population import Population
from benchmarks.off_policy_worlds import WORLDS, World, worlds

LOGS = 150
SEED = 20
NAMED = {world.name: world for world in WORLDS}


def far(share, count):
    """Four standard errors of a share."""
    return 4 * np.sqrt(share * (1 - share) / count)


@pytest.mark.parametrize(
    "name",
    [
        "six sticky requests a user",
        "revenue, sigma 1.5",
        "skewed logging",
        "drift, two loggers",
        "drift, two loggers, balanced",
        "slates, cascade model",
    ],
)
def test_intervals_hold_and_the_gate_errs_as_rarely_as_it_says(name):
    row = worlds(NAMED[name], 1000, LOGS, seed=SEED)
    judged = row.logs - row.refused
    assert judged >= LOGS / 3
    for estimator, count in row.covered.items():
        assert 0.93 - far(0.95, judged) <= count / judged, estimator
    for challenger, count in row.promoted.items():
        assert count / judged <= 0.025 + far(0.025, judged), challenger


def test_few_logs_of_5000_requests_are_refused_where_users_come_back():
    row = worlds(NAMED["six sticky requests a user"], 5000, 60, seed=SEED)
    assert row.refused <= 0.05 * 60
    assert row.covered["DR"] >= (0.93 - far(0.95, 60)) * 60


def test_nought_to_five_rewards_of_a_thousand_make_no_interval_overconfident():
    row = worlds(NAMED["two rewards in a thousand"], 1000, LOGS, seed=SEED)
    assert row.refused == 0
    for estimator, count in row.covered.items():
        assert count / LOGS >= 0.95 - far(0.95, LOGS), estimator


@pytest.mark.parametrize("family", [TUNED_ON, OTHER])
def test_the_mean_of_many_logs_is_the_enumerated_value(family):
    for world in (World("slates", items=5, length=3, model="cascade"), World("money", sigma=1.0, returning=True)):
        population = world.population(family, [1])
        rng = np.random.default_rng(2)
        drawn = population.draw(60_000, rng)
        weight = drawn.champion[drawn.log.action] / drawn.log.propensity
        assert weight == pytest.approx(1)
        earned = drawn.log.per_request(drawn.log.reward)
        users = np.arange(len(earned)) if drawn.log.cluster is None else drawn.log.cluster
        spread = np.bincount(users, earned - earned.mean()).std() * np.sqrt(users.max() + 1) / len(earned)
        assert earned.mean() == pytest.approx(population.champion_value, abs=4 * spread)


def test_the_equal_and_the_worse_challenger_are_worth_exactly_what_they_are_called():
    population: Population = NAMED["slates, position model"].population(OTHER, [3])
    assert population.value(population.equal) == pytest.approx(population.champion_value, rel=1e-6)
    assert population.value(population.worse) == pytest.approx(0.95 * population.champion_value, rel=1e-6)
    assert np.abs(population.equal - population.shop.loggers[-1]).max() > 0.1
