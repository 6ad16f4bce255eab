"""Deciding: one table of figures and actions; hysteresis and cool-down as sequences of windows."""

import math
from dataclasses import replace

import numpy as np
import pytest

from components.domain import DriftAction
from components.drift.calibration import Calibration
from components.drift.drift_action import DriftDecision, DriftState, decide, figures
from components.drift.drift_page import drift_page
from components.drift.drift_report import DriftReport, FieldDrift, IdDrift, ReferenceDrift
from components.drift.settings import DriftSettings, Rule
from components.pages.turn_pages import TurnPage

SETTINGS = DriftSettings()
HEALTHY = Calibration(
    rows=1000, log_loss=0.60, expected=0.59, z=0.8, constant=0.69,
    calibration_error=0.02, expected_calibration_error=0.02, bias=0.0, auc=0.75,
)  # fmt: skip
TRAINING = ReferenceDrift(
    name="training", rows=5000, fields=(FieldDrift("genre", 0.05, 0.1),), ids=(IdDrift("item", 0.3, 0.28),),
    score=FieldDrift("score", 0.05, 0.1), reward=0.5, z=0.3, score_spread=0.2,
)  # fmt: skip
REPORT = DriftReport(
    rows=1000, matured=1000, reward=0.5, score=0.5, score_spread=0.2, score_missing=0.0, training=TRAINING,
    last=replace(TRAINING, name="last"), calibration=HEALTHY, bins=(), html="",
)  # fmt: skip
CONSTANT_BEATS_IT = replace(REPORT, calibration=replace(HEALTHY, log_loss=0.80, z=9.0, expected=0.7))
PROMISE_BROKEN = replace(REPORT, calibration=replace(HEALTHY, log_loss=0.68, expected=0.5, z=7.0))
ITEMS_UNSEEN = replace(REPORT, training=replace(TRAINING, ids=(IdDrift("item", 0.8, 0.2),)))
USERS_UNSEEN = replace(REPORT, training=replace(TRAINING, ids=(IdDrift("user", 0.9, 0.1),)))
NO_REWARD = replace(REPORT, reward=0.0, training=replace(TRAINING, z=-30.0))
ALL_REWARD = replace(REPORT, reward=1.0, training=replace(TRAINING, z=30.0))
RARE_REWARD = replace(REPORT, reward=0.0, training=replace(TRAINING, reward=0.001, z=-1.0))


def play(reports: list[DriftReport], settings: DriftSettings = SETTINGS) -> list[DriftDecision]:
    """Decisions on a sequence of windows, the state handed on as text."""
    state, decisions = DriftState(), []
    for report in reports:
        decisions.append(decide(report, state, settings))
        state = DriftState.from_json(decisions[-1].state.to_json())
    return decisions


def actions(reports: list[DriftReport], settings: DriftSettings = SETTINGS) -> str:
    """The actions as words."""
    return " ".join(d.action for d in play(reports, settings))


@pytest.mark.parametrize(
    ("report", "action"),
    [
        (REPORT, "UPDATE"),
        (replace(REPORT, last=None), "UPDATE"),
        (replace(REPORT, matured=100), "UPDATE"),
        (replace(REPORT, matured=99), "REFRESH_MEMORY"),
        (replace(REPORT, matured=1), "REFRESH_MEMORY"),
        (replace(REPORT, matured=0, reward=math.nan), "NONE"),
        (NO_REWARD, "HALT"),
        (ALL_REWARD, "HALT"),
        (RARE_REWARD, "UPDATE"),
        (replace(NO_REWARD, matured=40), "REFRESH_MEMORY"),
        (replace(REPORT, last=replace(TRAINING, name="last", z=-30.0), reward=0.0), "HALT"),
        (replace(REPORT, training=replace(TRAINING, z=-8.0), reward=0.4), "UPDATE"),
        (replace(REPORT, score_missing=0.06), "HALT"),
        (replace(REPORT, score_missing=0.04), "UPDATE"),
        (replace(REPORT, score_missing=1.0, score_spread=math.nan), "HALT"),
        (replace(REPORT, score_spread=0.0), "HALT"),
        (replace(REPORT, score_spread=0.0, rows=10, matured=10), "REFRESH_MEMORY"),
        (replace(REPORT, score_spread=0.0, training=replace(TRAINING, score_spread=0.0)), "UPDATE"),
        (replace(REPORT, score_spread=0.0, training=replace(TRAINING, score_spread=math.nan)), "UPDATE"),
        (CONSTANT_BEATS_IT, "UPDATE"),
        (ITEMS_UNSEEN, "UPDATE"),
    ],
)
def test_one_window_calls_for_this_action(report, action):
    assert decide(report, DriftState(), SETTINGS).action == action


@pytest.mark.parametrize(
    ("windows", "expected"),
    [
        ([REPORT] * 4, "UPDATE UPDATE UPDATE UPDATE"),
        ([CONSTANT_BEATS_IT] * 2, "UPDATE REBUILD"),
        ([CONSTANT_BEATS_IT, REPORT, CONSTANT_BEATS_IT], "UPDATE UPDATE UPDATE"),
        ([PROMISE_BROKEN] * 8, "UPDATE REBUILD UPDATE UPDATE UPDATE UPDATE REBUILD UPDATE"),
        ([ITEMS_UNSEEN] * 6, "UPDATE WIDEN_EXPLORATION UPDATE UPDATE WIDEN_EXPLORATION UPDATE"),
        ([USERS_UNSEEN] * 3, "UPDATE UPDATE UPDATE"),
        ([NO_REWARD] * 3, "HALT HALT HALT"),
        ([NO_REWARD, REPORT], "HALT UPDATE"),
        ([PROMISE_BROKEN, NO_REWARD], "UPDATE HALT"),
    ],
)
def test_windows_in_a_row_call_for_these_actions(windows, expected):
    assert actions(windows) == expected


def test_one_broken_window_is_followed_by_no_rebuild_even_if_the_next_wavers_above_leave():
    wavers = replace(REPORT, calibration=replace(HEALTHY, log_loss=0.625, expected=0.5, z=7.0))
    assert 0.2 < wavers.calibration.excess < 0.3
    assert actions([PROMISE_BROKEN, wavers, wavers]) == "UPDATE UPDATE UPDATE"


def test_a_rule_that_lasted_ends_only_below_its_leave():
    rule = Rule(action=DriftAction.HALT, figure="score_missing", enter=0.05, leave=0.01)
    settings = DriftSettings(rules=(rule,))
    windows = [replace(REPORT, score_missing=share) for share in (0.04, 0.06, 0.04, 0.011, 0.009, 0.04)]
    assert actions(windows, settings) == "NONE HALT HALT HALT NONE NONE"


def test_a_rest_holds_for_every_rule_of_the_action():
    both = replace(CONSTANT_BEATS_IT, calibration=replace(HEALTHY, log_loss=0.95, expected=0.5, z=9.0))
    assert actions([both] * 7).split().count("REBUILD") == 2


def test_a_promise_that_chance_can_break_is_not_broken():
    found = figures(replace(PROMISE_BROKEN, calibration=replace(PROMISE_BROKEN.calibration, z=2.9)), SETTINGS)
    assert found["calibration_excess"] == 0.0


def test_with_few_matured_rows_rates_and_losses_are_not_judged():
    found = figures(replace(NO_REWARD, matured=49), SETTINGS)
    assert all(math.isnan(found[name]) for name in ("outcome_collapse", "skill_lost", "calibration_excess"))


def test_every_figure_that_a_rule_can_name_is_known():
    names = Rule.model_fields["figure"].annotation.__args__
    assert set(figures(REPORT, SETTINGS)) == set(names)


def test_a_rate_that_doubles_or_halves_is_no_collapse():
    doubled = replace(REPORT, reward=0.8, training=replace(TRAINING, reward=0.4, z=20.0))
    assert figures(doubled, SETTINGS)["outcome_collapse"] == pytest.approx(1 - 0.2 / 0.6)


@pytest.mark.parametrize(
    ("windows", "reason"),
    [
        ([REPORT], "UPDATE: matured is 1000, limit 100"),
        ([CONSTANT_BEATS_IT], "REBUILD: skill_lost is 0.1594, limit 0.05; window 1 of the 2 it takes"),
        ([PROMISE_BROKEN] * 2, "REBUILD: calibration_excess is 0.36, limit 0.3, for 2 windows"),
        ([PROMISE_BROKEN] * 3, "REBUILD: calibration_excess is 0.36, limit 0.2; rests for 4 more"),
        ([replace(REPORT, matured=0)], "REFRESH_MEMORY: matured is 0, limit 1"),
    ],
)
def test_reasons_say_figure_and_limit_and_why_a_graver_rule_waits(windows, reason):
    assert reason in play(windows)[-1].reasons


def test_less_grave_rules_give_no_reasons():
    assert play([NO_REWARD])[0].reasons == ("HALT: outcome_collapse is 1, limit 0.95",)


def test_the_state_is_left_alone_and_read_back_as_it_was():
    state = DriftState({"REBUILD skill_lost": 1}, {"WIDEN_EXPLORATION unseen_items": 2})
    decide(CONSTANT_BEATS_IT, state, SETTINGS)
    assert state == DriftState.from_json(state.to_json())
    assert state.streaks == {"REBUILD skill_lost": 1}


def test_a_state_with_rules_of_an_older_table_is_no_obstacle():
    state = DriftState({"REBUILD forgotten": 7}, {"HALT forgotten": 3})
    decision = decide(REPORT, state, SETTINGS)
    assert decision.action is DriftAction.UPDATE
    assert "REBUILD forgotten" not in decision.state.streaks


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (
            {"action": "HALT", "figure": "matured", "enter": 1, "leave": 2},
            "leaves at 2.0; allowed is at most its enter",
        ),
        ({"action": "STOP", "figure": "matured", "enter": 1, "leave": 1}, "Input should be 'NONE'"),
        ({"action": "HALT", "figure": "mood", "enter": 1, "leave": 1}, "Input should be 'outcome_collapse'"),
        ({"action": "HALT", "figure": "matured", "enter": 1, "leave": 1, "patience": 0}, "greater than or equal to 1"),
        ({"action": "HALT", "figure": "matured", "enter": 1, "leave": 1, "when": 1}, "Extra inputs"),
    ],
)
def test_a_broken_table_is_refused(rule, message):
    with pytest.raises(ValueError, match=message):
        DriftSettings(rules=(rule,))


def test_a_rule_twice_is_refused():
    rule = Rule(action=DriftAction.HALT, figure="matured", enter=1, leave=1)
    with pytest.raises(ValueError, match="a rule occurs twice"):
        DriftSettings(rules=(rule, rule))


def test_the_page_shows_action_table_and_reasons_and_escapes_the_log():
    evil = replace(REPORT, training=replace(TRAINING, fields=(FieldDrift("<script>x</script>", 0.4, 0.1),)))
    decision = play([PROMISE_BROKEN] * 2)[-1]
    page = drift_page(evil, decision, "week 9", [TurnPage.VALIDATION, TurnPage.EVIDENTLY])
    assert "REBUILD" in page
    assert "calibration_excess is 0.36, limit 0.3, for 2 windows" in page
    assert "<script>x" not in page
    assert 'href="drift-evidently.html"' in page


def test_the_page_of_a_window_without_anything_known_is_drawn():
    nothing = Calibration(0, *(float(np.nan),) * 8)
    bare = replace(
        REPORT, matured=0, reward=math.nan, score=math.nan, score_spread=math.nan, score_missing=1.0,
        calibration=nothing,
        last=None, training=replace(TRAINING, fields=(), ids=(), reward=math.nan, z=math.nan),
    )  # fmt: skip
    page = drift_page(bare, decide(bare, DriftState(), SETTINGS))
    assert "HALT" in page
    assert "nan" not in page.split("<script")[0].split("</style>")[1].lower()
