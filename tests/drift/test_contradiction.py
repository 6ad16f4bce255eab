"""What speaks against learning a window: faults are found by their size, ordinary change is not."""

import math
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from components.drift.calibration_slope import calibration_slope
from components.drift.contradiction import NOTHING, Excess, contradiction_of, gone, worst
from components.drift.drift_action import DriftState, decide, figures
from components.drift.drift_frame import DriftFrame
from components.drift.measure import Looked, measure_contradiction
from components.drift.reference import Counts, repeated
from components.drift.settings import DriftSettings
from tests.drift.worlds import measured, usual

SETTINGS = DriftSettings(sample=600, page=False)


def world(rows: int, seed: int, *, slope: float = 1.0, users: int = 400) -> DriftFrame:
    """Outcomes that follow a champion's logits by a slope; `users` of them, each with a taste of their own."""
    rng = np.random.default_rng(seed)
    logit = rng.normal(0, 1, rows)
    user = rng.integers(0, users, rows)
    taste = np.random.default_rng(99).normal(0, 0.3, users)[user]
    reward = (rng.random(rows) < 1 / (1 + np.exp(-(slope * logit + taste)))).astype(float)
    item = rng.integers(0, 500, rows)
    return DriftFrame(
        score=1 / (1 + np.exp(-logit)),
        reward=reward,
        ids={"user": user.astype(str), "item": item.astype(str)},
        categorical={"kind": (item % 5).astype(str)},
        numeric={},
        logit=logit,
    )


def followed(current: DriftFrame, last: DriftFrame | None = None) -> tuple[str, ...]:
    """Reasons to halt of one window after a sound past."""
    report = measured(current, last or world(1500, 1), world(6000, 2), SETTINGS)
    return tuple(r for r in decide(report, DriftState(), SETTINGS).reasons if r.startswith("HALT"))


def test_the_slope_is_what_the_world_was_made_with_and_its_error_covers_it() -> None:
    for slope in (-1.0, 0.0, 0.5, 1.0):
        found = [
            calibration_slope(f.own_logit, f.reward, f.ids["user"])
            for f in (world(900, s, slope=slope) for s in range(60))
        ]
        values, errors = np.array([(f.value, f.error) for f in found]).T
        assert values.mean() == pytest.approx(slope, abs=0.04)
        assert errors.mean() == pytest.approx(values.std(), rel=0.35)


def test_a_user_who_comes_often_widens_the_error() -> None:
    frame = world(600, 3)
    alone = calibration_slope(frame.own_logit, frame.reward)
    copies = [np.tile(part, 4) for part in (frame.own_logit, frame.reward, frame.ids["user"])]
    assert calibration_slope(copies[0], copies[1]).error < 0.6 * alone.error, "copies look like evidence"
    assert calibration_slope(*copies).error == pytest.approx(
        calibration_slope(frame.own_logit, frame.reward, frame.ids["user"]).error, rel=1e-6
    )


def test_a_slope_that_is_added_up_by_stretches_is_the_slope(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = world(3_000, 3, slope=0.6)
    whole = calibration_slope(frame.own_logit, frame.reward, frame.ids["user"])
    monkeypatch.setattr("components.drift.calibration_slope.AT_ONCE", 700)
    parts = calibration_slope(frame.own_logit, frame.reward, frame.ids["user"])
    assert (parts.value, parts.error) == pytest.approx((whole.value, whole.error), rel=1e-9)


def test_what_is_repeated_is_what_is_there_twice_nobody_and_nothing_included() -> None:
    rng = np.random.default_rng(0)
    names = [*"abcdefg", None]
    ids = {name: rng.choice(np.array(names, object), 60) for name in ("user", "item")}
    expected = pd.DataFrame(ids).duplicated().mean()
    assert 0 < expected < 1
    assert repeated(DriftFrame(np.zeros(60), np.zeros(60), ids=ids)) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("logit", "reward"),
    [([], []), ([1.0], [1.0]), ([1.0, 2.0], [1.0, 1.0]), ([1.0, 1.0], [0.0, 1.0]), ([np.nan, 1.0], [1.0, np.nan])],
    ids=["nothing", "one row", "all rewarded", "one logit", "nothing known of both"],
)
def test_where_there_is_no_slope_it_is_not_a_number(logit: list[float], reward: list[float]) -> None:
    found = calibration_slope(np.array(logit), np.array(reward))
    assert math.isnan(found.value) and math.isnan(found.at_most(3.0))


def test_outcomes_that_follow_the_logits_without_a_miss_are_no_fault() -> None:
    logit = np.linspace(-2, 2, 200)
    assert calibration_slope(logit, (logit > 0).astype(float)).at_most(3.0) > 1


def test_clean_windows_halt_nobody_and_a_taste_that_turns_by_degrees_does_not_either() -> None:
    for seed in range(40):
        assert followed(world(400, seed)) == ()
        assert followed(world(400, seed, slope=0.75)) == ()


@pytest.mark.parametrize(
    ("fault", "figure"),
    [
        (lambda f: replace(f, reward=1 - f.reward), "slope_lost"),
        (lambda f: replace(f, reward=np.random.default_rng(0).permutation(f.reward)), "slope_lost"),
        (lambda f: replace(f, reward=np.where(np.arange(len(f)) % 3 == 0, 1 - f.reward, f.reward)), "slope_lost"),
        (
            lambda f: replace(f, ids=f.ids | {"user": np.where(np.arange(len(f)) % 3 == 0, "bot", f.ids["user"])}),
            "one_user",
        ),
        (lambda f: replace(f, ids=f.ids | {"item": f.ids["user"].astype(object) + "u"}), "field_unknown"),
        (lambda f: replace(f, ids=f.ids | {"user": f.ids["item"].astype(object) + "i"}), "field_unknown"),
        (
            lambda f: replace(
                f, categorical={"kind": np.where(np.arange(len(f)) % 4 > 0, None, f.categorical["kind"])}
            ),
            "field_emptied",
        ),
        (lambda f: replace(f, categorical={"kind": f.ids["user"].astype(object) + "!"}), "field_unknown"),
    ],
    ids=[
        "inverted",
        "joined wrongly",
        "a third inverted",
        "a bot",
        "items are users",
        "users are items",
        "emptied",
        "another column",
    ],
)
def test_a_fault_halts_by_its_own_figure(fault, figure) -> None:  # type: ignore[no-untyped-def]
    reasons = followed(fault(world(1500, 5)))
    assert [r for r in reasons if figure in r], reasons


def test_traffic_that_comes_twice_is_repeated_and_people_who_always_come_back_are_not() -> None:
    once = world(800, 5)
    twice = DriftFrame(
        *(np.tile(part, 2) for part in (once.score, once.reward)),
        ids={name: np.tile(values, 2) for name, values in once.ids.items()},
        categorical={"kind": np.tile(once.categorical["kind"], 2)},
        logit=np.tile(once.own_logit, 2),
    )
    assert any("repeated is 0.49" in reason for reason in followed(twice))
    assert followed(twice, last=twice) == (), "as many repeats as the week before"


def test_amounts_in_another_unit_halt_and_a_week_of_sales_does_not() -> None:
    money = np.random.default_rng(0).lognormal(3, 1, 1500)
    past = replace(world(1500, 1), amount=money)
    training = replace(world(6000, 2), amount=np.tile(money, 4))
    for factor, halted in ((100.0, True), (0.01, True), (0.6, False), (1.0, False)):
        report = measured(replace(world(1500, 5), amount=money * factor), past, training, SETTINGS)
        reasons = decide(report, DriftState(), SETTINGS).reasons
        assert any("amount_ratio" in r for r in reasons) is halted


def test_few_rows_halt_nobody() -> None:
    few = world(40, 5)
    assert followed(replace(few, reward=1 - few.reward)) == ()
    assert followed(replace(few, ids=few.ids | {"user": np.full(40, "bot")})) == ()


def test_the_evidence_names_the_user_as_the_log_does() -> None:
    frame = replace(world(900, 5), user=np.array([f"u{u}" for u in world(900, 5).ids["user"]], object))
    busy = np.arange(900) % 2 == 0
    frame = replace(frame, ids=frame.ids | {"user": np.where(busy, "7", frame.ids["user"])})
    frame = replace(frame, user=np.where(busy, "u7", frame.user))
    assert contradiction_of(frame, Counts.of(frame), None, Counts.of(world(6000, 2))).busiest.of == "user u7"


def test_an_empty_window_and_empty_references_say_nothing() -> None:
    nothing = DriftFrame(np.empty(0), np.empty(0))
    for current, training in ((nothing, world(100, 1)), (world(100, 1), nothing), (nothing, nothing)):
        found = contradiction_of(current, Counts.of(current), None, Counts.of(training))
        assert (found.busiest, found.unknown) == (NOTHING, NOTHING)


def test_what_nobody_can_say_is_never_the_worst() -> None:
    known, unknown = Excess("a", 0.2, 0.1), Excess("b", 1.0, math.nan)
    assert worst([unknown, known]) == known
    assert worst([unknown]) == NOTHING
    assert Excess("c", 1.0, 1.0).beyond == 0.0


def test_attributes_that_are_gone_or_another_columns_are_lost_and_new_ones_are_not() -> None:
    before = np.array([1, 2, 3, 0], np.uint64)
    assert gone(before, before) == 0
    assert gone(before, np.zeros(4, np.uint64)) == 1
    assert gone(before, np.array([9, 9, 9, 9], np.uint64)) == 1
    assert gone(before, np.array([3, 1, 2, 7], np.uint64)) == 0, "another known value is a change, not a loss"
    assert gone(np.zeros(2, np.uint64), before[:2]) == 0


def test_the_fast_look_says_what_the_whole_measurement_says_of_faults() -> None:
    current, last, training = world(900, 5), world(900, 1), world(4000, 2)
    current = replace(current, reward=1 - current.reward)
    whole = measured(current, last, training, SETTINGS)
    fast = measure_contradiction(Looked.at(current), usual(last), usual(training))
    assert fast.contradiction == whole.contradiction
    halting = SETTINGS.halting
    assert {r.action for r in halting.rules} == {"HALT"}
    for report in (whole, fast):
        assert decide(report, DriftState(), halting).action == "HALT"
    assert figures(fast, SETTINGS)["slope_lost"] == figures(whole, SETTINGS)["slope_lost"]
