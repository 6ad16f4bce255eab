import numpy as np
import pytest
from scipy import stats

from benchmarks.off_policy_intervals import bernstein_interval, log_smoothing_bound, normal_interval
from components.evaluate.confidence_sequence import Running, boundary, confidence_sequence
from components.evaluate.intervals import (
    bootstrap_interval,
    moments,
    signed_interval,
    skew_interval,
)


def test_one_term_has_no_interval_and_equal_terms_have_no_width():
    one = skew_interval(np.array([0.3]), 0.05)
    assert (one.lower, one.upper) == (-np.inf, np.inf)
    same = skew_interval(np.full(50, 0.3), 0.05)
    assert same.lower == pytest.approx(0.3) and same.upper == pytest.approx(0.3)


def test_without_skewness_the_corrected_interval_is_student_s():
    each = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    ours = skew_interval(each, 0.05)
    theirs = stats.t.interval(0.95, 4, loc=3, scale=stats.sem(each))
    assert (ours.lower, ours.upper) == pytest.approx(theirs)


def test_the_corrected_ends_are_where_hall_s_transform_meets_the_quantiles():
    each = np.random.default_rng(0).exponential(size=40)
    m, found = moments(each), skew_interval(each, 0.1)
    a = m.skewness / np.sqrt(40)
    for end, sign in ((found.lower, 1), (found.upper, -1)):
        t = (m.mean - end) / m.error
        transformed = t + a * t**2 / 3 + a**2 * t**3 / 27 + a / 6
        assert transformed == pytest.approx(sign * stats.t.ppf(0.95, 40 / (stats.kurtosis(each, fisher=False) - 1)))


def test_rare_rewards_push_the_corrected_interval_upwards():
    each = np.zeros(400)
    each[:20] = 1.0
    plain, ours = normal_interval(each, 0.05), skew_interval(each, 0.05)
    assert ours.lower > plain.lower
    assert ours.upper > plain.upper


def test_a_difference_has_student_s_interval_or_a_wider_one_where_its_weights_were_bound_to_err_more():
    each = np.random.default_rng(6).standard_t(3, size=200)
    found, wider = signed_interval(each, 0.05), signed_interval(each, 0.05, least=1.0)
    student = stats.t.interval(0.95, 199, loc=each.mean(), scale=stats.sem(each))
    assert (found.lower, found.upper) == pytest.approx(student)
    half = stats.t.ppf(0.975, 199) * np.sqrt((stats.sem(each) ** 2 + 1) / 2)
    assert wider.upper - each.mean() == pytest.approx(half)
    narrower = signed_interval(each, 0.05, least=1e-9)
    assert narrower == found
    nothing = signed_interval(np.zeros(10), 0.05)
    assert nothing.lower == nothing.upper == 0


def test_one_large_amount_among_small_ones_leaves_its_error_few_degrees_of_freedom():
    even, uneven = np.tile([0.0, 1.0], 200), np.r_[np.zeros(399), 1.0]
    assert moments(even).degrees == 399
    assert moments(uneven).degrees == 3
    lognormal = np.random.default_rng(0).lognormal(0, 1.5, 400)
    assert 3 < moments(lognormal).degrees < 60


def test_moments_equal_scipy_s():
    each = np.random.default_rng(1).gamma(2.0, size=300)
    m = moments(each)
    assert m.skewness == pytest.approx(stats.skew(each))
    assert m.kurtosis == pytest.approx(stats.kurtosis(each, fisher=False))
    assert m.error == pytest.approx(stats.sem(each))


def test_bernstein_is_the_formula_and_refuses_terms_outside_the_known_range():
    each = np.array([0.0, 1.0, 1.0, 0.0, 1.0])
    found = bernstein_interval(each, 0.05, 2.0)
    log = np.log(80)
    half = each.std(ddof=1) * np.sqrt(2 * log / 5) + 7 * 2.0 * log / 12
    assert found.upper == pytest.approx(0.6 + half)
    with pytest.raises(ValueError, match=r"spread over 1; the range known beforehand was said to be 0\.5"):
        bernstein_interval(each, 0.05, 0.5)


@pytest.mark.parametrize("n", [1000, 50_000])
def test_the_ratio_bootstrap_agrees_with_the_influence_interval_below_and_above_its_group_limit(n):
    rng = np.random.default_rng(2)
    w = rng.gamma(4.0, 0.25, n)
    r = (rng.random(n) < 0.9).astype(float)
    found = bootstrap_interval(w * r, w, 0.05, rng, resamples=1500)
    value = (w @ r) / w.sum()
    plain = normal_interval(value + w * (r - value) / w.mean(), 0.05)
    width = plain.upper - plain.lower
    assert found.lower == pytest.approx(plain.lower, abs=0.1 * width)
    assert found.upper == pytest.approx(plain.upper, abs=0.1 * width)


def test_holding_the_denominator_fixed_would_be_twice_as_wide_at_high_rates():
    rng = np.random.default_rng(3)
    w, r = rng.gamma(1.0, 1.0, 4000), (rng.random(4000) < 0.9).astype(float)
    ratio = bootstrap_interval(w * r, w, 0.05, rng, resamples=1000)
    fixed = bootstrap_interval(w * r, np.full(4000, w.mean()), 0.05, rng, resamples=1000)
    assert (fixed.upper - fixed.lower) > 2 * (ratio.upper - ratio.lower)


def test_states_of_the_sequence_merge_in_any_order_to_the_state_of_all():
    each = np.random.default_rng(4).normal(size=90)
    parts = [Running.of(each[:10]), Running.of(each[10:70]), Running.of(each[70:])]
    whole = Running.of(each)
    for order in ([0, 1, 2], [2, 0, 1]):
        merged = Running()
        for i in order:
            merged = merged.merge(parts[i])
        assert merged.count == whole.count
        assert merged.mean == pytest.approx(whole.mean)
        assert merged.squares == pytest.approx(whole.squares)


def test_a_single_decision_updates_the_state():
    assert Running.of(np.array([2.0])).merge(Running.of(np.array([4.0]))) == Running(2, 3.0, 2.0)


def test_the_sequence_at_20_000_is_at_most_1_6_times_as_wide_as_the_fixed_interval():
    each = np.random.default_rng(5).normal(size=20_000)
    always, fixed = confidence_sequence(Running.of(each), 0.05), normal_interval(each, 0.05)
    assert (always.upper - always.lower) / (fixed.upper - fixed.lower) < 1.6


def test_before_two_terms_the_sequence_says_nothing():
    assert confidence_sequence(Running(1, 0.5, 0.0), 0.05).upper == np.inf


def test_the_boundary_shrinks_with_the_count():
    assert (np.diff(boundary(np.arange(2.0, 1e5, 500), 0.05)) < 0).all()


def test_the_log_smoothing_bound_is_the_formula_and_below_the_mean():
    w, r = np.array([0.5, 3.0, 1.0]), np.array([1.0, 0.0, 1.0])
    expected = np.mean(np.log(1 + 0.2 * w * r)) / 0.2 - np.log(20) / (0.2 * 3)
    assert log_smoothing_bound(w, r, 0.05, 0.2) == pytest.approx(expected)
    assert expected < np.mean(w * r)


def test_the_log_smoothing_bound_refuses_negative_rewards():
    with pytest.raises(ValueError, match=r"reward -1\.0 in row 1"):
        log_smoothing_bound(np.ones(2), np.array([0.0, -1.0]), 0.05)
