"""The champion's calibration: exact small cases, and its z under a calibrated and an uncalibrated champion."""

import math

import numpy as np
import pytest

from components.drift.calibration import calibration_of, reliability


@pytest.mark.parametrize(
    ("score", "reward", "log_loss", "expected", "auc"),
    [
        ([0.5, 0.5], [1, 0], math.log(2), math.log(2), 0.5),
        ([0.8, 0.2], [1, 0], -math.log(0.8), -(0.8 * math.log(0.8) + 0.2 * math.log(0.2)), 1.0),
        ([0.8, 0.2], [0, 1], -math.log(0.2), -(0.8 * math.log(0.8) + 0.2 * math.log(0.2)), 0.0),
        ([0.5, 0.5], [0.5, 0.5], math.log(2), math.log(2), math.nan),
        ([0.9, 0.9], [1, 1], -math.log(0.9), -(0.9 * math.log(0.9) + 0.1 * math.log(0.1)), math.nan),
    ],
)
def test_figures_have_exact_values_in_small_cases(score, reward, log_loss, expected, auc):
    found = calibration_of(np.array(score, float), np.array(reward, float))
    assert found.log_loss == pytest.approx(log_loss)
    assert found.expected == pytest.approx(expected)
    assert found.auc == pytest.approx(auc, nan_ok=True)


def test_nothing_known_is_no_figure():
    found = calibration_of(np.array([np.nan, 0.5]), np.array([1.0, np.nan]))
    assert found.rows == 0
    assert math.isnan(found.log_loss)
    assert math.isnan(found.skill_lost)
    assert reliability(np.array([]), np.array([])) == ()


def test_rows_without_score_or_reward_do_not_count():
    score, reward = np.array([0.7, np.nan, 0.3]), np.array([1.0, 1.0, np.nan])
    assert calibration_of(score, reward).rows == 1


def test_a_certain_miss_is_dear_but_finite():
    found = calibration_of(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    assert found.log_loss == pytest.approx(-math.log(1e-6))
    assert found.z > 100


def test_one_class_has_no_constant_to_beat():
    found = calibration_of(np.array([0.6, 0.7]), np.array([1.0, 1.0]))
    assert found.constant == 0
    assert math.isnan(found.skill_lost)


def test_scores_of_one_half_promise_nothing_that_could_be_broken():
    assert math.isnan(calibration_of(np.full(4, 0.5), np.ones(4)).z)


def test_z_of_a_calibrated_champion_is_standard_normal():
    """400 windows: mean within 4/sqrt(400) of 0, standard deviation within 4/sqrt(800) of 1."""
    rng = np.random.default_rng(5)
    zs = []
    for _ in range(400):
        score = rng.beta(2, 5, 300)
        zs.append(calibration_of(score, (rng.random(300) < score).astype(float)).z)
    assert abs(np.mean(zs)) < 4 / 20
    assert abs(np.std(zs) - 1) < 4 / math.sqrt(800)


def test_calibration_error_of_a_calibrated_champion_is_the_expected_one():
    """Mean over 200 windows of 500: relative error below 4 %, four times its standard error of about 1 %."""
    rng = np.random.default_rng(6)
    found, expected = [], []
    for _ in range(200):
        score = rng.uniform(0.2, 0.8, 500)
        calibration = calibration_of(score, (rng.random(500) < score).astype(float))
        found.append(calibration.calibration_error)
        expected.append(calibration.expected_calibration_error)
    assert np.mean(found) == pytest.approx(np.mean(expected), rel=0.06)


def test_field_shift_moves_the_loss_but_keeps_the_promise_while_concept_shift_breaks_it():
    rng = np.random.default_rng(7)
    easy, hard = rng.beta(1, 9, 4000), rng.beta(9, 9, 4000)
    kept = [calibration_of(s, (rng.random(4000) < s).astype(float)) for s in (easy, hard)]
    broken = calibration_of(hard, (rng.random(4000) < 1 - hard).astype(float))
    assert kept[1].log_loss > 2 * kept[0].log_loss
    assert max(abs(p.z) for p in kept) < 4
    assert broken.z > 10


def test_bins_hold_equally_many_rows_in_order_of_score():
    bins = reliability(np.linspace(0, 1, 25), np.ones(25), bins=10)
    assert {b.rows for b in bins} == {2, 3}
    assert [b.score for b in bins] == sorted(b.score for b in bins)
    assert len(reliability(np.array([0.1, 0.2]), np.ones(2), bins=10)) == 2
