"""A stranger's log, as its description says, becomes canonical tables."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.domain import ContractBroken
from components.feature_spec import FieldOf
from components.ingest.interactions import attributes, canonical
from components.ingest.log_rows import instants
from components.ingest.read_log import read_log
from components.ingest.source import Source, read_source
from tests.conftest import DESCRIPTION, TinySource


def described(**changes: str) -> Source:
    import tomllib

    return Source.model_validate(tomllib.loads(DESCRIPTION) | changes)


def rows(**columns: object) -> pd.DataFrame:
    base = {"who": [1, 2], "what": ["a", "b"], "when": [10, 20], "liked": [1, 0], "kinds": ["x|y", None]}
    return pd.DataFrame(base | columns)


@pytest.mark.parametrize(
    ("ids", "texts"),
    [
        ([1, 2], ["1", "2"]),
        ([1.0, 2.0], ["1", "2"]),
        (["ü", "2"], ["ü", "2"]),
        ([2**63 - 1, -5], ["9223372036854775807", "-5"]),
        (np.array([2**64 - 1, 0], np.uint64), ["18446744073709551615", "0"]),
    ],
)
def test_ids_of_any_type_become_the_text_a_person_would_write(ids: object, texts: list[str]) -> None:
    assert canonical(rows(who=ids), described(), "log").requests["user_id"].tolist() == texts


@pytest.mark.parametrize(
    ("values", "unit", "expected"),
    [
        ([1], "s", 1_000_000),
        ([1.5], "s", 1_500_000),
        ([1_700_000_000_123], "ms", 1_700_000_000_123_000),
        ([7], "us", 7),
        (["1970-01-01T00:00:01Z"], "iso", 1_000_000),
        (["1970-01-01 01:00:01+01:00"], "iso", 1_000_000),
    ],
)
def test_time_is_microseconds_whatever_the_unit(values: list[object], unit: str, expected: int) -> None:
    assert instants(pd.Series(values, name="when"), unit, "log").tolist() == [expected]


@pytest.mark.parametrize(
    ("rule", "values", "rewards"),
    [
        ({"at_least": 8}, [7, 8, 9.5], [0, 1, 1]),
        ({"equals": 1}, [0, 1, 1], [0, 1, 1]),
        ({"one_of": ["buy", "cart"]}, ["view", "buy", "cart"], [0, 1, 1]),
    ],
)
def test_what_is_positive_is_the_sources_rule(
    rule: dict[str, object], values: list[object], rewards: list[int]
) -> None:
    source = described(outcome={"column": "liked", "kind": "like"} | rule)  # type: ignore[arg-type]
    frame = rows(who=[1, 2, 3], what=["a", "b", "c"], when=[1, 2, 3], liked=values, kinds=["x", "y", "z"])
    assert canonical(frame, source, "log").outcomes["reward"].tolist() == rewards


@pytest.mark.parametrize(
    ("rule", "grades"),
    [
        ({"at_least": 8}, [7.0, 8.0, 9.5]),
        ({"equals": 8}, [None, None, None]),
        ({"equals": 8, "grade": "seconds"}, [3.0, None, 40.0]),
        ({"at_least": 8, "grade": "seconds"}, [3.0, None, 40.0]),
    ],
    ids=["the number itself", "yes and no", "a column", "a column instead of the number"],
)
def test_how_strong_an_outcome_was_is_what_the_source_says(rule: dict[str, object], grades: list[object]) -> None:
    source = described(outcome={"column": "liked", "kind": "like"} | rule)  # type: ignore[arg-type]
    frame = rows(who=[1, 2, 3], what=["a", "b", "c"], when=[1, 2, 3], liked=[7, 8, 9.5], kinds=["x", "y", "z"])
    frame["seconds"] = [3, None, 40]
    found = canonical(frame, source, "log").outcomes["grade"]
    assert found.astype(object).where(found.notna(), None).tolist() == grades


def test_a_grade_that_the_log_lacks_is_named() -> None:
    source = described(outcome={"column": "liked", "kind": "like", "equals": 1, "grade": "seconds"})  # type: ignore[arg-type]
    with pytest.raises(ContractBroken, match="lacks column seconds"):
        canonical(rows(), source, "log")


def test_a_missing_outcome_is_no_outcome() -> None:
    tables = canonical(rows(liked=[1, None]), described(), "log")
    assert len(tables.impressions) == 2
    assert tables.outcomes["reward"].tolist() == [1.0]


def test_a_log_without_propensities_has_none_and_does_not_invent_them() -> None:
    tables = canonical(rows(), described(), "log")
    assert tables.impressions["propensity"].isna().all()
    assert tables.requests["eligible"].isna().all()


def test_described_propensities_positions_and_eligible_sets_are_kept() -> None:
    columns = {
        "user_id": "who",
        "item_id": "what",
        "request_id": "call",
        "position": "slot",
        "propensity": "p",
        "eligible": "could",
    }
    frame = rows(who=[1, 1], call=["r", "r"], slot=[0, 1], p=[0.25, 0.5], could=[["a", "b"], ["a", "b"]])
    tables = canonical(frame, described(columns=columns), "log")  # type: ignore[arg-type]
    assert len(tables.requests) == 1
    assert tables.requests["eligible"].iloc[0] == ["a", "b"]
    assert tables.impressions[["position", "propensity"]].to_numpy().tolist() == [[0, 0.25], [1, 0.5]]


def test_attributes_are_one_row_per_id_the_last_one_and_keep_lists() -> None:
    frame = pd.DataFrame({"what": ["a", "a", "b"], "kinds": ["w", "x|y", "z"]})
    found = attributes(frame, described(), FieldOf.ITEM, "what").set_index("entity_id")["attributes"]
    assert {item: json.loads(text) for item, text in found.items()} == {
        "a": {"genre": ["x", "y"]},
        "b": {"genre": ["z"]},
    }


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (rows().drop(columns="who"), "lacks column who; it has what, when, liked, kinds; source tiny"),
        (
            rows(when=["noon", "dusk"]),
            r"column when: 2 rows \(1, 2\) with 'noon' for a time, allowed is",
        ),
        (rows(when=[1.0, None]), r"column when: row 2 without a time; 50\.0% of the rows are unusable, 5% may be"),
    ],
)
def test_a_log_that_is_not_as_described_is_refused_in_one_line(frame: pd.DataFrame, message: str) -> None:
    with pytest.raises(ContractBroken, match=message) as refused:
        canonical(frame, described(), "log")
    assert "\n" not in str(refused.value)


def test_a_value_that_is_no_number_is_named_where_a_number_is_needed() -> None:
    source = described(outcome={"column": "liked", "kind": "like", "at_least": 1})  # type: ignore[arg-type]
    with pytest.raises(ContractBroken, match="column liked: row 2 with 'yes' for an outcome, allowed is a finite"):
        canonical(rows(liked=[1, "yes"]), source, "log")


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_files_that_cannot_be_read_are_named_with_the_reason(tmp_path: Path, tiny: TinySource) -> None:
    whole = tiny.log.read_bytes()
    cases = {
        tmp_path / "none.parquet": "no file at",
        write(tmp_path / "cut.parquet", whole[: len(whole) // 2]): "is not a readable parquet file",
        write(tmp_path / "empty.parquet", b""): "is not a readable parquet file",
        write(tmp_path / "log.xlsx", b"x"): r"ends in '\.xlsx'; allowed are \.parquet, \.csv",
        write(tmp_path / "head.csv", b"who,what\n"): "has no rows",
    }
    for path, message in cases.items():
        with pytest.raises(ContractBroken, match=message) as refused:
            read_log(path)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (('pretrain = "4d"', "attribution = 0"), "attribution: Input should be greater than 0"),
        (('pretrain = "4d"', "attribution = nan"), "attribution: Input should be .* finite"),
        (("width = 2", "width = 0"), "fields.2.width: Input should be greater than or equal to 1"),
        (("width = 2", "edges = [3.0, 1.0]"), r"fields.2.edges: .*edges are \[3.0, 1.0\]; allowed are finite numbers"),
        (("equals = 1", "at_least = nan"), "outcome.at_least: Input should be a finite number"),
        (('period = "day"', "slate_size = 0"), "world.slate_size: Input should be greater than or equal to 1"),
        (("[outcome]", "[outcome]\nunknown = 1"), "outcome.unknown: Extra inputs are not permitted"),
        (("equals = 1", ""), "exactly one of at_least, equals, one_of"),
        (('unit = "s"', 'unit = "fortnight"'), "time.unit"),
        (('name = "user"', 'name = "person"'), "the first two must be named user and item"),
        (("[columns]", "[columns"), "is not TOML"),
        (('kind = "like"', 'kind = "clik"'), "outcome.kind: .*allowed are cart, click, .* did you mean click"),
        (('name = "tiny"', 'name = ""'), "name: .*allowed are letters, digits"),
        (('name = "tiny"', 'name = "a|b"'), "name: .*allowed are letters, digits"),
        (('name = "tiny"', 'name = "../tiny"'), "name: .*allowed are letters, digits"),
    ],
)
def test_a_description_that_is_wrong_says_where(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = tmp_path / "s.toml"
    path.write_text(DESCRIPTION.replace(*change))
    with pytest.raises(ContractBroken, match=message) as refused:
        read_source(path)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("wrong", [{"kind": "id"}, {"of": "user"}, {"shares": None}, {"shares": "genre"}])
def test_a_field_of_what_users_liked_that_holds_something_else_is_refused(wrong: dict[str, object]) -> None:
    import tomllib

    recent = {"name": "recent", "kind": "multi", "of": "context", "shares": "item", "width": 8}
    fields = tomllib.loads(DESCRIPTION)["fields"]
    assert described(fields=[*fields, recent]).spec.columns["recent"] == slice(4, 12)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"field recent has kind .* needs kind = "):
        described(fields=[*fields, recent | wrong])  # type: ignore[arg-type]


@pytest.mark.parametrize("column", ["who", "what", "when"])
@pytest.mark.parametrize("nothing", [None, np.nan, "", "  "])
def test_rows_without_user_item_or_time_are_set_aside_by_column_and_number(column: str, nothing: object) -> None:
    frame = rows(
        **{name: [f"{name}{i}" for i in range(40)] for name in ("who", "what", "kinds")}, when=range(40), liked=1
    )
    frame[column] = frame[column].astype(object)
    frame.loc[[3, 7], column] = nothing
    if column == "when" and isinstance(nothing, str):
        source = described(time={"column": "when", "unit": "iso"})
        frame["when"] = [value if value == nothing else "2020-01-01T00:00:00" for value in frame["when"]]
    else:
        source = described()
    tables = canonical(frame, source, "log.csv")
    assert (len(tables), tables.set_aside) == (38, 2)
    assert tables.faults[0].startswith(f"log.csv, column {column}: 2 rows (4, 8) without a")


def test_ids_are_kept_whole_however_the_file_stored_them() -> None:
    assert canonical(rows(who=[True, False]), described(), "log").requests["user_id"].tolist() == ["True", "False"]
    long = canonical(rows(who=np.array([2**62 + 1, 2**62 + 3])), described(), "log").requests["user_id"]
    assert long.tolist() == [str(2**62 + 1), str(2**62 + 3)]


BOUGHT = {"column": "bought", "kind": "purchase", "equals": 1}


def test_outcomes_that_are_measured_stand_beside_those_that_are_learned_from() -> None:
    source = described(measured=[BOUGHT], attribution=60)  # type: ignore[arg-type]
    found = canonical(rows(bought=[1, 1]), source, "log").outcomes
    assert found[["kind", "reward"]].to_numpy().tolist() == [
        ["like", 1.0],
        ["like", 0.0],
        ["purchase", 1.0],
        ["purchase", 1.0],
    ]


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"measured": [BOUGHT]}, "measured outcomes need attribution"),
        ({"measured": [BOUGHT, BOUGHT], "attribution": 60}, "each kind is allowed once"),
        ({"measured": [BOUGHT | {"kind": "like"}], "attribution": 60}, "each kind is allowed once"),
    ],
)
def test_a_measured_outcome_that_means_nothing_is_refused(changes: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        described(**changes)


def test_a_log_without_a_measured_column_names_it() -> None:
    with pytest.raises(ContractBroken, match="log lacks column bought"):
        canonical(rows(), described(measured=[BOUGHT], attribution=60), "log")  # type: ignore[arg-type]
