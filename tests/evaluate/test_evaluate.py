import json

import numpy as np
import pytest

from components.domain import ContractBroken, Verdict
from components.evaluate.evaluate import evaluate
from components.evaluate.read_evaluation import read_evaluation
from components.evaluate.settings import EvaluateSettings
from tests.evaluate.tiny import many, replaced, tiny

S = EvaluateSettings()


def test_an_equal_challenger_of_a_routine_update_is_promoted_and_of_a_change_is_held():
    log, target, q = many(400, seed=1)
    assert evaluate(log, target, target, q, S).verdict is Verdict.PROMOTE
    assert evaluate(log, target, target, q, S, kind="change").verdict is Verdict.HOLD


def test_the_interval_of_the_value_contains_the_enumerated_value():
    log, target, q = many(2000, seed=2)
    result = evaluate(log, target, np.full(len(target), 0.25), q, S)
    truth = log.per_row(target * q).mean()
    assert result.value.name == "DR"
    assert result.value.lower < truth < result.value.upper


@pytest.mark.parametrize("unit", [1.0, 250.0])
def test_a_verdict_is_the_same_in_cents_and_in_euros(unit):
    log, target, q = many(1000, seed=4)
    champion = np.full(len(target), 0.25)
    plain = evaluate(log, target, champion, q, S, value_range=(0.0, 1.0))
    priced = evaluate(replaced(log, reward=unit * log.reward), target, champion, unit * q, S, value_range=(0.0, unit))
    assert priced.verdict is plain.verdict
    for ours, theirs in zip(priced.estimates, plain.estimates, strict=True):
        assert ours.name == theirs.name
        np.testing.assert_allclose(
            [ours.value, ours.lower, ours.upper], unit * np.array([theirs.value, theirs.lower, theirs.upper])
        )
    assert priced.margin == pytest.approx(unit * plain.margin)


def test_amounts_without_an_upper_limit_are_judged_without_estimators_whose_bias_needs_one():
    log, target, q = many(1000, seed=4)
    champion = np.full(len(target), 0.25)
    paid = replaced(log, reward=log.reward * np.random.default_rng(0).lognormal(3.0, 1.0, len(log.reward)))
    result = evaluate(paid, target, champion, 33.0 * q, S, value_range=(0.0, float("inf")))
    assert [e.name for e in result.estimates] == ["IPS", "SNIPS", "DR", "SNDR", "DM"]
    assert result.difference is not None and np.isfinite([result.value.lower, result.value.upper]).all()


def test_a_worse_challenger_is_held_and_the_reason_names_its_upper_bound():
    log, _, q = many(2000, seed=3)
    best = np.zeros_like(q).reshape(-1, 4)
    best[np.arange(2000), q.reshape(-1, 4).argmax(1)] = 1.0
    worst = np.zeros_like(best)
    worst[np.arange(2000), q.reshape(-1, 4).argmin(1)] = 1.0
    result = evaluate(log, worst.ravel(), best.ravel(), q, S)
    assert result.verdict is Verdict.HOLD
    assert any("the challenger is worse" in reason for reason in result.reasons)


@pytest.mark.parametrize(
    ("propensity", "reason"),
    [
        (np.nan, "missing propensities"),
        (0.0, "propensities of 0"),
        (1.5, "propensities above 1"),
        (1.0, "logged at propensity 1"),
    ],
)
def test_propensities_that_mean_nothing_refuse_every_weighted_value(propensity, reason):
    log, target, q = many(400, seed=4)
    result = evaluate(replaced(log, propensity=np.full(400, propensity)), target, target, q, S)
    assert reason in str(result.refused[0])
    assert result.verdict is Verdict.HOLD
    assert [e.name for e in result.estimates] == ["DM"]
    assert result.champion_value is None and result.difference is None


def test_one_missing_propensity_is_enough_to_refuse():
    log, target, q = many(400, seed=4)
    propensity = log.propensity.copy()
    propensity[7] = np.nan
    assert evaluate(replaced(log, propensity=propensity), target, target, q, S).refused


def test_a_target_with_unsupported_mass_is_refused_with_that_figure():
    log, _, _ = many(4000, seed=5)
    five = np.concatenate([np.full((4000, 4), 0.7 / 4), np.full((4000, 1), 0.3)], axis=1)
    offsets = np.arange(4001) * 5
    wider = replaced(log, offsets=offsets, action=offsets[:-1] + log.action % 4)
    result = evaluate(wider, five.ravel(), np.tile([0.25] * 4 + [0.0], 4000), None, S)
    figures = {r.reason: r.figure for r in result.refused}
    assert figures["share of the target's mass without support"] == pytest.approx(0.3, abs=0.01)


def test_four_requests_are_too_few_and_say_so():
    result = evaluate(tiny(), np.full(8, 0.5), np.full(8, 0.5), None, S)
    assert result.refused[0].reason == "users"
    assert result.verdict is Verdict.HOLD


def test_a_reward_outside_its_range_is_an_error_naming_the_row():
    with pytest.raises(ContractBroken, match="row 2, column reward: 5"):
        evaluate(tiny(reward=[0.0, 0.0, 5.0, 0.0]), np.full(8, 0.5), np.full(8, 0.5), None, S)


def test_the_json_document_has_no_nan_and_reads_back():
    log, target, q = many(400, seed=4)
    document = json.loads(evaluate(log, target, target, q, S).to_json())
    assert document["verdict"] == "PROMOTE"
    assert {e["name"] for e in document["estimates"]} >= {"IPS", "SNIPS", "DM", "DR"}


def test_a_log_without_a_reward_leaves_open_what_is_still_to_come_even_with_a_model():
    log, target, q = many(400, seed=30)
    silent = replaced(log, reward=np.zeros(len(log)))
    found = evaluate(silent, target, np.full(len(target), 0.25), 0.001 * q, S)
    truth = 0.002  # no reward among 400 users: one in 500 is no surprise
    for estimate in found.estimates:
        if estimate.interval != "none":
            assert estimate.lower <= truth <= estimate.upper, estimate.name
    assert found.difference.lower < -0.002 and found.difference.upper > 0.002
    assert found.verdict is Verdict.HOLD
    same = evaluate(silent, target, target, None, S)
    assert same.difference.lower == same.difference.upper == 0


def test_the_bootstrap_s_second_opinion_is_told_beside_the_gate_s_interval_and_repeats_itself():
    log, target, q = many(600, seed=31)
    champion = np.full(len(target), 0.25)
    found, again = (evaluate(log, target, champion, q, S) for _ in range(2))
    assert found.second_opinion == again.second_opinion
    width = found.difference.upper - found.difference.lower
    assert found.second_opinion.value == found.difference.value
    assert found.second_opinion.lower == pytest.approx(found.difference.lower, abs=0.15 * width)
    assert found.second_opinion.upper == pytest.approx(found.difference.upper, abs=0.15 * width)
    told = json.loads(found.to_json())
    assert told["second_opinion"]["interval"] == "by-user bootstrap"
    assert read_evaluation(found.to_json()).second_opinion == found.second_opinion
    none = evaluate(log, target, champion, q, S.model_copy(update={"bootstrap_resamples": 0}))
    assert none.second_opinion is None
    assert none.verdict is found.verdict


def test_a_value_that_rests_on_one_large_reward_is_flagged_and_not_refused():
    log, target, q = many(800, seed=32)
    large = log.reward.copy()
    large[np.flatnonzero(large)[0]] = 400.0
    flagged, plain = (
        evaluate(replaced(log, reward=reward), target, np.full(len(target), 0.25), q, S, value_range=(0, 1000))
        for reward in (large, log.reward)
    )
    assert flagged.diagnostics.tail_dominated and flagged.diagnostics.tail_share > 0.3
    assert not plain.diagnostics.tail_dominated
    assert not flagged.refused
    assert flagged.value.upper - flagged.value.lower > 5 * (plain.value.upper - plain.value.lower)
