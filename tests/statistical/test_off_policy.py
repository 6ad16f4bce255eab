"""The benchmark's own code at a smaller size: seeds fixed, tolerances from the binomial error.

A coverage c of L logs has standard error sqrt(c (1 - c) / L). Each bound lies four of them
away from what is promised, so that a correct build fails once in 30,000, and a coverage of
88 % (a symmetric interval on rare rewards) or of 99 % is found.
"""

import numpy as np
import pytest

from benchmarks.off_policy_coverage import coverage
from benchmarks.off_policy_gate import CASES, HELD_OUT, double_dipping, gate, paired_width_ratio
from benchmarks.off_policy_logs import draw, make_pool
from benchmarks.off_policy_refusals import UNSUPPORTED, unsupported_figure
from components.evaluate.intervals import BOOTSTRAP, SKEW, STUDENT

LOGS = 400
SEED = 7


def far(share, count):
    """Four standard errors of a share."""
    return 4 * np.sqrt(share * (1 - share) / count)


@pytest.mark.parametrize("rate", [0.05, 0.5, 0.9])
def test_95_percent_intervals_cover_95_percent(rate):
    rows = coverage(1000, rate, LOGS, bootstraps=0, seed=SEED).rows()
    seen = {(r.estimator, r.interval): r for r in rows}
    kinds = dict.fromkeys(("IPS", "SNIPS", "DR", "SNDR"), SKEW)
    for estimator, kind in (kinds | {"paired DR": STUDENT}).items():
        row = seen[estimator, kind]
        assert row.refused <= 0.02
        assert row.covered == pytest.approx(0.95, abs=far(0.95, LOGS)), estimator
    for estimator in ("IPS", "DR"):
        assert seen[estimator, "confidence sequence"].covered >= 0.95 - far(0.95, LOGS)


def test_a_log_of_five_rewards_is_judged_by_intervals_that_hold():
    rows = [r for r in coverage(1000, 0.005, 100, bootstraps=0, seed=SEED).rows() if r.interval == SKEW]
    assert rows
    for row in rows:
        assert row.refused == 0
        assert row.covered >= 0.88, row  # 3 binomial standard errors below .95


def test_the_bootstrap_covers_too():
    rows = coverage(1000, 0.5, 100, bootstraps=100, seed=SEED).rows()
    (row,) = [r for r in rows if r.interval == BOOTSTRAP]
    assert row.covered >= 0.95 - far(0.95, 100)


def test_the_gate_promotes_the_better_and_the_equal_update_and_hardly_anything_else():
    histories = 12
    share = {name: count / histories for name, count in gate(histories, first=100).items()}
    for name in ("superiority.worse_promoted", "superiority.equal_promoted", "noninferiority.worse_promoted"):
        assert share[name] <= 0.05 + far(0.05, histories)
    for name in ("superiority.better_promoted", "noninferiority.equal_promoted"):
        assert share[name] >= 0.8


def test_a_line_on_hold_for_a_month_of_small_days_errs_no_more_often_than_it_says():
    histories = 16
    share = {name: count / histories for name, count in gate(histories, first=300, per_day=HELD_OUT).items()}
    assert set(share) == {case.name for case in CASES}
    for name in ("superiority.worse_promoted", "superiority.equal_promoted", "noninferiority.worse_promoted"):
        assert share[name] <= 0.05 + far(0.05, histories)


def test_the_paired_interval_is_at_most_half_as_wide_where_policies_agree_on_80_percent():
    assert paired_width_ratio(SEED) <= 0.5


def test_a_memoriser_is_not_promoted_on_held_out_requests_and_is_found_out_on_its_own():
    found = double_dipping(100, SEED)
    assert found.memoriser_promoted <= 0.05 + far(0.05, 100)
    assert found.memoriser_ahead_without_holding_out >= 0.95
    assert found.memoriser_refused_without_holding_out >= 0.95


def test_the_unsupported_mass_is_named():
    made = draw(make_pool(0.3), 5000, np.random.default_rng(1))
    assert unsupported_figure(made) == pytest.approx(UNSUPPORTED, abs=0.03)
