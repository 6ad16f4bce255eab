"""Measuring: known drift is seen, sampling noise is not, and odd windows give figures instead of failures."""

import json
import re
from dataclasses import replace

import numpy as np
import pytest

from components.drift.drift_action import DriftState, decide
from components.drift.drift_frame import DriftFrame
from components.drift.drift_page import drift_page
from components.drift.drift_report import DriftReport
from components.drift.evidently_page import write_evidently
from components.drift.measure import _distances, _draw, _limit
from components.drift.pair import pair
from components.drift.settings import DriftSettings
from tests.drift.worlds import measured, traffic, usual

DRAWN = DriftSettings(sample=600, page=True)
SETTINGS = DRAWN.model_copy(update={"page": False})


@pytest.fixture(scope="module")
def steady() -> DriftReport:
    """The same traffic three times."""
    return measured(traffic(seed=1), traffic(seed=2), traffic(3000, seed=3), DRAWN)


def drifted(report: DriftReport) -> set[str]:
    """Fields that drifted against training, the score included."""
    return {f.column for f in (report.training.score, *report.training.fields) if f.drifted}


def test_the_same_traffic_does_not_drift(steady):
    assert drifted(steady) == set()
    assert [r.name for r in steady.references] == ["training", "last"]
    assert abs(steady.training.z) < 4
    assert steady.matured == steady.rows == 600


def test_without_a_last_window_there_is_one_reference():
    found = measured(traffic(), None, traffic(seed=1), SETTINGS)
    assert found.last is None
    assert json.loads(found.to_json())["last"] is None


@pytest.mark.parametrize(
    ("change", "column"),
    [
        ({"genres": "ddddca"}, "genre"),
        ({"year": 2010.0}, "year"),
        ({"new_ids": 15}, "item popularity"),
    ],
)
def test_a_shifted_field_is_named(change, column):
    found = measured(traffic(seed=1, **change), None, traffic(3000, seed=3), SETTINGS)
    assert column in drifted(found)


def test_a_shifted_score_is_named():
    current = traffic(seed=1)
    found = measured(replace(current, score=current.score**3), None, traffic(3000, seed=3), SETTINGS)
    assert found.training.score.drifted


def test_all_ids_new_is_an_unseen_share_of_one():
    found = measured(traffic(seed=1, new_ids=1000), None, traffic(3000, seed=3), SETTINGS)
    assert [i.unseen for i in found.training.ids] == [1.0, 1.0]
    assert "item popularity" in drifted(found)


def test_users_once_per_window_are_no_drift_and_expect_nothing():
    """One request per user and window: no user repeats inside the reference, and some come back. Nothing changed."""
    now = replace(traffic(seed=1), ids={"user": np.arange(300, 900).astype(str)})
    then = replace(traffic(seed=2), ids={"user": np.arange(600).astype(str)})
    found = measured(now, None, then, SETTINGS)
    assert drifted(found) == set()
    assert found.training.ids[0].unseen == 0.5
    assert np.isnan(found.training.ids[0].expected)


def test_a_tiny_window_is_measured_and_noise_is_not_called_drift():
    found = measured(traffic(3, seed=1), traffic(2, seed=2), traffic(600, seed=3), SETTINGS)
    assert found.rows == 3
    assert drifted(found) == set()
    assert found.last is not None
    assert not any(f.drifted for f in found.last.fields)


def test_one_row_is_enough_to_be_measured():
    assert measured(traffic(1), traffic(1), traffic(1), DRAWN).calibration.rows == 1


@pytest.mark.parametrize(("current", "training"), [(0, 5), (5, 0), (0, 0)])
def test_a_window_without_rows_gives_no_figures_and_calls_for_nothing_grave(current, training):
    found = measured(traffic(current), None, traffic(training), DRAWN)
    decision = decide(found, DriftState(), DRAWN)
    assert found.training.fields == ()
    assert found.html == ""
    assert decision.action == ("REFRESH_MEMORY" if current else "NONE")
    assert "Drift" in drift_page(found, decision)
    json.loads(found.to_json(), parse_constant=lambda text: pytest.fail(f"{text} in JSON"))


def test_an_empty_last_window_is_no_last_window():
    assert measured(traffic(20), traffic(0), traffic(20), SETTINGS).last is None


@pytest.mark.parametrize("score", [np.full(600, np.nan), np.full(600, 0.5), np.r_[np.nan, np.full(599, 0.25)]])
def test_scores_that_are_missing_or_constant_are_measured(score):
    found = measured(replace(traffic(), score=score), None, traffic(seed=1), SETTINGS)
    assert found.score_missing == pytest.approx(np.isnan(score).mean())
    json.loads(found.to_json(), parse_constant=lambda text: pytest.fail(f"{text} in JSON"))


def test_rewards_of_one_class_and_of_none_are_measured():
    ones = measured(replace(traffic(), reward=np.ones(600)), None, traffic(seed=1), SETTINGS)
    none = measured(replace(traffic(), reward=np.full(600, np.nan)), None, traffic(seed=1), SETTINGS)
    assert ones.reward == 1.0
    assert ones.training.z > 6
    assert none.matured == 0
    assert json.loads(none.to_json())["reward"] is None


def test_frames_without_any_field_are_measured_on_scores_alone():
    bare = DriftFrame(score=np.linspace(0.1, 0.9, 80), reward=np.tile([0.0, 1.0], 40))
    found = measured(bare, bare, bare, SETTINGS)
    assert found.training.fields == found.training.ids == ()
    assert found.training.share_drifted == 0.0
    assert found.training.score.distance == 0.0


def test_constant_columns_agree_with_themselves_and_not_with_others():
    def constant(value: str, number: float) -> DriftFrame:
        return replace(traffic(), categorical={"genre": np.full(600, value)}, numeric={"year": np.full(600, number)})

    same = measured(constant("a", 1.0), None, constant("a", 1.0), SETTINGS)
    other = measured(constant("a", 1.0), None, constant("b", 2.0), SETTINGS)
    assert "genre" not in drifted(same)
    assert {"genre", "year"} <= drifted(other)


def test_the_report_and_the_function_measure_the_same_distance():
    drawn = pair(traffic(seed=1, genres="abbd"), usual(traffic(seed=2, year=2003), 300), 300, 5, 0)
    assert _draw(drawn, DRAWN).distances == pytest.approx(_distances(drawn))


def test_sampling_noise_rarely_passes_the_limit():
    """40 pairs of the same traffic, 100 rows each, 4 columns: at 0.001 a column, 0.2 false alarms are expected."""
    settings = DriftSettings(threshold=1e-9)
    alarms = 0
    for seed in range(40):
        drawn = pair(traffic(100, 2 * seed), usual(traffic(100, 2 * seed + 1), 100), 100, 12, seed)
        alarms += sum(d > _limit(drawn, column, settings) for column, d in _distances(drawn).items())
    assert alarms <= 3


def test_the_same_measurement_with_and_without_a_page_is_the_same_text(steady):
    again = measured(traffic(seed=1), traffic(seed=2), traffic(3000, seed=3), SETTINGS)
    assert again.to_json() == steady.to_json()
    assert again.html == ""


def test_the_json_names_what_drifted_and_leaves_the_page_out(steady):
    said = json.loads(steady.to_json())
    assert "html" not in said
    assert said["training"]["drifted"] == []
    assert said["calibration"]["excess"] == pytest.approx(steady.calibration.excess)


def test_evidentlys_page_is_kept_where_it_is_asked_for_and_its_script_lies_once_beside_all_turns(steady, tmp_path):
    assert "<html" in steady.html[:2000].lower()
    for turn in ("1", "2"):
        write_evidently(tmp_path, tmp_path / "turns" / turn, steady.html)
    page = (tmp_path / "turns" / "2" / "drift-evidently.html").read_text()
    loaded = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert "http" not in "".join(loaded)
    shared = sorted(p.name for p in (tmp_path / "assets").iterdir())
    assert [p.partition("-")[0] + p[-3:] for p in shared] == ["evidentlycss", "evidently.js"]
    assert all((tmp_path / "turns" / "2" / address).resolve().exists() for address in loaded if "assets" in address)
    assert sum(f"../../assets/{name}" in loaded for name in shared) == 2
    assert len(page) < 200_000


def test_markup_in_the_log_does_not_reach_evidentlys_page():
    evil = np.full(60, "</script><script>alert(1)</script>")
    current = replace(traffic(60), categorical={"genre": evil}, ids={"item": evil})
    assert "<script>alert(1)" not in measured(current, None, traffic(60), DRAWN).html


def half_new(rows: int) -> np.ndarray:
    """Items of which every other was never met."""
    number = np.arange(rows)
    return np.where(number % 2, number % 30, number + 1000).astype(str)


@pytest.mark.parametrize(
    ("change", "actions"),
    [
        ({}, "UPDATE UPDATE UPDATE"),
        ({"reward": np.zeros(600)}, "HALT HALT HALT"),
        ({"reward": np.ones(600)}, "HALT HALT HALT"),
        ({"reward": np.full(600, np.nan)}, "NONE NONE NONE"),
        ({"score": np.full(600, 0.5)}, "HALT HALT HALT"),
        ({"score": np.full(600, np.nan)}, "HALT HALT HALT"),
        ({"score": 1 - traffic(seed=1).score}, "HALT HALT HALT"),
        ({"ids": {"item": half_new(600)}}, "UPDATE WIDEN_EXPLORATION UPDATE"),
        ({"ids": {"item": np.arange(600).astype(str)}}, "HALT WIDEN_EXPLORATION UPDATE"),
        ({"ids": {"user": np.arange(5000, 5600).astype(str)}}, "UPDATE UPDATE UPDATE"),
        ({"categorical": {"genre": np.full(600, "new")}}, "HALT UPDATE UPDATE"),
    ],
    ids=["steady", "no reward", "all reward", "nothing matured", "constant score", "no score", "scores turned round",
         "half of the items new", "items new", "users new", "genre new"],
)  # fmt: skip
def test_three_windows_of_this_kind_in_a_row_call_for(change, actions):
    current, training, last, state, said = (
        replace(traffic(seed=1), **change),
        traffic(3000, seed=3),
        None,
        DriftState(),
        [],
    )
    for _ in range(3):
        decision = decide(measured(current, last, training, SETTINGS), state, SETTINGS)
        last, state = current, decision.state
        said.append(decision.action)
    assert " ".join(said) == actions
