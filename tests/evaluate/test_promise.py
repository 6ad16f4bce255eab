"""Promise and outcome: intervals of what was earned, and of the gap, against worlds whose truth is known."""

import numpy as np
import pytest

from components.evaluate.estimate import Estimate
from components.evaluate.intervals import Interval
from components.evaluate.promise import OnPolicy, Promise, calibration
from components.evaluate.promise_page import promise_section
from components.evaluate.settings import EvaluateSettings
from components.pages.page import render

S, UNIT = EvaluateSettings(), Interval(0.0, 1.0, "range")


def logged(users, rng):
    """Requests of users who come back, each with a taste of their own; expected reward per request: .4."""
    user = np.repeat(np.arange(users), 1 + rng.poisson(3, users))
    taste = rng.beta(0.8, 1.2, users)
    return OnPolicy((rng.random(len(user)) < taste[user]).astype(float), user)


def promised(value, half):
    return Promise(2, "reward", Estimate("DR", value, value - half, value + half, 300, "skew"))


def test_the_interval_of_what_was_earned_covers_where_users_come_back():
    rng, held, naive = np.random.default_rng(0), 0, 0
    for _ in range(400):
        seen = logged(150, rng)
        e = seen.estimate(UNIT, S)
        held += e.lower <= 0.4 <= e.upper
        naive += abs(e.value - 0.4) <= 1.96 * np.sqrt(e.value * (1 - e.value) / len(seen.earned))
    assert held / 400 >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / 400)
    assert naive < held - 20, "requests of one user are not independent"


def test_the_gap_covers_as_often_as_it_says():
    rng, kept = np.random.default_rng(1), 0
    for _ in range(400):
        told = promised(0.4 + 0.03 * rng.normal(), 1.96 * 0.03)
        kept += bool(told.with_earned(logged(150, rng), UNIT, S, 1).kept)
    assert abs(kept / 400 - 0.95) <= 4 * np.sqrt(0.95 * 0.05 / 400)


def test_a_promise_that_was_far_off_is_not_kept_and_is_told():
    found = promised(0.6, 0.03).with_earned(logged(300, np.random.default_rng(2)), UNIT, S, 5)
    assert found.kept is False and found.gap.upper < 0
    assert Promise.from_json(found.to_json()) == found
    page = render("x", "", [promise_section([found, promised(0.5, 0.01)], "reward per request")])
    assert "not kept" in page and "too early" in page and "Of 1 releases 0 earned what was promised" in page


def test_few_users_give_a_mean_and_no_verdict():
    few = OnPolicy(np.array([1.0, 0.0, 1.0]), np.array([0, 0, 1]))
    found = promised(0.5, 0.1).with_earned(few, UNIT, S, 5)
    assert found.earned.value == pytest.approx(2 / 3) and found.kept is None
    assert Promise.from_json(found.to_json()).to_json() == found.to_json()
    assert "No release has earned enough" in calibration([found])
