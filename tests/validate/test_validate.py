"""Validation: what is broken as a whole stops the turn, what is broken in a row is set aside with the reason."""

import json
import threading
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest

from components.domain import ContractBroken, Window
from components.validate.contracts import Frames
from components.validate.validate import ValidateSettings, Validation, validate
from components.validate.validation_page import validation_page

WINDOW = Window(1_000, 2_000)
SETTINGS = ValidateSettings(max_set_aside=0.5)


def window() -> Frames:
    """Two requests with slates of two, each impression with its outcome; all sound."""
    requests = pd.DataFrame(
        {
            "request_id": ["r0", "r1"],
            "user_id": ["anna", "ben"],
            "at": np.array([1_000, 1_999]),
            "generation": [1, 1],
            "eligible": [["a", "b", "c"], None],
        }
    )
    impressions = pd.DataFrame(
        {
            "impression_id": ["r0:0", "r0:1", "r1:0", "r1:1"],
            "request_id": ["r0", "r0", "r1", "r1"],
            "item_id": ["a", "b", "b", "z"],
            "position": [0, 1, 0, 1],
            "propensity": [0.5, 1.0, np.nan, 1e-9],
            "score": [0.1, -2.0, np.nan, 0.3],
            "generation": pd.array([1, 1, None, 1], dtype="Int64"),
        }
    )
    outcomes = pd.DataFrame(
        {
            "impression_id": ["r0:0", "r0:1", "r1:0", "r1:1"],
            "kind": ["rating"] * 4,
            "reward": [1.0, 0.0, 0.5, 1.0],
            "outcome_at": np.array([1_000, 1_500, 1_999, 99_999]),
        }
    )
    return Frames(requests, impressions, outcomes)


def check(frames: Frames, settings: ValidateSettings = SETTINGS) -> Validation:
    """Validate the frames in the window."""
    return validate(WINDOW, frames, ("rating",), settings)


def set_aside(validation: Validation) -> set[str]:
    """The quarantine, a line per row."""
    return {f"{row.table_name} {row.row_id}: {row.reason}" for row in validation.quarantined.itertuples()}


def accepted(frames: Frames, validation: Validation) -> list[str]:
    """Ids of the impressions that are not in quarantine, each once."""
    rejected = validation.quarantined.query("table_name == 'impressions'")["row_id"]
    return sorted(set(frames.impressions["impression_id"]) - set(rejected))


def test_a_sound_window_is_accepted_whole():
    found = check(window())
    assert found.success
    assert set_aside(found) == set()
    assert (found.statistics.accepted, found.statistics.whole_requests) == (4, 2)
    assert found.statistics.contracts_broken == 0


def test_a_window_without_a_single_outcome_is_sound():
    frames = window()
    found = check(Frames(frames.requests, frames.impressions, frames.outcomes.head(0).astype(object)))
    assert found.success
    assert found.statistics.outcomes == 0
    assert found.statistics.accepted == 4


def test_a_log_without_propensities_eligible_sets_and_generations_is_sound():
    frames = window()
    requests = frames.requests.assign(eligible=None, generation=np.nan)
    impressions = frames.impressions.assign(propensity=np.nan, score=None, generation=None)
    assert check(Frames(requests, impressions, frames.outcomes)).success


class Case(NamedTuple):
    """One value put into the sound window, and the lines the quarantine then has."""

    table: str
    row: int
    column: str
    value: object
    lines: tuple[str, ...]


FALLS = "impressions r1:1: its outcome was set aside, so its reward is unknown"
TWICE = "position taken twice in a slate"
CASES = (
    Case("impressions", 0, "propensity", 0.0, ("impressions r0:0: propensity outside (0, 1]",)),
    Case("impressions", 0, "propensity", -0.1, ("impressions r0:0: propensity outside (0, 1]",)),
    Case("impressions", 3, "propensity", 1.0000001, ("impressions r1:1: propensity outside (0, 1]",)),
    Case("impressions", 3, "propensity", np.inf, ("impressions r1:1: propensity outside (0, 1]",)),
    Case("impressions", 1, "position", 0, tuple(f"impressions r0:{i}: {TWICE}" for i in (0, 1))),
    Case("impressions", 1, "position", -1, ("impressions r0:1: position below 0",)),
    Case("impressions", 0, "item_id", "z", ("impressions r0:0: item outside its eligible set",)),
    Case("impressions", 0, "item_id", None, ("impressions r0:0: impression without an item",)),
    Case("impressions", 0, "request_id", "r9", ("impressions r0:0: impression of an unknown request",)),
    Case("impressions", 0, "request_id", None, ("impressions r0:0: impression of an unknown request",)),
    Case("outcomes", 3, "kind", "stare", ("outcomes r1:1/stare: unknown outcome kind", FALLS)),
    Case("outcomes", 3, "kind", None, ("outcomes r1:1/nan: outcome without a kind", FALLS)),
    Case("outcomes", 3, "outcome_at", 1_998, ("outcomes r1:1/rating: outcome before its impression", FALLS)),
    Case("outcomes", 3, "reward", 1.5, ("outcomes r1:1/rating: reward outside [0, 1]", FALLS)),
    Case("outcomes", 3, "reward", -1e-9, ("outcomes r1:1/rating: reward outside [0, 1]", FALLS)),
    Case("outcomes", 3, "reward", np.nan, ("outcomes r1:1/rating: reward missing", FALLS)),
    Case("outcomes", 3, "impression_id", "gone", ("outcomes gone/rating: outcome of an unknown impression",)),
    Case(
        "requests", 1, "user_id", None,
        ("requests r1: request without a user", *(f"impressions r1:{i}: its request was set aside" for i in (0, 1))),
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def all_cases() -> Validation:
    """One window with the rows of every case, ids prefixed by its number; validated once, because that takes 0.5 s."""
    parts: dict[str, list[pd.DataFrame]] = {"requests": [], "impressions": [], "outcomes": []}
    for number, case in enumerate(CASES):
        frames = window()
        frames.of(case.table).loc[case.row, case.column] = case.value
        for table, frame in zip(parts, frames, strict=True):
            ids = [column for column in ("request_id", "impression_id") if column in frame]
            parts[table].append(frame.assign(**{i: f"{number} " + frame[i] for i in ids}))
    return check(
        Frames(*(pd.concat(part) for part in parts.values())), SETTINGS.model_copy(update={"max_set_aside": 1})
    )


@pytest.mark.parametrize("number", range(len(CASES)), ids=[f"{c.column}={c.value}" for c in CASES])
def test_a_row_that_breaks_a_contract_is_set_aside_with_the_reason(all_cases, number):
    lines = {line.replace(f" {number} ", " ", 1) for line in set_aside(all_cases) if f" {number} " in line}
    assert lines == set(CASES[number].lines)


def test_an_impression_without_an_id_is_named_by_its_row():
    frames = window()
    frames.impressions.loc[0, "impression_id"] = None
    assert set_aside(check(frames)) == {
        "impressions row 0: impression without an id",
        "outcomes r0:0/rating: outcome of an unknown impression",
    }


def test_an_impression_without_a_request_is_not_of_the_request_without_an_id():
    frames = window()
    frames.requests.loc[0, "request_id"] = None
    frames.impressions.loc[[0, 1], "request_id"] = None
    assert set_aside(check(frames)) == {
        "requests row 0: request without an id",
        "impressions r0:0: impression of an unknown request",
        "impressions r0:1: impression of an unknown request",
    }


def test_of_a_duplicate_impression_neither_is_believed():
    frames = window()
    twice = pd.concat([frames.impressions, frames.impressions.iloc[[0]].assign(propensity=0.9)])
    found = check(Frames(frames.requests, twice, frames.outcomes))
    assert found.quarantined.to_numpy().tolist() == [["impressions", "r0:0", "duplicate impression"]] * 2
    assert accepted(frames, found) == ["r0:1", "r1:0", "r1:1"]
    assert found.statistics.set_aside == 2


def test_a_slate_with_a_hole_is_accepted_but_not_whole():
    frames = window()
    frames.impressions.loc[0, "propensity"] = 0.0
    found = check(frames)
    assert set_aside(found) == {"impressions r0:0: propensity outside (0, 1]"}
    assert found.statistics.whole_requests == 1


def test_of_two_broken_contracts_the_first_is_the_reason():
    frames = window()
    frames.impressions.loc[0, ["propensity", "position"]] = [2.0, -3]
    assert set_aside(check(frames)) == {"impressions r0:0: propensity outside (0, 1]"}


def test_duplicate_outcomes_take_their_impression_with_them():
    frames = window()
    twice = pd.concat([frames.outcomes, frames.outcomes.iloc[[1]].assign(value=1.0)])
    found = check(Frames(frames.requests, frames.impressions, twice))
    assert "impressions r0:1: its outcome was set aside, so its reward is unknown" in set_aside(found)
    assert found.statistics.quarantined == 3


def test_an_impression_shown_later_than_its_request_dates_its_outcome():
    frames = window()
    shown = frames.impressions.assign(at=[1_000, 1_000, 1_999, 1_999])
    shown.loc[1, "at"] = 1_600
    found = check(Frames(frames.requests, shown, frames.outcomes))
    assert "outcomes r0:1/rating: outcome before its impression" in set_aside(found)


def test_too_many_rows_set_aside_fail_the_window():
    frames = window()
    frames.impressions.loc[0, "propensity"] = 0.0
    assert check(frames, SETTINGS.model_copy(update={"max_set_aside": 0.25})).success
    assert not check(frames, SETTINGS.model_copy(update={"max_set_aside": 0.24})).success


def dropped(table: str, column: str) -> Frames:
    """The sound window without one column."""
    frames = window()
    frames.of(table).drop(columns=column, inplace=True)  # noqa: PD002 - the frame is this function's own
    return frames


def typed(table: str, column: str, values: object) -> Frames:
    """The sound window with one column replaced."""
    frames = window()
    frames.of(table)[column] = values
    return frames


def emptied(table: str) -> Frames:
    """The sound window with one table emptied."""
    kept = {name: window().of(name) for name in ("requests", "impressions", "outcomes")}
    kept[table] = kept[table].head(0)
    return Frames(**kept)


@pytest.mark.parametrize(
    ("frames", "message"),
    [
        (dropped("requests", "user_id"), "column user_id of requests is absent; allowed is string; see"),
        (dropped("impressions", "propensity"), "column propensity of impressions is absent; allowed is floating or"),
        (dropped("outcomes", "outcome_at"), "column outcome_at of outcomes is absent; allowed is integer"),
        (typed("requests", "at", ["1000", "1999"]), "column at of requests is string; allowed is integer"),
        (typed("requests", "at", [1000.0, 1999.0]), "column at of requests is floating; allowed is integer"),
        (typed("requests", "at", pd.to_datetime([1, 2])), "column at of requests is datetime64; allowed is integer"),
        (typed("requests", "user_id", [1, 2]), "column user_id of requests is integer; allowed is string"),
        (typed("requests", "user_id", pd.Series(["anna", 2], dtype=object)), "user_id of requests is mixed"),
        (typed("requests", "eligible", ["a b", "c"]), "column eligible of requests is string; allowed is mixed"),
        (typed("impressions", "propensity", ["0.5"] * 4), "column propensity of impressions is string"),
        (typed("impressions", "position", [True] * 4), "column position of impressions is boolean"),
        (
            typed("outcomes", "reward", [True] * 4),
            "column reward of outcomes is boolean; allowed is floating",
        ),
        (emptied("requests"), "has 0 requests; allowed is at least one"),
        (emptied("impressions"), "has 0 impressions; allowed is at least one"),
        (
            typed("requests", "at", [999, 1999]),
            "requests.at reaches 1970-01-01T00:00:00.000999Z; allowed is the window",
        ),
        (
            typed("requests", "at", [1000, 2000]),
            "requests.at reaches 1970-01-01T00:00:00.002000Z; allowed is the window",
        ),
        (
            typed("impressions", "at", [1000, 1000, 1000, None]),
            "column at of impressions is floating; allowed is integer",
        ),
        (typed("impressions", "at", [1000, 1000, 1000, 5_000_000]), "impressions.at reaches 1970-01-01T00:00:05Z"),
    ],
)
def test_a_broken_structure_stops_the_turn_with_one_line(frames, message):
    with pytest.raises(ContractBroken) as raised:
        check(frames)
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)


def test_validating_changes_no_frame():
    frames, before = window(), window()
    check(frames)
    for table in ("requests", "impressions", "outcomes"):
        pd.testing.assert_frame_equal(frames.of(table), before.of(table))


def test_windows_checked_at_the_same_time_do_not_see_each_other():
    broken = window()
    broken.impressions.loc[0, "propensity"] = 0.0
    found: dict[int, int] = {}

    def run(at: int) -> None:
        found[at] = check(broken if at % 2 else window()).statistics.set_aside

    threads = [threading.Thread(target=run, args=(at,)) for at in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {0: 0, 1: 1, 2: 0, 3: 1}


def test_the_json_says_what_was_found_and_is_the_same_twice():
    frames = window()
    frames.impressions.loc[0, "propensity"] = 0.0
    text = check(frames).to_json()
    said = json.loads(text)
    assert said["statistics"]["set_aside"] == 1
    assert said["statistics"]["share_set_aside"] == 0.25
    assert said["quarantined"] == [
        {"table_name": "impressions", "row_id": "r0:0", "reason": "propensity outside (0, 1]"}
    ]
    assert [c["broken"] for c in said["contracts"] if c["reason"] == "propensity outside (0, 1]"] == [1]
    assert check(frames).to_json() == text


def test_unknown_settings_are_refused():
    with pytest.raises(ValueError, match="Extra inputs"):
        ValidateSettings(kinds=("rating",))


def test_the_page_shows_ids_of_the_log_as_text():
    frames = window()
    frames.impressions.loc[0, ["impression_id", "propensity"]] = ["<script>x</script>", 0.0]
    page = validation_page(check(frames))
    assert "<script>x" not in page
    assert "&lt;script&gt;x" in page
    assert "propensity outside (0, 1]" in page


def test_the_page_names_only_the_first_rows_and_counts_the_rest():
    frames = window()
    frames.impressions["propensity"] = 0.0
    found = check(frames, SETTINGS.model_copy(update={"examples": 1}))
    page = validation_page(found)
    assert "FAILED" in page
    assert "The first 1; 3 more are in the quarantine table." in page
