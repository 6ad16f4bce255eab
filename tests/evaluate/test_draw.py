"""The held-out requests that are judged where judging all would cost too much."""

import numpy as np
import pyarrow as pa
import pytest

from components.evaluate.case import request_share
from components.evaluate.holdout import draw
from components.evaluate.logged_decisions import LoggedDecisions
from components.evaluate.settings import EvaluateSettings


def test_with_room_for_all_all_are_judged():
    drawn = draw(np.array(["a", "b", "c"]), 3)
    assert drawn.kept.all() and drawn.p_drop == 0


@pytest.mark.parametrize("most", [1, 999, 2_500])
def test_as_many_are_drawn_as_may_be_and_the_share_left_out_is_said(most):
    ids = np.array([f"r{n}" for n in range(5_000)], dtype=object)
    drawn = draw(ids, most)
    assert drawn.kept.sum() == most
    assert drawn.p_drop == 1 - most / 5_000


def test_who_is_drawn_does_not_depend_on_the_order():
    ids = np.array([f"r{n}" for n in range(2_000)], dtype=object)
    shuffled = np.random.default_rng(1).permutation(ids)
    assert set(ids[draw(ids, 300).kept]) == set(shuffled[draw(shuffled, 300).kept])


def test_texts_of_arrow_in_stretches_are_drawn_like_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    ids = np.array([f"r{n}" for n in range(3_000)], dtype=object)
    whole = draw(ids, 700).kept
    monkeypatch.setattr("components.ranker.strides.AT_ONCE", 64)
    assert np.array_equal(draw(pa.array(ids, pa.string()), 700).kept, whole)


def test_a_mean_over_the_drawn_is_that_over_all_up_to_chance():
    """200 logs of 2,000 requests whose reward grows with their number; simple random sampling's own standard error."""
    reward, errors = np.linspace(0, 1, 2_000), []
    for seed in range(200):
        ids = np.array([f"{seed}/{n}" for n in range(2_000)], dtype=object)
        errors.append(reward[draw(ids, 200).kept].mean() - reward.mean())
    expected = reward.std(ddof=1) / np.sqrt(200) * np.sqrt(1 - 200 / 2_000)
    assert abs(np.mean(errors)) < 4 * expected / np.sqrt(200)
    assert 0.8 < np.std(errors) / expected < 1.2


def test_one_share_for_all_weighs_all_alike():
    n = 6
    log = LoggedDecisions(
        request=np.arange(n),
        position=np.zeros(n, np.int64),
        offsets=2 * np.arange(n + 1),
        action=2 * np.arange(n),
        propensity=np.full(n, 0.5),
        reward=np.arange(n) / n,
        at=np.arange(n),
        logger=np.ones(n, np.int64),
        p_drop=np.full(n, 0.75),
    )
    assert request_share(log, EvaluateSettings()).tolist() == [1.0] * n
