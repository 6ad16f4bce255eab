from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.evaluate.diagnostics import diagnose, pareto_tail, refusals
from components.evaluate.evaluate import EvaluateSettings, evaluate
from components.evaluate.open_bandit import open_bandit, uniform
from components.evaluate.weights import weights
from tests.evaluate.tiny import many, replaced

FOLDER = Path(__file__).parent / "open_bandit"
S = EvaluateSettings()


def reasons(log, target, settings=S):
    return {r.reason for r in refusals(diagnose(log, target, weights(log, target)), settings)}


def test_uniform_on_bts_women_is_refused_with_the_figures_of_its_weights():
    log = open_bandit(pd.read_parquet(FOLDER / "bts_women.parquet")).log
    figures = diagnose(log, uniform(log), weights(log, uniform(log)))
    assert figures.mean_weight == pytest.approx(3.13, abs=0.01)
    assert figures.ess == pytest.approx(2, abs=0.1)
    assert figures.largest_weight == pytest.approx(21_739, abs=1)
    result = evaluate(log, uniform(log), uniform(log), None, S)
    assert {"effective sample size", "share of the largest weight"} <= {r.reason for r in result.refused}
    assert result.value is None and result.difference is None


def test_uniform_on_the_random_logger_has_weight_one():
    log = open_bandit(pd.read_parquet(FOLDER / "random_all.parquet")).log
    figures = diagnose(log, uniform(log), weights(log, uniform(log)))
    assert figures.mean_weight == pytest.approx(1)
    assert figures.mean_weight_z == 0
    assert figures.ess == pytest.approx(10_000)


def test_a_sound_log_is_not_refused():
    log, target, _ = many(500, seed=1)
    assert reasons(log, target) == set()


def test_propensities_off_by_a_tenth_show_in_the_mean_weight():
    log, target, _ = many(5000, seed=2)
    assert "mean weight" in reasons(replaced(log, propensity=log.propensity * 0.9), target)


def test_the_logger_s_whole_distribution_makes_the_unsupported_mass_exact():
    log, target, _ = many(500, seed=3)
    half = np.tile([0.5, 0.5, 0.0, 0.0], 500)
    shown = log.offsets[:-1] + (log.action % 2)
    told = replaced(log, logging=half, action=shown, propensity=np.full(500, 0.5))
    figures = diagnose(told, target, weights(told, target))
    assert figures.unsupported_exact
    assert figures.unsupported_mass == pytest.approx(0.4)
    assert "share of the target's mass without support" in reasons(told, target)


def test_few_rewards_are_no_reason_to_refuse_because_that_would_select_lucky_logs():
    log, target, _ = many(1000, seed=4, rate=0.01)
    assert reasons(log, target) == set()


def test_many_requests_of_few_users_are_few():
    log, target, _ = many(1000, seed=4)
    of_forty = replaced(log, user=np.arange(1000) % 40)
    assert reasons(of_forty, target) == {"users", "effective sample size"}
    figures = diagnose(of_forty, target, weights(of_forty, target))
    assert (figures.requests, figures.users) == (1000, 40)
    assert figures.ess <= 40


def test_a_single_eligible_item_at_propensity_one_is_no_determinism():
    log, target, _ = many(500, seed=5)
    offsets = np.concatenate([[0, 1], 1 + np.arange(1, 500) * 4])
    action = np.concatenate([[0], log.action[1:] - 3])
    propensity = np.concatenate([[1.0], log.propensity[1:]])
    narrowed = replaced(log, offsets=offsets, action=action, propensity=propensity)
    policy = np.concatenate([[1.0], target[4:]])
    assert diagnose(narrowed, policy, weights(narrowed, policy)).deterministic == 0
    assert reasons(narrowed, policy) == set()


@pytest.mark.parametrize("k", [0.3, 0.8, 1.5])
def test_the_tail_index_of_pareto_weights_is_found(k):
    w = (1 - np.random.default_rng(0).random(20_000)) ** -k
    tail = pareto_tail(w)
    assert tail.k == pytest.approx(k, abs=3 * tail.error)


def test_equal_weights_have_no_tail():
    assert pareto_tail(np.ones(1000)).k == 0


def test_decay_and_subsampling_show_in_the_effective_sample_size():
    log, target, q = many(600, seed=6)
    days = np.arange(600) * 86_400_000_000 // 20
    aged = replaced(log, at=days)
    plain, decayed = (
        evaluate(aged, target, target, q, EvaluateSettings(decay_half_life=life)).diagnostics.ess for life in (None, 5)
    )
    assert decayed < 0.7 * plain


def test_a_subsampled_log_is_weighed_back_to_the_whole():
    log, target, q = many(20_000, seed=7)
    rng = np.random.default_rng(0)
    p_drop = np.where(log.reward > 0, 0.0, 0.8)
    kept = rng.random(len(log)) >= p_drop
    sub = replaced(log, p_drop=p_drop).take(kept)
    truth = log.per_row(target * q).mean()
    for estimate in evaluate(sub, target[log.entries_of(kept)], target[log.entries_of(kept)], None, S).estimates:
        assert estimate.lower < truth < estimate.upper, estimate.name
