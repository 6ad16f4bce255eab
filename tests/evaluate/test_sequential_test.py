"""The gate across days: challengers on hold are one line, and what is counted is counted once."""

import numpy as np
import pytest

from components.domain import Verdict
from components.evaluate.difference import Paired
from components.evaluate.exact_sequence import Bounded
from components.evaluate.gate import GateState
from components.evaluate.intervals import signed_interval
from components.evaluate.sequential_test import AHEAD, SequentialTest, look
from components.evaluate.settings import EvaluateSettings

SETTINGS = EvaluateSettings(margin=0.05)
UPDATE, CHANGE = SequentialTest(champion=3, kind="update"), SequentialTest(champion=3, kind="change")


def day(n, gain, seed=0, noise=0.3):
    rng = np.random.default_rng(seed)
    b = rng.normal(size=n)
    return Paired(gain + noise * rng.normal(size=n) + 0.5 * b, b), 0.5 + 0.4 * rng.normal(size=n)


def after(line, days, n, gain, **more):
    """The looks of some days."""
    looks = []
    for number in range(days):
        looks.append(look(line, *day(n, gain, seed=number, **more), SETTINGS))
        line = looks[-1].sequential_test
    return looks


def test_an_update_s_first_day_is_read_at_a_fixed_size_with_its_share_of_the_error():
    pair, champion = day(300, 0.01)
    found = look(UPDATE, pair, champion, SETTINGS)
    bounds = signed_interval(pair.corrected, 0.04)
    assert (found.rest.lower, found.rest.upper, found.rest.level) == (bounds.lower, bounds.upper, pytest.approx(0.96))
    assert (found.rest.requests, found.rest.turns, found.sequential_test.turns, found.sequential_test.looks) == (
        300,
        1,
        1,
        1,
    )
    assert found.sequential_test.tuned_for == AHEAD * 300


def test_the_days_after_are_read_by_the_sequence_over_all_of_them():
    first, second = after(UPDATE, 2, 300, -0.01, noise=1.0)
    assert (second.rest.requests, second.rest.turns, second.rest.level) == (600, 2, pytest.approx(0.995))
    assert second.rest.interval == "confidence sequence"
    assert second.rest.value == pytest.approx(second.sequential_test.state.running(0.0).mean)
    assert second.rest.lower < first.rest.lower + 0.1


def test_a_change_is_read_by_the_sequence_from_its_first_day():
    found = look(CHANGE, *day(300, 0.5), SETTINGS)
    assert found.rest.interval == "confidence sequence" and found.rest.error == pytest.approx(0.025 * 0.9)
    assert found.decision.verdict is Verdict.PROMOTE
    assert look(CHANGE, *day(100, 0.5), SETTINGS).decision.verdict is Verdict.HOLD, "too few to look"


def test_what_no_day_could_show_alone_all_days_show_together():
    looks = after(UPDATE, 40, 300, 0.01, noise=0.8)
    assert looks[0].decision.verdict is Verdict.HOLD
    assert looks[-1].decision.verdict is Verdict.PROMOTE
    assert looks[-1].rest.detectable < looks[0].rest.detectable / 2


def test_the_reasons_say_on_how_much_they_rest_and_what_they_could_have_seen():
    looks = after(UPDATE, 2, 300, 0.0, noise=1.0)
    assert looks[0].decision.reasons[-1].startswith("rests on 300 held-out requests of 300 users in 1 turn; smallest")
    assert "rests on 600 held-out requests of 600 users in 2 turns" in looks[1].decision.reasons[-1]


def test_a_good_line_does_not_carry_a_challenger_that_is_worse_today():
    good = after(UPDATE, 5, 400, 0.3)[-1].sequential_test
    found = look(good, *day(400, -0.1, seed=99), SETTINGS)
    assert found.decision.verdict is Verdict.HOLD
    assert "today's challenger is worse" in " ".join(found.decision.reasons)


def test_evidence_of_a_day_too_small_to_look_at_is_kept():
    kept = UPDATE.add(GateState.of(*day(30, 0.1)))
    found = look(kept, *day(300, 0.1, seed=1), SETTINGS)
    assert (found.rest.requests, found.rest.turns, kept.looks) == (330, 2, 0)
    assert UPDATE.add(GateState.empty()) == UPDATE


def test_a_line_survives_the_night_in_json_to_the_last_bit():
    line = after(UPDATE, 3, 250, 0.0)[-1].sequential_test
    kept = SequentialTest.from_json(line.to_json())
    again, here = (look(x, *day(250, 0.0, seed=9), SETTINGS) for x in (kept, line))
    assert again.rest == here.rest and again.decision == here.decision
    assert (kept.champion, kept.kind, kept.turns, kept.looks, kept.tuned_for) == (3, "update", 3, 3, AHEAD * 250)


def test_a_kind_that_is_asked_second_or_again_has_no_first_look_and_keeps_its_evidence():
    first = look(UPDATE, *day(300, -0.01, noise=1.0), SETTINGS).sequential_test
    change = look(first.asked("change"), *day(300, 0.0, seed=1), SETTINGS)
    assert change.rest.reading == "asymptotic sequence" and change.rest.error == pytest.approx(0.025 * 0.1)
    back = change.sequential_test.asked("update")
    assert (back.turns, back.opening, back.state.count) == (1, "looked", 300)
    again = look(back, *day(300, -0.01, seed=2, noise=1.0), SETTINGS)
    assert (again.rest.turns, again.rest.users, again.rest.reading) == (2, 600, "asymptotic sequence")
    assert again.sequential_test.aside is not None and again.sequential_test.aside.state.count == 300


@pytest.mark.parametrize("order", [("update", "change"), ("change", "update"), ("update",), ("change",)])
@pytest.mark.parametrize("small", [False, True])
@pytest.mark.parametrize("sequence", ["asymptotic", "exact"])
def test_the_shares_of_a_champion_s_error_never_add_up_to_more_than_all_of_it(order, small, sequence):
    settings = SETTINGS.model_copy(update={"sequence": sequence})
    spent, test = {}, SequentialTest(3, order[0])
    if small:
        test = test.add(GateState.of(*day(30, 0.0)))
    for number in range(6):
        test = test.asked(order[number % len(order)])
        gain = Bounded(np.zeros(250), 1.0) if test.reads(settings) == "exact" else None
        found = look(test, *day(250, 0.0, seed=number), settings, gain)
        spent[found.rest.reading, test.kind] = found.rest.error
        test = SequentialTest.from_json(found.sequential_test.to_json())
    assert sum(spent.values()) <= settings.gate_error * (1 + 1e-9)
    assert sum(spent.values()) >= settings.gate_error * 0.8, "and what is stated is used"


def test_challengers_that_are_not_good_enough_pass_no_oftener_than_stated_in_any_order_of_kinds():
    """Updates exactly at the margin, changes exactly equal, told apart by nothing but their kind."""
    settings, histories = EvaluateSettings(margin=0.05, alpha=0.2), 150
    rng = np.random.default_rng(8)
    promoted = np.mean([passes(rng, settings, number % 3) for number in range(histories)])
    error = settings.gate_error
    assert promoted <= error + 3 * np.sqrt(error * (1 - error) / histories)


def passes(rng, settings, pattern):
    """Whether any of twenty challengers is promoted; kinds alternate, come at random, or come in weeks."""
    test = SequentialTest(3, "update")
    for number in range(20):
        turn = (number % 2, rng.integers(2), number // 5 % 2)[pattern]
        test = test.asked(("update", "change")[turn])
        gain = -0.025 if test.kind == "update" else 0.0
        pair = Paired(gain + 0.3 * rng.normal(size=210), np.zeros(210))
        found = look(test, pair, np.full(210, 0.5), settings)
        if found.decision.verdict is Verdict.PROMOTE:
            return True
        test = found.sequential_test
    return False


def test_a_first_day_too_small_to_look_at_leaves_its_share_to_the_days_after():
    kept = UPDATE.add(GateState.of(*day(30, 0.1)))
    assert look(kept, *day(300, 0.1, seed=1), SETTINGS).rest.error == pytest.approx(0.025 * 0.9)


def test_reasons_say_which_sequence_was_read_and_what_it_promises():
    first, second = after(UPDATE, 2, 300, -0.01, noise=1.0)
    assert "first look: without a good enough challenger it promotes with at most 2.00% on one look" in str(first)
    assert "asymptotic sequence: without a good enough challenger it promotes with at most 0.25%" in str(second)
    assert "in the limit of many users" in second.decision.reasons[-2]
