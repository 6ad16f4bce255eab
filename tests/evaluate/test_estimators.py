import numpy as np
import pytest

from components.evaluate.difference import difference, paired
from components.evaluate.estimators import (
    Terms,
    clipped_ips,
    dm,
    dr,
    dros,
    effective,
    ips,
    parts,
    sndr,
    snips,
    switch_dr,
)
from components.evaluate.intervals import standard_error
from components.evaluate.slope import CLIP, OPTIMISTIC, SWITCH, choose, tuned
from components.evaluate.weights import weights
from tests.contracts.estimators import CHECKS, ESTIMATORS, WEIGHTED, WEIGHTED_CHECKS
from tests.evaluate.tiny import many, replaced, tiny

NAMES = {"ips": "IPS", "clipped_ips": "clipped IPS", "snips": "SNIPS", "dm": "DM", "dr": "DR", "sndr": "SNDR"} | {
    "switch_dr": "Switch-DR", "dros": "DRos", "controlled": "DR with a control variate"
}  # fmt: skip


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", ESTIMATORS)
def test_an_estimator(name, check):
    check(ESTIMATORS[name])


@pytest.mark.parametrize("check", WEIGHTED_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", WEIGHTED)
def test_an_estimator_that_weighs_requests(name, check):
    check(WEIGHTED[name])


def test_every_estimator_goes_by_the_name_of_the_field():
    log, target, q = many(300, seed=1)
    assert {key: made(parts(log, target, q)).name for key, made in ESTIMATORS.items()} == NAMES


@pytest.mark.parametrize("name", ["ips", "snips"])
def test_without_a_model_the_loggers_own_value_is_exactly_its_mean_reward(name):
    log, _, _ = many(300, seed=2)
    value = ESTIMATORS[name](parts(log, np.full(log.entries, 0.25))).value
    assert value == pytest.approx(log.reward.mean(), abs=0.0)


def test_limits_at_their_ends_are_the_estimators_between_which_they_trade():
    log, target, q = many(300, seed=4)
    p = parts(log, target, q)
    for estimator in (switch_dr, dros):
        np.testing.assert_allclose(estimator(p, 0.0).each, dm(p).each)
        np.testing.assert_allclose(estimator(p, np.inf).each, dr(p).each)
    np.testing.assert_allclose(clipped_ips(p, np.inf).each, ips(p).each)


def test_without_a_model_doubly_robust_is_ips():
    log, target, _ = many(300, seed=5)
    p = parts(log, target)
    np.testing.assert_allclose(dr(p).each, ips(p).each)
    np.testing.assert_allclose(sndr(p).each, snips(p).each)


def test_self_normalised_estimates_do_not_move_when_all_propensities_are_off_by_a_factor():
    log, target, _ = many(300, seed=6)
    off = replaced(log, propensity=log.propensity * 0.8)
    assert snips(parts(off, target)).value == pytest.approx(snips(parts(log, target)).value)


def test_a_constant_reward_is_estimated_without_error_by_self_normalisation_on_slates_too():
    log = tiny(request=[10, 10, 12, 12], position=[0, 1, 0, 1], reward=[1.0, 1.0, 1.0, 1.0])
    terms = snips(parts(log, np.array([0.9, 0.1, 0.4, 0.6, 0.2, 0.8, 0.5, 0.5])))
    np.testing.assert_allclose(terms.each, [2.0, 2.0])


def test_a_target_that_never_shows_what_was_shown_is_worth_nothing_and_has_no_sample():
    log = tiny()
    elsewhere = np.array([0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 1.0, 0.0])
    for estimator in (ips, snips):
        terms = estimator(parts(log, elsewhere))
        assert terms.value == 0 and terms.ess == 0


def test_a_policy_does_not_differ_from_itself():
    log, target, q = many(300, seed=7)
    p = parts(log, target, q)
    np.testing.assert_array_equal(difference(p, p).each, np.zeros(300))


def test_the_baseline_is_the_one_of_least_variance():
    log, target, _ = many(2000, seed=8, rate=0.9)
    uniform = np.full(log.entries, 0.25)
    pair = paired(parts(log, target), parts(log, uniform))
    found = pair.corrected.var()
    assert found < 0.5 * pair.a.var()
    for beta in np.linspace(0, 2, 41):
        assert found <= (pair.a - beta * pair.b).var() + 1e-12


def test_the_paired_difference_finds_the_enumerated_one():
    log, target, q = many(20_000, seed=9)
    uniform = np.full(log.entries, 0.25)
    truth = log.per_row((target - uniform) * q).mean()
    terms = difference(parts(log, target, 0.5 * q), parts(log, uniform, 0.5 * q))
    assert terms.value == pytest.approx(truth, abs=4 * standard_error(terms.each))


def test_balanced_copies_of_one_logger_change_nothing():
    log, target, _ = many(300, seed=10)
    twice = replaced(log, logger_propensity=np.stack([log.propensity, log.propensity], axis=1), logger_share=[0.3, 0.7])
    np.testing.assert_allclose(weights(twice, target, balanced=True).step, weights(log, target).step)


def test_the_effective_sample_is_the_number_of_equal_weights():
    assert effective(np.array([2.0, 2.0, 2.0, 0.0])) == pytest.approx(3)
    assert effective(np.zeros(4)) == 0


def test_slope_stops_where_shrinking_moves_the_value_by_more_than_chance():
    wide, narrow, off = (
        Terms("x", np.random.default_rng(0).normal(mean, sd, 4000), np.ones(4000))
        for mean, sd in ((0.5, 2.0), (0.5, 1.0), (3.0, 0.1))
    )
    assert choose([wide, narrow, off]) == 1
    assert choose([wide, narrow]) == 1
    assert choose([off, wide, narrow]) == 2


@pytest.mark.parametrize("shrink", [CLIP, SWITCH, OPTIMISTIC])
def test_a_tuned_limit_takes_away_no_more_weight_than_it_may(shrink):
    log, _, q = many(3000, seed=12)
    p = parts(log, np.tile([0.85, 0.05, 0.05, 0.05], 3000), q)
    for budget in (0.0, 0.01, 1.0):
        chosen = tuned(p, shrink, budget)
        assert 0 <= chosen.removed <= budget
        np.testing.assert_allclose(chosen.terms.each, shrink.estimator(p, chosen.limit).each)
    assert tuned(p, shrink, 0.0).limit == np.inf
