import numpy as np
import pytest

from components.domain import Verdict
from components.evaluate.difference import Paired, gap_spread, paired
from components.evaluate.estimators import parts
from components.evaluate.evaluate import EvaluateSettings, InLoop, evaluate
from components.evaluate.gate import GateState, judge, judge_so_far, must_roll_back
from components.evaluate.intervals import Interval
from components.evaluate.logged_decisions import LoggedDecisions
from tests.evaluate.tiny import many


@pytest.mark.parametrize(
    ("lower", "upper", "kind", "verdict"),
    [
        (-0.02, 0.03, "update", Verdict.PROMOTE),
        (-0.06, 0.03, "update", Verdict.HOLD),
        (-0.05, 0.03, "update", Verdict.HOLD),
        (-0.02, -0.01, "update", Verdict.HOLD),
        (0.001, 0.03, "change", Verdict.PROMOTE),
        (0.0, 0.03, "change", Verdict.HOLD),
        (-0.02, 0.03, "change", Verdict.HOLD),
    ],
)
def test_an_update_must_clear_the_margin_a_change_must_clear_zero_and_certain_harm_is_held(lower, upper, kind, verdict):
    assert judge(Interval(lower, upper, "x"), 0.05, kind).verdict is verdict


def test_the_reason_names_the_test_and_the_floor():
    (reason,) = judge(Interval(-0.06, 0.03, "x"), 0.05, "update").reasons
    assert reason == "non-inferiority: lower bound of the paired difference -0.0600 is not above -0.0500"


@pytest.mark.parametrize(
    ("champion", "parent_lower", "paired_upper", "expected"),
    [(0.40, 0.45, -0.01, True), (0.46, 0.45, -0.01, False), (0.40, 0.45, 0.01, False)],
)
def test_the_champion_goes_only_if_below_its_parent_s_bound_and_surely_worse(
    champion, parent_lower, paired_upper, expected
):
    found = must_roll_back(champion, Interval(parent_lower, 0.6, "x"), Interval(-0.1, paired_upper, "x"))
    assert found is expected


def test_a_champion_that_chooses_the_worst_is_rolled_back_to_its_parent():
    log, _, q = many(6000, seed=1)
    spread = np.exp(6 * q.reshape(-1, 4))
    good = (0.2 / 4 + 0.8 * spread / spread.sum(axis=1, keepdims=True)).ravel()
    bad = np.full_like(good, 0.25)
    result = evaluate(log, bad, bad, q, EvaluateSettings(), loop=InLoop(parent=good))
    assert result.verdict is Verdict.ROLL_BACK
    assert "below its parent's lower bound" in result.reasons[0]
    assert evaluate(log, bad, bad, q, EvaluateSettings(), loop=InLoop(parent=bad)).verdict is Verdict.PROMOTE


def _state(n, gain, seed=0):
    rng = np.random.default_rng(seed)
    b = rng.normal(size=n)
    return GateState.of(Paired(gain + 0.3 * rng.normal(size=n) + 0.5 * b, b), 0.5 + 0.4 * rng.normal(size=n))


def test_states_add_to_the_state_of_all_days():
    rng = np.random.default_rng(1)
    a, b, c = rng.normal(size=(3, 50))
    whole = GateState.of(Paired(a, b), c)
    halves = GateState.of(Paired(a[:20], b[:20]), c[:20]) + GateState.of(Paired(a[20:], b[20:]), c[20:])
    assert halves.count == 50
    np.testing.assert_allclose(halves.products, whole.products)
    assert (GateState.empty() + whole).running(0.1) == whole.running(0.1)


def test_the_running_state_is_that_of_the_corrected_terms():
    log, target, q = many(500, seed=2)
    uniform = np.full(len(target), 0.25)
    pair = paired(parts(log, target, q), parts(log, uniform, q))
    found = GateState.of(pair, log.reward).running(0.0)
    assert found.mean == pytest.approx(pair.corrected.mean())
    assert found.variance == pytest.approx(pair.corrected.var())


def test_a_state_survives_the_night_in_json_to_the_last_bit():
    state = _state(300, 0.1)
    kept = GateState.from_json(state.to_json())
    assert kept.running(0.03) == state.running(0.03)
    assert len(state.to_json()) < 500


def test_without_enough_requests_that_carry_the_gap_there_is_no_baseline():
    b = np.zeros(1000)
    b[:20] = 5.0 * np.sign(np.arange(20) % 2 - 0.5)
    pair = Paired(0.5 * b + 0.01, b)
    np.testing.assert_array_equal(pair.corrected, pair.a)
    wide = Paired(np.tile(pair.a, 4), np.tile(pair.b, 4))
    np.testing.assert_allclose(wide.corrected, 0.01)


def test_a_sample_without_its_rare_heavy_weights_is_not_more_certain_than_they_allow():
    n, rng = 400, np.random.default_rng(4)
    rows, offsets = np.arange(n), np.arange(n + 1) * 2
    champion = np.tile([0.99, 0.01], n)
    target = np.tile([0.9, 0.1], n)
    reward = (rng.random(n) < 0.6).astype(float)
    log = LoggedDecisions(rows, 0 * rows, offsets, offsets[:-1], np.full(n, 0.99), reward, rows, np.ones(n))
    q = np.full(2 * n, 0.6)
    ours, theirs = parts(log, target, q), parts(log, champion, q)
    spread = gap_spread(ours, theirs, target, champion)
    np.testing.assert_allclose(spread, 0.09**2 / 0.99 + 0.09**2 / 0.01)
    pair = paired(ours, theirs, spread)
    assert pair.expected_error == pytest.approx(np.sqrt(spread[0] * np.mean((reward - 0.6) ** 2) / n))
    assert pair.expected_error > 8 * pair.corrected.std() / np.sqrt(n)
    state = GateState.of(pair, reward)
    assert state.running(0.0).variance == pytest.approx(pair.expected_error**2 * n)
    assert (state + state).running(0.0).variance == pytest.approx(state.running(0.0).variance)
    assert GateState.from_json(state.to_json()).running(0.1) == state.running(0.1)


def test_the_spread_of_a_slate_follows_the_prefix_it_was_drawn_with():
    log = LoggedDecisions([0, 0], [0, 1], [0, 2, 4], [0, 3], [0.5, 0.25], [1.0, 0.0], [0, 0], [1, 1])
    champion, target = np.array([0.5, 0.5, 0.75, 0.25]), np.array([0.8, 0.2, 0.5, 0.5])
    found = gap_spread(parts(log, target), parts(log, champion), target, champion)
    first = 0.3**2 / 0.5 + 0.3**2 / 0.5
    second = (1.6 * 0.5 - 0.75) ** 2 / 0.75 + (1.6 * 0.5 - 0.25) ** 2 / 0.25
    np.testing.assert_allclose(found, [3 * first + second])


def test_no_verdict_before_the_first_look():
    decision = judge_so_far(_state(100, 1.0), 0.0, 0.025, "change")
    assert decision.verdict is Verdict.HOLD
    assert "first look is at 200" in decision.reasons[0]


def test_a_better_challenger_is_promoted_and_an_equal_one_passes_only_as_an_update():
    assert judge_so_far(_state(5000, 0.05), 0.0, 0.025, "change").verdict is Verdict.PROMOTE
    assert judge_so_far(_state(5000, 0.0), 0.0, 0.025, "change").verdict is Verdict.HOLD
    assert judge_so_far(_state(5000, 0.0), 0.1, 0.025, "update").verdict is Verdict.PROMOTE


def test_a_worse_challenger_is_held_and_named_worse():
    decision = judge_so_far(_state(5000, -0.2), 0.1, 0.025, "update")
    assert decision.verdict is Verdict.HOLD
    assert "the challenger is worse" in decision.reasons[1]
