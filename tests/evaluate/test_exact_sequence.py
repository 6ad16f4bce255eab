"""The exact sequence: bounded gains, a capital that promises, and worlds in which a normal limit does not come."""

from dataclasses import replace

import numpy as np
import pytest

from components.domain import Verdict
from components.evaluate.bounded_gain import bounded_gain
from components.evaluate.case import Case, Weighing, request_bounds
from components.evaluate.confidence_sequence import boundary
from components.evaluate.evaluate import InLoop, evaluate
from components.evaluate.evaluation import Evaluation
from components.evaluate.exact_sequence import GRID, Bounded, Capital
from components.evaluate.gate import FIRST_LOOK, Kind
from components.evaluate.logged_decisions import LoggedDecisions
from components.evaluate.sequential_test import SequentialTest
from components.evaluate.settings import EvaluateSettings
from tests.evaluate.tiny import many

EXACT = EvaluateSettings(sequence="exact")
RARE, WANTED, BELIEVED, NOISE = 0.002, 0.015, 0.9, 0.05
"""A logger that hardly shows the second item, a challenger that shows it seven times as often because its model
believes in it, and an item everybody knows well whose reward hardly varies. Weights stay below 8."""


def case_of(log: LoggedDecisions, target, champion, largest: float = 1.0, settings=EXACT) -> Case:
    parts = (Weighing().parts(log, policy, None, None) for policy in (target, champion))
    return Case(*parts, target, champion, settings, request_bounds(log, (0.0, largest)))


def believer(rng, n: int) -> LoggedDecisions:
    shown, rows, offsets = (rng.random(n) < RARE).astype(int), np.arange(n), np.arange(n + 1) * 2
    mu, reward = np.tile([1 - RARE, RARE], n), 0.5 + NOISE * rng.choice([-1, 1], n)
    action = offsets[:-1] + shown
    return LoggedDecisions(rows, 0 * rows, offsets, action, mu[action], reward, rows, 0 * rows, logging=mu)


def judged(log: LoggedDecisions, test: SequentialTest, settings: EvaluateSettings) -> Evaluation:
    n = len(log)
    target, q = np.tile([1 - WANTED, WANTED], n), np.tile([0.5, BELIEVED], n)
    assert log.logging is not None
    return evaluate(log, target, log.logging, q, settings, kind=test.kind, loop=InLoop(test))


def promoted(seed: int, settings: EvaluateSettings) -> bool:
    """Whether a challenger that is exactly as good is found better within five days of 200 users."""
    rng, test = np.random.default_rng(seed), SequentialTest(1, "change")
    for _ in range(5):
        found = judged(believer(rng, 200), test, settings)
        if found.verdict is Verdict.PROMOTE:
            return True
        assert found.sequential_test is not None
        test = found.sequential_test
    return False


def test_where_the_rare_heavy_weight_is_not_in_the_sample_yet_only_the_exact_sequence_keeps_its_promise():
    histories = 40
    asymptotic, exact = (
        np.mean([promoted(seed, settings) for seed in range(histories)]) for settings in (EvaluateSettings(), EXACT)
    )
    assert asymptotic > 0.3, "two thirds of first days do not show the item that the model is wrong about"
    assert exact <= 0.025 + 3 * np.sqrt(0.025 * 0.975 / histories)


def test_rare_huge_losses_are_paid_for_with_at_most_the_stated_error():
    """Users lose .99 with 1 % and gain .01 else: nothing, on average."""
    rng, error, histories, looks, per_look = np.random.default_rng(5), 0.05, 600, 10, 100
    gains = np.where(rng.random((histories, looks, per_look)) < 0.01, -0.99, 0.01)
    counts = np.arange(1, looks + 1) * float(per_look)
    means, squares = (x.sum(axis=2).cumsum(axis=1) / counts for x in (gains, gains**2))
    lower = means - np.sqrt(np.maximum(squares - means**2, 0)) * boundary(counts, error, 500)
    asymptotic = (lower > 1e-9)[:, counts >= FIRST_LOOK].any(axis=1).mean()
    assert asymptotic > 2 * error, "200 users without a loss are common, and have no variance at all"
    exact = np.mean([grows(history, error) for history in gains])
    assert exact <= error + 3 * np.sqrt(error * (1 - error) / histories)


def grows(history, error: float) -> bool:
    capital, shown = Capital(), False
    for day in history:
        capital = capital.after(Bounded(day, 1.0))
        shown |= capital.shows(error)
    return shown


def test_the_capital_is_the_mean_of_its_bets_and_days_may_be_split():
    day = Bounded(np.array([0.5, -1.0, 0.25]), least=1.0)
    whole = Capital().after(day)
    wealth = np.mean([np.prod(1 + bet * day.each) for bet in GRID])
    assert whole.log_wealth == pytest.approx(np.log(wealth))
    halves = Capital().after(Bounded(day.each[:1], 1.0)).after(Bounded(day.each[1:], 1.0))
    assert halves.log_wealth == pytest.approx(whole.log_wealth)
    assert Capital.from_figures(**whole.to_figures()) == whole


def test_a_day_of_a_wider_bound_shrinks_the_bets_and_never_ruins():
    capital = Capital().after(Bounded(np.array([1.0, -1.0]), 1.0)).after(Bounded(np.array([-30.0]), 30.0))
    assert np.isfinite(capital.logs).all() and capital.scale == 1.0


def test_a_capital_shows_what_it_says_it_could_detect_and_not_a_third_of_it():
    rng = np.random.default_rng(3)
    noise = rng.uniform(-1, 1, size=(200, 2_000))
    reach = Capital().after(Bounded(noise[0], 1.0)).detectable(0.025, power=0.84)
    shown = [np.mean([Capital().after(Bounded(x + g, 1.5)).shows(0.025) for x in noise]) for g in (reach, reach / 3)]
    assert shown[0] >= 0.8 - 3 * np.sqrt(0.16 / 200) and shown[1] < 0.1


@pytest.mark.parametrize("kind", ["update", "change"])
def test_the_gain_has_the_expectation_that_the_gate_asks_for_and_the_bound_that_is_said(kind: Kind):
    """All that can happen, enumerated: two items, reward 0 or 1, a champion that is not the logger."""
    mu, champion, target = np.array([0.9, 0.1]), np.array([0.3, 0.7]), np.array([0.6, 0.4])
    chance, expected, lowest = np.array([0.5, 0.8]), 0.0, np.inf
    for shown in (0, 1):
        for reward in (0.0, 1.0):
            log = LoggedDecisions([0], [0], [0, 2], [shown], [mu[shown]], [reward], [0], [0])
            found = bounded_gain(case_of(log, target, champion), kind)
            assert found is not None
            expected += mu[shown] * (chance[shown] if reward else 1 - chance[shown]) * float(found.each[0])
            lowest = min(lowest, float(found.each[0]))
            least = found.least
    keep = 1.0 if kind == "change" else 0.95
    assert expected == pytest.approx(target @ chance - keep * champion @ chance)
    assert least == pytest.approx(keep) and lowest >= -least


def test_a_user_is_one_gain_and_a_slate_is_bounded_by_its_length():
    log = LoggedDecisions(
        [0, 0, 1], [0, 1, 0], [0, 2, 4, 6], [0, 2, 4], [0.5] * 3, [0.0] * 3, [0, 0, 1], [0] * 3, user=[7, 7, 7]
    )
    found = bounded_gain(case_of(log, np.full(6, 0.5), np.array([0.01, 0.99] * 3), largest=4.0), "change")
    assert found is not None and len(found.each) == 1
    assert found.least == 12.0 and found.each[0] >= -12.0


def test_what_the_logger_never_shows_speaks_for_the_champion():
    rows, offsets = np.arange(100), np.arange(101) * 2
    log = LoggedDecisions(rows, 0 * rows, offsets, offsets[:-1], np.ones(100), np.ones(100), rows, 0 * rows)
    found = bounded_gain(case_of(log, np.tile([1.0, 0.0], 100), np.tile([0.5, 0.5], 100)), "change")
    assert found is not None and (found.each <= 0).all(), "the other item may earn as much as the one that is known"


def test_days_refused_for_their_weights_are_bet_on_but_never_promote():
    log, target, _ = many(400, seed=1)
    heavy = replace(log, propensity=np.where(np.arange(400) == 3, 1e-4, log.propensity))
    test = SequentialTest(1, "update")
    found = evaluate(heavy, target, np.full(len(target), 0.25), None, EXACT, loop=InLoop(test))
    assert found.refused and found.verdict is Verdict.HOLD and found.sequential_test is not None
    kept = found.sequential_test
    assert (kept.capital.users, kept.turns, kept.state.count, kept.sequence) == (400, 0, 0, "exact")
    mute = evaluate(
        replace(log, propensity=np.full(400, np.nan)), target, target, None, EXACT, loop=InLoop(kept)
    ).sequential_test
    assert mute == kept, "a log without propensities says nothing"


def test_without_a_largest_reward_nothing_is_bet_and_the_reason_says_so():
    log, target, _ = many(400, seed=1)
    test = SequentialTest(1, "update")
    champion = np.full(len(target), 0.25)
    found = evaluate(log, target, champion, None, EXACT, value_range=(0.0, np.inf), loop=InLoop(test))
    assert found.verdict is Verdict.HOLD and found.sequential_test is not None
    assert found.sequential_test.capital == Capital()
    assert "nothing was bet on today" in found.reasons[0]


def test_a_test_keeps_the_sequence_that_it_began_with():
    log, target, q = many(400, seed=1)
    champion, test = np.full(len(target), 0.25), SequentialTest(1, "change")
    begun = evaluate(log, target, champion, q, EXACT, kind="change", loop=InLoop(test)).sequential_test
    assert begun is not None
    found = evaluate(log, target, champion, q, EvaluateSettings(), kind="change", loop=InLoop(begun))
    assert found.rest is not None and found.rest.reading == "exact sequence"
    assert "at any number of users" in found.reasons[-2]


def test_an_exact_update_of_a_sound_challenger_is_promoted_in_some_days():
    test, champion = SequentialTest(1, "update"), np.full(4 * 400, 0.25)
    for seed in range(30):
        log, target, q = many(400, seed=seed)
        found = evaluate(log, target, champion, q, EXACT, loop=InLoop(test))
        if found.verdict is Verdict.PROMOTE:
            break
        assert found.sequential_test is not None
        test = found.sequential_test
    assert found.verdict is Verdict.PROMOTE
