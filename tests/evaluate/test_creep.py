"""Losses that releases may add up to: the budget, its anchor, and what is left after a hundred small ones."""

import numpy as np
import pytest

from benchmarks.off_policy_creep import TURNS, creep
from components.domain import Verdict
from components.evaluate.anchor import Anchor
from components.evaluate.creep import Released, Standing
from components.evaluate.evaluate import InLoop, evaluate
from components.evaluate.evaluation import Evaluation
from components.evaluate.read_evaluation import read_evaluation
from components.evaluate.sequential_test import SequentialTest
from components.evaluate.settings import EvaluateSettings
from tests.evaluate.tiny import many

SPENT = Standing((Released(1, 0.0), Released(2, 0.04), Released(5, 0.1)))


def judged(standing: Standing, gain: float, *, beside_anchor: bool = False, released: bool = False) -> Evaluation:
    """A challenger that errs at random and leans by `gain` to what earns more, on 4,000 requests of a uniform logger.

    The champion and the anchor are uniform, too, unless the challenger is `released`: then the champion is like it.
    """
    log, _, q = many(4000, seed=8)
    chance = q.reshape(-1, 4)
    lean = np.where(chance > chance.mean(axis=1, keepdims=True), 1.0 + gain, 1.0 - gain)
    lean *= np.exp(0.6 * np.random.default_rng(1).normal(size=chance.shape))
    target = (lean / lean.sum(axis=1, keepdims=True)).ravel()
    uniform = np.full(log.entries, 0.25)
    return evaluate(
        log,
        target,
        target if released else uniform,
        q,
        EvaluateSettings(),
        loop=InLoop(SequentialTest(5, "update"), anchor=Anchor(standing, uniform if beside_anchor else None)),
    )


def test_a_release_spends_what_its_test_left_possible():
    found = judged(Standing.of(5), 0.05)
    assert found.verdict is Verdict.PROMOTE
    assert found.creep is not None and found.rest is not None and found.champion_value is not None
    assert found.creep.would_spend == pytest.approx(-found.rest.lower / found.champion_value.value)
    assert 0 < found.creep.would_spend < 0.05


def test_a_spent_budget_leaves_no_margin_and_says_so():
    found = judged(SPENT, 0.05)
    assert found.verdict is Verdict.HOLD
    assert found.creep is not None and found.creep.allowed == 0
    assert "because of creep: releases since generation 1 may have lost 10.0%" in " ".join(found.reasons)


def test_a_challenger_that_is_better_needs_no_budget_and_becomes_the_anchor():
    found = judged(SPENT, 0.4)
    assert found.verdict is Verdict.PROMOTE
    assert found.creep is not None and found.creep.would_spend is not None and found.creep.would_spend < 0.1
    assert SPENT.after(Released(9, -0.001), 20) == Standing.of(9)


def test_the_anchor_itself_may_show_that_nothing_was_lost():
    found = judged(SPENT, 0.05, beside_anchor=True)
    assert found.verdict is Verdict.PROMOTE
    assert found.creep is not None and found.creep.loss is not None
    assert found.creep.would_spend == found.creep.loss < 0.1


def test_a_challenger_surely_worse_than_the_anchor_is_held_within_every_margin():
    alike = judged(Standing.of(5), -0.2, released=True)
    assert alike.verdict is Verdict.PROMOTE
    found = judged(Standing((Released(1, 0.0), Released(5, 0.01))), -0.2, released=True, beside_anchor=True)
    assert found.verdict is Verdict.HOLD
    assert found.reasons[0].startswith("worse than its anchor, generation 1")


def test_an_anchor_older_than_the_releases_that_count_gives_way_to_the_best_of_them():
    trail = Standing.of(1)
    for generation, spent in ((2, 0.05), (3, 0.02), (4, 0.06)):
        trail = trail.after(Released(generation, spent), keep=3)
    assert trail.anchor == 1
    moved = trail.after(Released(5, 0.07), keep=3)
    assert moved.trail[0] == Released(3, 0.0)
    assert moved.champion == 5 and moved.spent == pytest.approx(0.05)


def test_standing_and_evaluation_survive_as_text():
    assert Standing.from_json(SPENT.to_json()) == SPENT
    found = judged(SPENT, 0.01, beside_anchor=True)
    assert read_evaluation(found.to_json()).creep == found.creep


def test_a_hundred_challengers_one_percent_worse_cost_less_than_the_budget():
    """Ten histories: without a budget .943 on the mean is left, with one of 4 % never less than .96."""
    kept = creep(10, 300, EvaluateSettings(creep_budget=0.04))
    spent = creep(10, 300, EvaluateSettings(creep_budget=1.0))
    assert kept.below_budget == 0
    assert kept.value_after_100 > spent.value_after_100
    assert spent.releases > 3, f"of {TURNS} challengers some must slip through, or this shows nothing"
