"""Canaries: adjusted contrasts, bounds that may be read every day, and what becomes of whom."""

import json
from dataclasses import replace

import numpy as np
import pytest

from benchmarks.canary import month
from components.domain import Verdict
from components.evaluate.canary import Contrast, Traffic, contrast, look, past_means, reach
from components.evaluate.canary_settings import CanarySettings
from components.evaluate.confidence_sequence import boundary
from tests.evaluate.canary_traffic import traffic_of

HALF = CanarySettings(share=0.5)


def test_without_a_covariate_the_contrast_is_the_difference_of_ratios() -> None:
    requests, earned = np.array([1.0, 3, 2, 2, 4]), np.array([1.0, 1, 0, 2, 3])
    found = contrast(Traffic(requests, earned, np.zeros(5), np.array([True, True, False, False, False])))
    assert found.value == pytest.approx(2 / 4 - 5 / 8)


def test_what_was_known_before_takes_spread_out_and_leaves_the_mean() -> None:
    values, errors = [], []
    for seed in range(300):
        known = traffic_of(400, loss=0.2, seed=seed)
        unknown = replace(known, past=np.zeros(400))
        values.append((contrast(known).value, contrast(unknown).value))
        errors.append((contrast(known).error, contrast(unknown).error))
    adjusted, plain = np.array(values).T
    assert adjusted.mean() == pytest.approx(-0.2 * 0.4, abs=3 * adjusted.std() / 300**0.5)
    assert adjusted.std() < 0.7 * plain.std()
    assert np.mean(errors, axis=0) == pytest.approx([adjusted.std(), plain.std()], rel=0.12)


def test_a_users_requests_are_one_observation() -> None:
    alone = traffic_of(400, seed=1)
    doubled = Traffic(2 * alone.requests, 2 * alone.earned, alone.past, alone.canary)
    assert contrast(doubled).error == pytest.approx(contrast(alone).error)


def test_a_covariate_without_news_changes_nothing_much() -> None:
    strange = traffic_of(2000, known=0.0, seed=3)
    plain = replace(strange, past=np.zeros(2000))
    assert contrast(strange).error == pytest.approx(contrast(plain).error, rel=0.01)


def test_the_reach_is_that_of_the_sequence_on_the_clock_of_information() -> None:
    assert reach(500.0, 10_000.0, 0.01) == pytest.approx(500**0.5 * float(boundary(np.array(500.0), 0.01, 10_000)))
    assert reach(0.0, 1.0, 0.01) == float("inf")


def test_bounds_hold_at_all_looks_of_users_who_come_back() -> None:
    """2,000 canaries as good as the champion, looked at every day for 30 days: chance and tolerance as stated."""
    rng, error, crossed = np.random.default_rng(0), 0.1, 0
    for _ in range(2000):
        users = rng.normal(size=300) * 0.5
        daily = users + rng.normal(size=(30, 300))
        days = np.arange(1, 31)[:, None]
        means = np.cumsum(daily, axis=0) / days
        value, se = means.mean(axis=1), means.std(axis=1) / 300**0.5
        crossed += any(v > reach(1 / e**2, 500.0, error) * e for v, e in zip(value, se, strict=True))
    assert crossed / 2000 < error + 2 * (error * (1 - error) / 2000) ** 0.5


@pytest.mark.parametrize(
    ("loss", "last", "verdict"),
    [
        (0.0, True, Verdict.PROMOTE),
        (-0.1, False, Verdict.PROMOTE),
        (0.1, False, Verdict.ROLL_BACK),
        (0.0, False, Verdict.HOLD),
    ],
)
def test_who_is_promoted_and_who_goes_back(loss: float, last: bool, verdict: Verdict) -> None:
    users = 60_000 if last or loss else 2_000
    found = look(traffic_of(users, loss=loss, seed=5), HALF, last=last)
    assert found.verdict is verdict, found.reasons
    assert found.difference and found.difference.lower < -0.4 * loss < found.difference.upper


def test_at_its_last_look_a_canary_that_shows_nothing_goes_back_and_is_told_what_it_could_have_shown() -> None:
    found = look(traffic_of(600, seed=2), HALF, last=True)
    assert found.verdict is Verdict.ROLL_BACK
    assert found.detectable is not None and found.detectable > HALF.margin
    assert "28 days are over" in found.reasons[-1]
    assert "smallest loss that could be excluded" in str(found)


def test_too_few_users_wait_and_do_not_pass_at_the_end() -> None:
    few = traffic_of(300, seed=2)
    assert look(few, HALF).verdict is Verdict.HOLD
    assert look(few, HALF, last=True).verdict is Verdict.ROLL_BACK
    assert look(few, HALF).reasons == ("150 users of the canary and 150 of the champion; 200 each are needed",)


def test_nobody_at_all_waits() -> None:
    nobody = Traffic(np.zeros(0), np.zeros(0), np.zeros(0), np.zeros(0, bool))
    assert look(nobody, HALF).verdict is Verdict.HOLD
    assert json.loads(look(nobody, HALF).to_json())["champion"] is None


def test_rewards_that_are_all_alike_tell_nothing() -> None:
    same = replace(traffic_of(1000), earned=np.zeros(1000))
    assert look(same, HALF).verdict is Verdict.HOLD
    assert look(same, HALF, last=True).verdict is Verdict.ROLL_BACK


def test_a_split_that_is_not_the_one_that_was_drawn_is_refused() -> None:
    found = look(traffic_of(3000, share=0.4), HALF)
    assert found.verdict is Verdict.ROLL_BACK
    assert found.reasons[0].startswith("refused: 1200 of 3000 users are the canary's, 50.0% were drawn")


def test_a_past_of_nobody_is_nothing() -> None:
    assert past_means(np.zeros(2), np.zeros(2)).tolist() == [0.0, 0.0]


def test_information_without_error_is_infinite() -> None:
    assert Contrast(0.0, 0.0).information == float("inf")


@pytest.mark.parametrize("world", ["shop", "feed"])
def test_a_month_of_the_benchmark_rolls_back_what_is_much_worse_within_days(world: str) -> None:
    found = month(world, 0.3, 7, CanarySettings(share=0.1))
    assert found.verdict is Verdict.ROLL_BACK
    assert found.days <= 10
    assert found.lost < 0.005
