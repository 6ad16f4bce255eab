"""A difference is shown by what turns have in common, and never by one or two of them."""

import numpy as np
import pytest
from scipy import stats

from components.evaluate.paired_turns import paired_turns

BASE = [0.70, 0.60, 0.80, 0.75]


def test_the_interval_is_students_of_the_differences_whatever_turns_have_in_common() -> None:
    ours = [b + d for b, d in zip(BASE, (0.010, 0.012, 0.011, 0.013), strict=True)]
    found = paired_turns(ours, BASE, 0.05)
    wanted = stats.ttest_1samp(np.subtract(ours, BASE), 0.0).confidence_interval(0.95)
    assert found is not None and (found.lower, found.upper) == pytest.approx((wanted.low, wanted.high))
    assert found.shown and found.turns == 4


def test_a_smaller_error_probability_makes_it_wider() -> None:
    ours = [b + d for b, d in zip(BASE, (0.01, 0.03, 0.02, 0.05), strict=True)]
    wide, narrow = paired_turns(ours, BASE, 0.005), paired_turns(ours, BASE, 0.05)
    assert wide is not None and narrow is not None
    assert narrow.shown and not wide.shown and wide.mean == narrow.mean


@pytest.mark.parametrize(("ours", "turns"), [([0.9, None, None, None], 1), ([0.9, 0.8, None, None], 2)])
def test_one_or_two_turns_show_nothing_however_alike(ours: list[float | None], turns: int) -> None:
    found = paired_turns(ours, BASE, 0.05)
    assert found is not None and (found.lower, found.upper, found.turns) == (None, None, turns) and not found.shown


def test_the_same_twice_is_no_difference_and_no_common_turn_is_no_figure() -> None:
    same = paired_turns(BASE, BASE, 0.05)
    assert same is not None and (same.mean, same.lower, same.upper, same.shown) == (0, 0, 0, False)
    assert paired_turns([None, 0.5], [0.5, None], 0.05) is None


def test_it_covers_the_truth_as_often_as_it_says() -> None:
    rng, covered, runs = np.random.default_rng(3), 0, 2_000
    for _ in range(runs):
        common = rng.normal(0.7, 0.1, 4)
        found = paired_turns(list(common + rng.normal(0.01, 0.005, 4)), list(common), 0.05)
        assert found is not None and found.lower is not None and found.upper is not None
        covered += found.lower <= 0.01 <= found.upper
    assert abs(covered / runs - 0.95) < 4 * (0.95 * 0.05 / runs) ** 0.5
