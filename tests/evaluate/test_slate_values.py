"""Slates in an evaluation: values by position, and other slate models as labelled alternatives."""

import json

import numpy as np
import pytest

from components.domain import ContractBroken, Verdict
from components.evaluate.evaluate import EvaluateSettings, InLoop, evaluate
from components.evaluate.evaluation_page import evaluation_page
from components.evaluate.read_evaluation import read_evaluation
from components.evaluate.sequential_test import SequentialTest
from tests.evaluate.enumerated_slates import all_slates
from tests.evaluate.tiny import many, replaced

K, LENGTH, REQUESTS, LOGS = 6, 3, 1000, 25
RNG = np.random.default_rng(11)
LOGGED = RNG.normal(size=K)
OURS = LOGGED + RNG.normal(size=K)
CHANCE = RNG.uniform(0.1, 0.7, K)
EXAMINED = np.array([1.0, 0.6, 0.4])
EVERYTHING = all_slates(LOGGED, LENGTH, 0.2)
TARGET = EVERYTHING.conditionals(OURS, 0.1)


def chances(law, slate):
    """(m, L) chance of a reward: by position, or only while nothing above was rewarded enough to leave."""
    own = CHANCE[slate] * EXAMINED
    if law == "position":
        return own
    return CHANCE[slate] * np.cumprod(np.column_stack([np.ones(len(slate)), 1 - CHANCE[slate[:, :-1]]]), axis=1)


def truth(law):
    """(L,) value of each position under the target."""
    target = all_slates(OURS, LENGTH, 0.1)
    return target.chance @ chances(law, target.slate)


def drawn(law, seed, requests=REQUESTS):
    """A log of so many slates, with the target's and the logger's conditionals."""
    rng = np.random.default_rng(seed)
    which = np.sort(rng.choice(len(EVERYTHING.slate), requests, p=EVERYTHING.chance))
    whole = EVERYTHING.log
    rows = (which[:, None] * LENGTH + np.arange(LENGTH)).ravel()
    lengths = whole.eligible[rows]
    offsets = np.append(0, np.cumsum(lengths))
    entries = np.arange(offsets[-1]) + np.repeat(whole.offsets[rows] - offsets[:-1], lengths)
    log = replaced(
        whole,
        request=np.repeat(np.arange(requests), LENGTH),
        position=whole.position[rows],
        offsets=offsets,
        action=whole.action[rows] - whole.offsets[rows] + offsets[:-1],
        propensity=whole.propensity[rows],
        reward=(rng.random(len(rows)) < chances(law, EVERYTHING.slate[which]).ravel()).astype(float),
        at=np.zeros(len(rows)),
        logger=np.ones(len(rows)),
        logging=None,
    )
    return log, TARGET[entries], whole.logging[entries]


@pytest.fixture(scope="module", params=["position", "cascade"])
def judged(request):
    law = request.param
    return law, [evaluate(*drawn(law, seed), None, EvaluateSettings()) for seed in range(LOGS)]


def covered(estimates, value):
    return np.mean([e.lower <= value <= e.upper for e in estimates])


def test_values_by_position_cover_what_each_position_earns(judged):
    law, found = judged
    for position, value in enumerate(truth(law)):
        share = covered([e.slots[position].value for e in found], value)
        assert share >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / LOGS)


def test_other_models_cover_where_positions_are_independent_and_are_narrower(judged):
    law, found = judged
    value = truth(law).sum()
    width = {"cascade": np.mean([e.value.upper - e.value.lower for e in found])}
    for at, model in enumerate(("independent", "additive")):
        estimates = [e.other_models[at].value for e in found]
        width[model] = np.mean([e.upper - e.lower for e in estimates])
        if law == "position":
            assert covered(estimates, value) >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / LOGS), model
    assert width["independent"] < width["cascade"]


def test_positions_and_other_models_stand_in_the_document_and_on_the_page(judged):
    evaluation = judged[1][0]
    assert read_evaluation(evaluation.to_json()).slots == evaluation.slots
    assert read_evaluation(evaluation.to_json()).other_models == evaluation.other_models
    page = evaluation_page(evaluation, "Evaluation")
    assert "reward depends on its own item alone" in page and "Positions add up to the slate" in page


def test_an_evaluation_of_another_release_is_told_in_one_line(judged):
    told = json.loads(judged[1][0].to_json())
    del told["diagnostics"]["users"]
    with pytest.raises(ContractBroken, match=r"'users'.*another one wrote it") as found:
        read_evaluation(json.dumps(told))
    assert "\n" not in str(found.value)


def test_where_whole_slate_weights_are_refused_the_alternatives_are_told_and_the_verdict_stays_hold():
    log, target, logging = drawn("position", 1, requests=300)
    sound = evaluate(log, target, logging, None, EvaluateSettings())
    between = (sound.diagnostics.ess + sound.other_models[0].value.ess) / 2
    found = evaluate(log, target, logging, None, EvaluateSettings(minimum_ess=between))
    assert found.refused and found.verdict is Verdict.HOLD and not found.slots
    assert found.other_models[0].value is not None
    evaluation_page(found, "Evaluation")


def test_a_champion_that_did_not_draw_the_log_gives_no_other_model_and_says_why():
    log, target, _ = drawn("position", 1)
    found = evaluate(log, target, target, None, EvaluateSettings())
    assert [o.value for o in found.other_models] == [None, None]
    assert "another policy drew" in found.other_models[0].absent
    assert "another policy drew" in evaluation_page(found, "Evaluation")


def test_single_decisions_have_neither():
    log, target, _ = many(500, 0)
    found = evaluate(log, target, np.full(log.entries, 0.25), None, EvaluateSettings())
    assert not found.slots and not found.other_models


def test_without_anybody_s_probabilities_but_the_target_s_there_is_neither_a_position_nor_another_model():
    log, target, _ = drawn("position", 1)
    found = evaluate(log, target, None, None, EvaluateSettings())
    assert not found.slots
    assert "nor the logger's are in the log" in found.other_models[0].absent


def test_the_gate_rests_on_the_model_of_its_setting_and_says_so():
    law_holds, value = [], truth("position").sum()
    for seed in range(LOGS):
        found = evaluate(*drawn("position", seed), None, EvaluateSettings(slate_model="independent"))
        law_holds.append(found)
        beside = evaluate(*drawn("position", seed), None, EvaluateSettings())
        assert found.difference.value == pytest.approx(beside.other_models[0].difference.value)
        assert found.difference.upper - found.difference.lower < beside.difference.upper - beside.difference.lower
    assert covered([e.value for e in law_holds], value) >= 0.95 - 4 * np.sqrt(0.95 * 0.05 / LOGS)
    found = law_holds[0]
    assert found.slate_model == "independent" and [o.model for o in found.other_models] == ["cascade", "additive"]
    assert found.other_models[0].value is not None
    assert "rests on the slate model independent" in found.reasons[-1]
    page = evaluation_page(read_evaluation(found.to_json()), "Evaluation")
    assert "The gate assumes the slate model independent" in page


@pytest.mark.parametrize("model", ["independent", "additive"])
def test_a_model_that_cannot_be_weighed_is_refused_with_what_is_missing(model):
    log, target, _ = drawn("position", 1)
    settings = EvaluateSettings(slate_model=model)
    for champion, why in ((target, "another policy drew"), (None, "nor the logger's are in the log")):
        found = evaluate(log, target, champion, None, settings)
        assert found.refused and why in str(found.refused[0]) and found.verdict is Verdict.HOLD
        assert 'evaluate.slate_model = "cascade"' in str(found.refused[0])
        evaluation_page(found, "Evaluation")


@pytest.mark.parametrize("model", ["independent", "additive"])
def test_a_test_across_days_keeps_its_model_and_the_exact_one_bets_only_on_weights_with_a_bound(model):
    log, target, logging = drawn("position", 1)
    begun = evaluate(
        log, target, logging, None, EvaluateSettings(slate_model=model), loop=InLoop(SequentialTest(1, "change"))
    ).sequential_test
    assert begun.slate_model == model
    later = evaluate(log, target, logging, None, EvaluateSettings(), loop=InLoop(begun))
    assert later.slate_model == model and SequentialTest.from_json(begun.to_json()).slate_model == model
    exact = EvaluateSettings(slate_model=model, sequence="exact")
    found = evaluate(log, target, logging, None, exact, loop=InLoop(SequentialTest(1, "change")))
    assert bool(found.refused) == (model == "additive")


def test_single_decisions_are_weighed_alike_by_every_model():
    log, target, _ = many(500, 0)
    champion = np.full(log.entries, 0.25)
    found = [evaluate(log, target, champion, None, EvaluateSettings(slate_model=m)) for m in ("cascade", "independent")]
    assert found[0].difference == found[1].difference and not found[1].refused


def test_the_control_variate_leaves_the_mean_and_takes_spread_from_it():
    value, plain, with_control = truth("position").sum(), [], []
    for seed in range(LOGS):
        found = evaluate(*drawn("position", seed), None, EvaluateSettings(slate_model="additive"))
        named = {e.name: e for e in found.estimates}
        plain.append(named["IPS"].value)
        with_control.append(named["IPS with a control variate"].value)
    assert np.std(with_control) < np.std(plain)
    assert abs(np.mean(with_control) - value) < 4 * np.std(with_control) / np.sqrt(LOGS)
