"""The decision log as canonical tables."""

import json

import pytest

from components.domain import ContractBroken
from components.ingest.decision_log import read_decision_log
from components.schema import IMPRESSIONS, OUTCOMES, REQUESTS, names

SHOWN = {"impression_id": "r1-0", "item_id": "b", "position": 0, "propensity": 0.3, "score": 1.5, "logit": 1.25}
REQUEST = {
    "type": "request",
    "request_id": "r1",
    "user_id": "ann",
    "at": 100,
    "generation": 7,
    "context": {"device": "tv"},
    "eligible": ["a", "b"],
    "slate": [SHOWN, SHOWN | {"impression_id": "r1-1", "item_id": "a", "position": 1, "propensity": 1.0}],
}
OUTCOME = {
    "type": "outcome",
    "impression_id": "r1-0",
    "kind": "rating",
    "value": 9,
    "reward": 1.0,
    "grade": 9.0,
    "at": 150,
}
SERVABLE = {"type": "servable", "generation": 7, "items": ["a", "b", "c"]}


def write(path, *lines, tail=b""):
    path.write_bytes(b"".join(json.dumps(line).encode() + b"\n" for line in lines) + tail)
    return path


def test_a_log_becomes_requests_impressions_and_outcomes(tmp_path):
    tables = read_decision_log([write(tmp_path / "a.jsonl", REQUEST, OUTCOME)])
    assert tables.requests.to_dict("records") == [
        {
            "request_id": "r1",
            "user_id": "ann",
            "at": 100,
            "generation": 7,
            "context": '{"device": "tv"}',
            "eligible": ["a", "b"],
        }
    ]
    assert tables.impressions["item_id"].tolist() == ["b", "a"]
    assert tables.impressions["propensity"].tolist() == [0.3, 1.0]
    assert set(tables.impressions["logging_policy"]) == {"g000007"}
    assert tables.outcomes.to_dict("records") == [
        {"impression_id": "r1-0", "kind": "rating", "reward": 1.0, "grade": 9.0, "outcome_at": 150}
    ]


def test_an_outcome_without_a_grade_has_an_unknown_one(tmp_path):
    silent = {name: value for name, value in OUTCOME.items() if name != "grade"}
    tables = read_decision_log(
        [write(tmp_path / "a.jsonl", silent, OUTCOME | {"impression_id": "r2-0", "grade": None})]
    )
    assert tables.outcomes["grade"].isna().all() and len(tables.outcomes) == 2


def test_no_files_and_empty_files_give_empty_tables_with_their_columns(tmp_path):
    for paths in ([], [write(tmp_path / "a.jsonl")]):
        tables = read_decision_log(paths)
        assert len(tables) == len(tables.requests) == len(tables.outcomes) == 0
        assert tuple(tables.requests) == names(REQUESTS)
        assert tuple(tables.impressions) == names(IMPRESSIONS)
        assert tuple(tables.outcomes) == names(OUTCOMES)


def test_the_servable_items_stand_for_an_eligible_set_that_was_left_out(tmp_path):
    tables = read_decision_log([write(tmp_path / "a.jsonl", SERVABLE, REQUEST | {"eligible": None, "context": {}})])
    assert tables.requests["eligible"].tolist() == [["a", "b", "c"]]
    assert tables.requests["context"].tolist() == [None]


def test_a_torn_last_line_is_left_for_the_next_reading(tmp_path):
    path = write(tmp_path / "a.jsonl", REQUEST, tail=b'{"type": "outcome", "impr')
    assert len(read_decision_log([path]).outcomes) == 0
    write(path, REQUEST, OUTCOME)
    assert len(read_decision_log([path]).outcomes) == 1


def test_what_two_workers_accepted_counts_once_the_first_by_time(tmp_path):
    first = write(tmp_path / "a.jsonl", REQUEST, OUTCOME | {"at": 170, "reward": 0.0})
    second = write(tmp_path / "b.jsonl", OUTCOME, OUTCOME | {"kind": "share"})
    tables = read_decision_log([second, first, first])
    assert len(tables.requests) == 1
    assert len(tables.impressions) == 2
    assert sorted(tables.outcomes[["kind", "reward", "outcome_at"]].itertuples(index=False, name=None)) == [
        ("rating", 1.0, 150),
        ("share", 1.0, 150),
    ]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ({"type": "note"}, r"line 2: Invalid value 'note' - at `\$.type`"),
        ({"user": "ann"}, "line 2: Object missing required field `type`"),
        ({"type": "outcome", "kind": "x"}, "line 2: Object missing required field `impression_id`"),
        (OUTCOME | {"reward": "good"}, r"line 2: Expected `float`, got `str` - at `\$.reward`"),
        (
            REQUEST | {"eligible": None},
            "line 2: what was eligible is not known of 1 requests from here on: no line before names the servable "
            "items of generation 7",
        ),
        (REQUEST | {"slate": 3}, r"line 2: Expected `array`, got `int` - at `\$.slate`"),
        ([1], "line 2: Expected `object`, got `array`"),
    ],
)
def test_a_line_the_service_does_not_write_is_named(tmp_path, line, message):
    path = write(tmp_path / "a.jsonl", REQUEST, line)
    with pytest.raises(ContractBroken, match=f"a.jsonl, {message}"):
        read_decision_log([path])


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ContractBroken, match="no decision log at"):
        read_decision_log([tmp_path / "gone.jsonl"])
