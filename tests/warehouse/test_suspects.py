"""What the contracts are shown of a window: all that may break one, with what belongs to it, and little else."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.domain import Window
from components.ingest.interactions import LogTables
from components.validate.contracts import Frames, Totals
from components.validate.validate import ValidateSettings, Validation, validate
from warehouse import facts
from warehouse.append import append_log
from warehouse.connect import Warehouse, connect

WINDOW, EVERYTHING = Window(1_000_000, 2_000_000), 1 << 40
KINDS, SLATE = ["click", "own_word"], 3


def log(requests: int) -> LogTables:
    """A sound log: slates of three of five items, each position with an outcome in two of three cases."""
    rng = np.random.default_rng(3)
    at = np.sort(rng.integers(WINDOW.start, WINDOW.cutoff - 1_000, requests))
    asked = pd.DataFrame(
        {
            "request_id": [f"r{n}" for n in range(requests)],
            "user_id": [f"u{n % 7}" for n in range(requests)],
            "at": at,
            "generation": pd.array([1] * requests, dtype="Int64"),
            "context": None,
            "eligible": [[f"i{(n + k) % 9}" for k in range(5)] for n in range(requests)],
        }
    )
    row = np.repeat(np.arange(requests), SLATE)
    position = np.tile(np.arange(SLATE), requests)
    shown = pd.DataFrame(
        {
            "impression_id": [f"r{n}-{p}" for n, p in zip(row, position, strict=True)],
            "request_id": [f"r{n}" for n in row],
            "item_id": [f"i{(n + p) % 9}" for n, p in zip(row, position, strict=True)],
            "position": position.astype(np.int32),
            "propensity": rng.uniform(0.05, 1, len(row)),
            "score": np.nan,
            "logit": np.nan,
            "generation": pd.array([1] * len(row), dtype="Int64"),
            "logging_policy": "log",
            "at": at[row],
        }
    )
    came = shown.sample(frac=0.66, random_state=0)
    outcomes = pd.DataFrame(
        {
            "impression_id": came["impression_id"],
            "kind": "click",
            "reward": rng.integers(0, 2, len(came)).astype(float),
            "grade": np.nan,
            "outcome_at": came["at"] + 500,
        }
    )
    return LogTables(asked, shown, outcomes)


BREAKS = {
    "a propensity of 0": "update impressions set propensity = 0 where impression_id = 'r40-1'",
    "a propensity above 1": "update impressions set propensity = 1.5 where impression_id = 'r40-1'",
    "no number": "update impressions set propensity = 'nan' where impression_id = 'r40-1'",
    "a position below 0": "update impressions set position = -1 where impression_id = 'r41-0'",
    "a position twice": "update impressions set position = 0 where impression_id = 'r41-2'",
    "an item that was not eligible": "update impressions set item_id = 'elsewhere' where impression_id = 'r42-0'",
    "no request": "update impressions set request_id = 'gone' where impression_id = 'r43-0'",
    "a request twice": (
        "insert into requests select * replace ('other' as user_id) from requests where request_id = 'r44'"
    ),
    "an impression twice": (
        "insert into impressions select * replace (0.5 as propensity) from impressions where impression_id = 'r45-1'"
    ),
    "an impression of two requests": (
        "insert into impressions select * replace ('r47' as request_id) from impressions where impression_id = 'r46-1'"
    ),
    "an outcome twice": (
        "insert into outcomes select * replace (0.25 as reward) from outcomes where impression_id = 'r{}-{}'"
    ),
    "a reward above 1": "update outcomes set reward = 2 where impression_id = 'r{}-{}'",
    "a reward below 0": "update outcomes set reward = -1 where impression_id = 'r{}-{}'",
    "another kind": "update outcomes set kind = 'stare' where impression_id = 'r{}-{}'",
    "an outcome too early": "update outcomes set outcome_at = make_timestamp(5) where impression_id = 'r{}-{}'",
}


@pytest.fixture
def w(tmp_path: Path) -> Warehouse:
    made = Warehouse(tmp_path / "w.duckdb", "s")
    append_log(made, log(100), {}, digest="d", path="p")
    return made


def spoil(w: Warehouse, *breaks: str) -> None:
    """Put what is broken into the warehouse; outcomes are those of one impression that has one."""
    with connect(w.path) as connection:
        for number, words in enumerate(breaks):
            found = connection.execute(
                "select impression_id from outcomes where impression_id > 'r5' order by impression_id offset ?",
                [number],
            ).fetchone()
            assert found is not None
            request, position = found[0][1:].split("-")
            connection.execute(words.format(request, position))


def checked(w: Warehouse, sample: int) -> Validation:
    """What the contracts say of a window of which they see what may break one, and the first `sample` requests."""
    found = facts.suspects(w, WINDOW, KINDS, sample)
    whole = Totals(found.all_requests, found.all_impressions, found.all_outcomes, found.answered)
    frames = Frames(found.requests, found.impressions, found.outcomes)
    return validate(WINDOW, frames, KINDS, ValidateSettings(max_set_aside=1), whole)


def test_of_a_sound_window_the_first_requests_are_looked_at(w: Warehouse) -> None:
    found = facts.suspects(w, WINDOW, KINDS, 4)
    assert found.requests["request_id"].tolist() == ["r0", "r1", "r2", "r3"]
    assert len(found.impressions) == 4 * SLATE
    assert (found.all_requests, found.all_impressions, found.answered) == (100, 300, 100)


@pytest.mark.parametrize("name", [*BREAKS, "all of them"])
def test_the_contracts_say_the_same_of_what_may_break_one_as_of_the_whole_window(w: Warehouse, name: str) -> None:
    spoil(w, *(BREAKS.values() if name == "all of them" else [BREAKS[name]]))
    narrow, wide = checked(w, 3), checked(w, EVERYTHING)
    assert narrow.to_json() == wide.to_json()
    assert narrow.quarantined.to_numpy().tolist() == wide.quarantined.to_numpy().tolist()
    assert name == "no number" or len(wide.quarantined), "else the case breaks nothing"
    looked_at = facts.suspects(w, WINDOW, KINDS, 3)
    assert len(looked_at.requests) < 30, "most of the window is not looked at row by row"
