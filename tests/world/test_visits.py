"""Visits: what people meet, what they say of it, and what there is to be earned."""

import numpy as np
import pytest

from components.domain import DAY, ContractBroken
from components.ingest.amount_scale import AmountScale
from components.ingest.reward_rule import RewardRule
from components.world.requests import Log
from components.world.visits import told, visits

RATING = RewardRule(kind="rating", at_least=8)
HOUR = DAY // 24


def log(**context: np.ndarray) -> Log:
    user, item = np.array(["ann", "bob", "ann", "ann"], object), np.array(["x", "x", "y", "z"], object)
    rewards, grades = np.array([1, 0, 0, 1], np.float32), np.array([9, 3, 7, 8], np.float32)
    return Log(user, item, np.array([1, 2, 3, 30]) * HOUR, rewards, grades, context)


def test_a_visit_is_what_one_user_met_in_a_period_with_what_was_said_of_it() -> None:
    ann, bob, later = visits(log(), 0, DAY, RATING)
    assert [(v.user_id, v.at // HOUR, list(v.answers)) for v in (ann, bob, later)] == [
        ("ann", 1, ["x", "y"]),
        ("bob", 2, ["x"]),
        ("ann", 30, ["z"]),
    ]
    assert [(a.value, a.earned) for a in ann.answers.values()] == [(9.0, 1.0), (7.0, 0.0)]
    assert (ann.random(1), ann.oracle(1), ann.random(2), ann.oracle(2)) == (0.5, 1.0, 1.0, 1.0)


def test_the_moment_is_told_and_what_is_unknown_of_it_is_left_out() -> None:
    context = {"tab": np.array(["a", None, "a", "b"], object), "recent": np.array([["q"]] * 4, object)}
    assert [dict(v.context) for v in visits(log(**context), 0, DAY, RATING)] == [{"tab": "a"}, {}, {"tab": "b"}]


def test_visits_begin_where_they_are_asked_to_and_not_after_the_end() -> None:
    assert [v.user_id for v in visits(log(), 4 * HOUR, DAY, RATING)] == ["ann"]
    with pytest.raises(ContractBroken, match="the log ends 1970-01-02T06:00:00Z; allowed is a start before that"):
        list(visits(log(), 31 * HOUR, DAY, RATING))


@pytest.mark.parametrize(
    "rule",
    [
        RATING,
        RewardRule(kind="click", equals=1),
        RewardRule(kind="click", equals=0),
        RewardRule(kind="click", equals="yes"),
        RewardRule(kind="click", one_of=("buy", "0", "no")),
        RewardRule(kind="view"),
        RewardRule(kind="purchase", amounts=AmountScale(unit="EUR", low=2.0)),
    ],
)
def test_the_service_makes_of_what_is_told_the_reward_that_the_log_has(rule: RewardRule) -> None:
    for reward, grade in ((1.0, 9.0), (0.0, None), (0.0, 0.0)):
        value, beside = told(rule, reward, grade)
        assert rule.reward(rule.kind, value) == reward
        if rule.at_least is None or grade is not None:
            assert rule.grade(value, beside) in (grade, 0.0)


def test_a_rating_that_is_not_known_is_told_on_the_right_side_of_the_limit() -> None:
    assert [told(RATING, reward, None)[0] for reward in (0.0, 1.0)] == [7.0, 8.0]


def test_days_on_which_nobody_came_are_passed_over() -> None:
    quiet = log()
    quiet.at[3] = 9 * DAY
    assert [v.at // HOUR for v in visits(quiet, 0, DAY, RATING)] == [1, 2, 216]
