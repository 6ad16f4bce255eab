"""Scores of outcome levels: what they are learned from, and what becomes of outcomes that have none."""

import numpy as np
import pytest

from components.domain import Examples, Floats, Matured
from components.ranker.graded_labels import LEAST_ROWS, GradedLabels

ROWS = 6_000


def ratings(seed: int = 0, rows: int = ROWS) -> Matured:
    """Ratings from 1 to 10 by users and of items with tastes; 8 and more are rewarded."""
    rng = np.random.default_rng(seed)
    user, item = rng.integers(0, 150, rows), rng.integers(0, 80, rows)
    taste = rng.normal(0, 1.5, 150)[user] + rng.normal(0, 1.5, 80)[item]
    rating = np.clip(np.round(6.5 + taste + rng.normal(0, 1.5, rows)), 1, 10)
    keys = np.stack([user + 1, item + 1_001], 1).astype(np.uint64)
    examples = Examples(keys, np.empty((rows, 0), np.float32), np.arange(rows, dtype=np.int64))
    return Matured(examples, (rating >= 8).astype(np.float32), rating.astype(np.float32))


def with_grade(data: Matured, grade: Floats | None) -> Matured:
    return Matured(data.examples, data.reward, grade)


def test_a_better_rating_scores_higher_on_both_sides_of_the_threshold() -> None:
    data = ratings()
    graded_labels = GradedLabels.fit(data)
    assert data.grade is not None
    target = graded_labels.target(data)
    by_rating = [target[data.grade == r].mean() for r in range(3, 11)]
    assert np.all(np.diff(by_rating) > -0.05)
    assert by_rating[4] > by_rating[0] + 0.2  # a 7 promises more than a 3, and neither is rewarded
    assert graded_labels.score.min() == 0 and graded_labels.score.max() == 1


def test_a_grade_that_says_nothing_more_returns_yes_and_no() -> None:
    data = ratings()
    graded_labels = GradedLabels.fit(with_grade(data, data.reward))
    np.testing.assert_allclose(graded_labels.target(with_grade(data, data.reward)), data.reward, atol=1e-6)


def test_a_grade_of_pure_noise_is_no_better_than_none() -> None:
    data = ratings()
    noise = np.random.default_rng(1).normal(size=ROWS).astype(np.float32)
    target = GradedLabels.fit(with_grade(data, noise)).target(with_grade(data, noise))
    between = target[data.reward == 1].mean() - target[data.reward == 0].mean()
    within = max(target[data.reward == c].std() for c in (0, 1))
    assert between > 3 * within


@pytest.mark.parametrize(
    "data",
    [
        with_grade(ratings(), None),
        ratings(rows=LEAST_ROWS - 1),
        with_grade(ratings(), np.full(ROWS, np.nan, np.float32)),
        Matured(ratings().examples, np.ones(ROWS, np.float32), ratings().grade),
    ],
    ids=["no grade", "too few rows", "all unknown", "one class only"],
)
def test_where_grades_cannot_be_judged_the_target_is_the_reward(data: Matured) -> None:
    graded_labels = GradedLabels.fit(data)
    assert graded_labels.is_plain
    np.testing.assert_array_equal(graded_labels.target(data), data.reward)


def test_an_outcome_without_a_grade_gets_the_mean_score_of_its_class() -> None:
    data = ratings()
    graded_labels = GradedLabels.fit(data)
    missing = with_grade(data, np.full(ROWS, np.nan, np.float32))
    target = graded_labels.target(data)
    means = [target[data.reward == c].mean() for c in (0, 1)]
    np.testing.assert_allclose(
        graded_labels.target(missing), np.where(data.reward >= 0.5, means[1], means[0]), rtol=1e-5
    )
    np.testing.assert_array_equal(graded_labels.target(missing), graded_labels.target(with_grade(data, None)))


def test_where_only_yes_has_a_grade_no_is_a_level_of_its_own() -> None:
    data = ratings()
    assert data.grade is not None
    seconds = np.where(data.reward >= 0.5, data.grade, np.nan).astype(np.float32)
    target = GradedLabels.fit(with_grade(data, seconds)).target(with_grade(data, seconds))
    assert len(np.unique(target[data.reward == 0])) == 1
    assert target[seconds == 10].mean() > target[seconds == 8].mean() > target[data.reward == 0].mean()


def test_a_grade_beyond_anything_seen_reads_the_outermost_level() -> None:
    data = ratings()
    graded_labels = GradedLabels.fit(data)
    outside = Matured(data.examples.take(np.s_[:2]), np.array([0, 1], np.float32), np.array([-1e9, 1e9], np.float32))
    inside = Matured(data.examples.take(np.s_[:2]), np.array([0, 1], np.float32), np.array([1, 10], np.float32))
    np.testing.assert_array_equal(graded_labels.target(outside), graded_labels.target(inside))
