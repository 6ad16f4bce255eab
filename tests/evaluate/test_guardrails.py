"""Metrics that a release must not harm: each holds by itself, and what is known of items has no noise."""

from dataclasses import replace

import numpy as np
import pytest

from components.domain import DAY, Doubles, Verdict
from components.evaluate.evaluate import InLoop, evaluate
from components.evaluate.evaluation import Evaluation
from components.evaluate.evaluation_page import evaluation_page
from components.evaluate.guardrails import Guardrails, Measured
from components.evaluate.item_metrics import exposure, new_items, variety
from components.evaluate.logged_decisions import LoggedDecisions
from components.evaluate.metrics import Guardrail, MetricsSettings
from components.evaluate.read_evaluation import read_evaluation
from components.evaluate.sequential_test import SequentialTest
from components.evaluate.settings import EvaluateSettings
from tests.evaluate.tiny import many, tiny

BEGUN = SequentialTest(1, "update")


def judged(log: LoggedDecisions, target: Doubles, *measured: Measured, **tests: SequentialTest) -> Evaluation:
    """A challenger against the uniform logger, with guardrails."""
    champion = np.repeat(1 / log.eligible, log.eligible)
    rails = Guardrails(measured, {m.name: tests.get(m.name, BEGUN) for m in measured})
    return evaluate(log, target, champion, None, EvaluateSettings(), loop=InLoop(BEGUN, guardrails=rails))


def first_entry(log: LoggedDecisions) -> Doubles:
    """(nnz,) 1 for the first entry of every set."""
    first = np.zeros(log.entries)
    first[log.offsets[:-1]] = 1.0
    return first


def test_a_release_that_passes_by_reward_is_held_by_a_metric_that_falls():
    log, target, _ = many(3000, seed=1)
    others = 1 - first_entry(log)
    alone = judged(log, target)
    found = judged(log, target, Measured("others", others[log.action], others, margin=0.05))
    assert alone.verdict is Verdict.PROMOTE
    assert found.verdict is Verdict.HOLD
    assert found.reasons[0].startswith("guardrail others: non-inferiority")
    (rail,) = found.guardrails
    assert not rail.passed
    assert rail.champion.value == pytest.approx(0.75)
    assert rail.difference.value == pytest.approx(-0.15)


def test_what_is_known_of_items_has_no_noise_of_outcomes():
    log, target, _ = many(400, seed=2)
    first = first_entry(log)
    (rail,) = judged(log, target, Measured("first", first[log.action], first, margin=0.05)).guardrails
    assert rail.passed
    assert rail.difference.upper - rail.difference.lower < 1e-3
    (noisy,) = judged(log, target, Measured("first", first[log.action], None, margin=0.05)).guardrails
    assert noisy.difference.upper - noisy.difference.lower > 0.02


def test_policies_that_are_known_to_have_a_metric_alike_pass_even_at_zero():
    log, target, _ = many(300, seed=3)
    nothing = np.zeros(log.entries)
    (rail,) = judged(log, target, Measured("never", nothing[log.action], nothing, margin=0.05)).guardrails
    assert rail.passed


def test_days_on_hold_add_up_for_each_guardrail():
    found, tests = None, {}
    for seed in range(3):
        log, target, _ = many(300, seed=seed)
        clicks = (log.reward * (log.action % 4 != 0)).astype(float)
        found = judged(log, target, Measured("clicks", clicks, None, margin=0.01), **tests)
        tests = {g.name: g.sequential_test for g in found.guardrails}
    assert found is not None
    assert tests["clicks"].turns == 3
    assert tests["clicks"].state.requests == 900


def test_a_day_too_small_to_be_looked_at_is_kept_for_its_guardrails():
    log, target, _ = many(30, seed=4)
    found = judged(log, target, Measured("reward again", log.reward, None, margin=0.05))
    assert found.refused
    (rail,) = found.guardrails
    assert rail.sequential_test is not None and rail.sequential_test.state.requests == 30
    assert not rail.passed


def test_a_day_refused_for_its_weights_takes_nothing_from_its_guardrails():
    tests = {}
    for seed, propensity in ((3, None), (4, 1e-4)):
        log, target, _ = many(300, seed=seed)
        if propensity:
            log = replace(log, propensity=np.where(np.arange(300) == 3, propensity, log.propensity))
        found = judged(log, target, Measured("reward again", log.reward, None, margin=0.05), **tests)
        (rail,) = found.guardrails
        assert rail.sequential_test is not None and not (found.refused and rail.passed)
        tests = {"reward again": rail.sequential_test}
    assert found.refused and tests["reward again"].turns == 1, "a first look is not to be had twice"
    assert read_evaluation(found.to_json()).guardrails[0].reasons == ("refused, as the day is",)


def test_guardrails_err_no_oftener_than_one_of_them_alone():
    """One metric falls by exactly its margin, two stay: the worst that may happen. 300 logs, one-sided 2.5 %.

    With .4 instead of .25 on the first entry, its chance p beside .5 makes .4 p + .3 = .95 (.25 p + .375).
    """
    fallen = released = 0
    for seed in range(300):
        log, target, _ = many(400, seed=100 + seed)
        drawn = np.random.default_rng(seed).random((3, len(log)))
        falling = np.where(first_entry(log) > 0, 0.05625 / 0.1625, 0.5)[log.action]
        rewards = (drawn < np.stack([falling, np.full(len(log), 0.5), np.full(len(log), 0.5)])).astype(float)
        rails = [
            Measured(name, r, None, margin=0.05 if name == "a" else 0.5) for name, r in zip("abc", rewards, strict=True)
        ]
        found = judged(log, target, *rails).guardrails
        fallen += found[0].passed
        released += all(g.passed for g in found)
    assert 0 < released <= fallen <= 16, "2.5 % and three binomial standard errors"


def test_exposure_counts_any_value_of_an_item():
    keys = np.array([[5, 7], [7, 0], [6, 0]], np.uint64)
    assert exposure(keys, np.uint64(6)).tolist() == [0, 0, 1]


def test_an_item_is_new_until_its_days_are_over():
    log = tiny(at=[10 * DAY] * 4)
    first = np.array([0, 4, 5, 6, 9, 10, 11, np.iinfo(np.int64).max // DAY]) * DAY
    assert new_items(log, first, days=5).tolist() == [0, 0, 0, 1, 1, 1, 1, 1]


def test_variety_is_what_the_slate_has_not_shown_above():
    """One slate of three positions over four entries: values a, ab, b, none; shown from the top: 0, 1, 3."""
    log = LoggedDecisions(
        request=[0, 0, 0],
        position=[0, 1, 2],
        offsets=[0, 4, 7, 9],
        action=[0, 4, 8],
        propensity=[0.5, 0.5, 0.5],
        reward=[0, 0, 0],
        at=[0, 0, 0],
        logger=[1, 1, 1],
    )
    values = {0: [1, 0], 1: [1, 2], 2: [2, 0], 3: [0, 0]}
    keys = np.array([values[i] for i in [0, 1, 2, 3, 1, 2, 3, 2, 3]], np.uint64)
    assert variety(log, keys).tolist() == [1, 1, 1, 0, 1, 1, 0, 0, 0]


def test_guardrails_survive_as_text_and_stand_on_the_page():
    log, target, _ = many(500, seed=5)
    first = first_entry(log)
    found = judged(log, target, Measured("the <first>", first[log.action], first, margin=0.05))
    read = read_evaluation(found.to_json())
    assert read.guardrails[0].difference == found.guardrails[0].difference
    page = evaluation_page(found, "title")
    assert "Guardrails" in page and "the &lt;first&gt;" in page


@pytest.mark.parametrize(
    ("told", "said"),
    [
        ({"name": "v", "measures": "variety"}, "needs field"),
        ({"name": "e", "measures": "exposure", "field": "genre"}, "needs value"),
        ({"name": "n", "measures": "novelty"}, "variety"),
        ({"name": "n", "measures": "new_items", "days": 0}, "greater than 0"),
    ],
)
def test_a_guardrail_that_does_not_say_what_it_measures_is_refused(told, said):
    with pytest.raises(ValueError, match=said):
        Guardrail.model_validate(told)


def test_guardrails_of_one_name_are_refused():
    one = {"name": "n", "measures": "new_items"}
    with pytest.raises(ValueError, match="repeat a name"):
        MetricsSettings.model_validate({"guardrails": [one, one]})
