"""Cells that say nothing set their row aside by name and number; a column that is not as described refuses the log."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from components.domain import ContractBroken
from components.ingest.interactions import LogTables, canonical
from components.ingest.source import Source
from tests.ingest.test_interactions import described

ROWS = 40
COLUMNS = {
    "user_id": "who",
    "item_id": "what",
    "request_id": "call",
    "position": "slot",
    "propensity": "p",
    "eligible": "could",
    "generation": "made",
    "outcome_at": "told",
}
OUTCOME = {"column": "liked", "kind": "like", "at_least": 1, "grade": "seconds"}
SOURCE: Source = described(columns=COLUMNS, outcome=OUTCOME)  # type: ignore[arg-type]


def log(**columns: object) -> pd.DataFrame:
    """Forty sound rows, each a request of its own."""
    sound = {
        "who": [f"u{n}" for n in range(ROWS)],
        "what": ["a", "b"] * (ROWS // 2),
        "call": [f"r{n}" for n in range(ROWS)],
        "when": range(ROWS),
        "slot": 0,
        "p": 0.5,
        "could": [["a", "b"]] * ROWS,
        "made": 1,
        "told": range(ROWS),
        "liked": 1,
        "seconds": 2.0,
        "kinds": "x",
    }
    return pd.DataFrame(sound | columns)


def second(cell: object, sound: object) -> list[object]:
    """A column whose second cell is another."""
    return [sound, cell, *[sound] * (ROWS - 2)]


def read(frame: pd.DataFrame, source: Source = SOURCE) -> LogTables:
    return canonical(frame, source, "log")


def test_sound_rows_are_all_kept() -> None:
    tables = read(log())
    assert (len(tables), tables.set_aside, tables.faults) == (ROWS, 0, ())


@pytest.mark.parametrize(
    ("column", "cell", "sound", "said"),
    [
        ("when", -1, 3, "with -1 for a time, allowed is a time from 1970 to 2255 in unit s"),
        ("when", np.inf, 3.0, "with inf for a time"),
        ("when", 2**62, 3, "with 4611686018427387904 for a time"),  # would leave 64 bits as microseconds
        ("when", "noon", "3", "with 'noon' for a time"),
        ("told", 10**11, 3, "with 100000000000 for an outcome's time"),
        ("slot", None, 0.0, "without a position"),
        ("slot", 0.5, 0.0, "with 0.5 for a position, allowed is a whole number of 32 bits"),
        ("slot", 2**40, 0, "with 1099511627776 for a position"),
        ("slot", np.inf, 0.0, "with inf for a position"),
        ("slot", "top", "0", "with 'top' for a position"),
        ("made", 1.5, 1.0, "with 1.5 for a generation"),
        ("made", "first", "1", "with 'first' for a generation"),
        ("p", np.inf, 0.5, "with inf for a propensity, allowed is a finite number"),
        ("p", "half", "0.5", "with 'half' for a propensity"),
        ("liked", "yes", 1, "with 'yes' for an outcome"),
        ("liked", np.inf, 1.0, "with inf for an outcome"),
        ("seconds", -np.inf, 2.0, "with -inf for an outcome's grade"),
        ("could", ["a", None], ["a", "b"], "with ['a', None] for an eligible set, allowed is a list of ids"),
        ("could", np.array([1.0, np.nan]), np.array([1.0, 2.0]), "for an eligible set"),
        ("could", ["a", "a"], ["a", "b"], "with ['a', 'a'] for an eligible set"),
        ("could", 5, "a|b", "with 5 for an eligible set"),
        ("could", "a||b", "a|b", "with 'a||b' for an eligible set"),
        ("who", "", "ann", "without a user"),
        ("call", None, "r", "without a request id"),
    ],
)
def test_a_cell_that_says_nothing_sets_its_row_aside(column: str, cell: object, sound: object, said: str) -> None:
    own = {"who": 1} if column == "call" else {}
    tables = read(log(**own | {column: pd.Series(second(cell, sound))}))
    assert tables.set_aside == 1
    assert len(tables) == ROWS - 1
    (fault,) = tables.faults
    assert fault.startswith(
        f"log, column {column}: row 2 {said}" if said.startswith("with") else f"log, column {column}"
    )
    assert said in fault


@pytest.mark.parametrize(
    ("column", "cell", "sound"),
    [("p", None, 0.5), ("made", None, 1.0), ("told", None, 3.0), ("could", None, ["a", "b"]), ("could", " ", "a|b")],
)
def test_what_a_row_may_do_without_keeps_it(column: str, cell: object, sound: object) -> None:
    tables = read(log(**{column: second(cell, sound)}))
    assert (len(tables), tables.set_aside) == (ROWS, 0)


def test_a_negative_position_or_propensity_is_for_the_contracts_of_the_window() -> None:
    tables = read(log(slot=second(-1, 0), p=second(1.5, 0.5)))
    assert tables.set_aside == 0
    assert tables.impressions.loc[1, ["position", "propensity"]].tolist() == [-1, 1.5]


def test_a_row_is_counted_once_however_much_is_wrong_with_it() -> None:
    tables = read(log(who=second(None, "ann"), slot=second(0.5, 0.0)))
    assert (tables.set_aside, len(tables.faults)) == (1, 2)


def test_the_first_few_rows_are_named_and_all_are_counted() -> None:
    frame = pd.concat([log(call=[f"{n}-{i}" for i in range(ROWS)]) for n in range(4)], ignore_index=True)
    frame["who"] = frame["who"].astype(object)
    frame.loc[[3, 5, 7, 9], "who"] = None
    assert read(frame).faults == ("log, column who: 4 rows (4, 6, 8, ...) without a user",)


def test_what_another_user_did_is_not_learned_as_that_of_the_first_of_the_request() -> None:
    tables = read(log(who=second("ben", "ann"), call="r", slot=range(ROWS)))
    assert tables.requests["user_id"].tolist() == ["ann"]
    assert tables.faults == ("log, column who: row 2 of another user than the first row of the request",)


def test_more_than_a_twentieth_of_rows_without_meaning_refuses_the_log() -> None:
    frame = log(when=[-1] * 3 + [5] * (ROWS - 3))
    with pytest.raises(ContractBroken, match=r"3 rows \(1, 2, 3\) with -1 .*; 7\.5% of the rows are unusable, 5% may"):
        read(frame)


@pytest.mark.parametrize(
    ("columns", "changes", "said"),
    [
        ({"when": pd.to_datetime(range(ROWS))}, {}, "column when holds timestamps; allowed in unit s are numbers"),
        ({}, {"time": {"column": "when", "unit": "iso"}}, "column when holds numbers; allowed in unit iso are text"),
        ({"who": second(2.0**53, 1.0)}, {}, "column who holds ids in floating point that it cannot tell apart"),
        ({"who": second(np.inf, 1.0)}, {}, "column who holds ids in floating point"),
        ({"what": second(1.5, 1.0)}, {}, "column what holds ids in floating point"),
    ],
    ids=["timestamps in seconds", "numbers in iso", "ids beyond 2^53", "infinite ids", "ids with fractions"],
)
def test_a_column_that_is_not_as_described_refuses_the_log(
    columns: dict[str, object], changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(ContractBroken, match=f"^log, {said}") as refused:
        read(log(**columns), described(**changes | {} if changes else {"columns": COLUMNS}))
    assert "\n" not in str(refused.value)


def test_times_in_iso_may_differ_in_their_digits_and_zones(recwarn: pytest.WarningsRecorder) -> None:
    when = ["2020-01-01", "2020-01-01 00:00:00.5", "2020-01-01T01:00:00+01:00", "1 Jan 2020"] + ["2020-01-01"] * 36
    tables = read(log(when=when, told=when), described(time={"column": "when", "unit": "iso"}))
    assert (tables.impressions["at"] - 1_577_836_800_000_000).tolist()[:3] == [0, 500_000, 0]
    assert "row 4 with '1 Jan 2020' for a time" in tables.faults[0]
    assert not recwarn.list


@pytest.mark.parametrize("rule", [{"at_least": 1}, {"equals": 1}, {"equals": True}], ids=str)
def test_an_outcome_that_is_yes_or_no_is_one_or_zero(rule: dict[str, object]) -> None:
    source = described(outcome={"column": "liked", "kind": "like"} | rule)  # type: ignore[arg-type]
    assert read(log(liked=[True, False] * 20), source).outcomes["reward"].tolist() == [1.0, 0.0] * 20


def test_ids_with_a_bar_in_them_stay_apart_in_the_id_of_their_row() -> None:
    who, what = ["a|b", "a", "a\\", "a"], ["c", "b|c", "|c", "\\|c"]
    frame = pd.DataFrame({"who": who, "what": what, "when": 1, "liked": 1, "kinds": "x"})
    tables = read(frame, described())
    assert tables.impressions["impression_id"].nunique() == len(tables.requests) == 4
    assert tables.requests["user_id"].tolist() == who


@pytest.mark.parametrize("listed", [list, tuple, np.array, "|".join])
def test_an_eligible_set_is_the_same_however_the_file_wrote_it(listed: Callable[[list[str]], object]) -> None:
    assert read(log(could=[listed(["a", "b"])] * ROWS)).requests["eligible"].iloc[0] == ["a", "b"]


def test_items_are_written_alike_alone_and_in_an_eligible_set() -> None:
    tables = read(log(what=[1.0, 2.0] * 20, could=[np.array([1.0, 2.0])] * ROWS))
    assert tables.requests["eligible"].iloc[0] == tables.impressions["item_id"].tolist()[:2]
