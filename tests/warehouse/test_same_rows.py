"""DuckDB reads a sound log by itself, and leaves in the warehouse what the careful way leaves, byte for byte."""

import gzip
import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet
import pytest

from components.domain import ContractBroken
from components.whole_file import digest_of
from flows.stages.ingest import ingest_carefully, ingest_file, ingest_files
from flows.workspace import Workspace, enter
from warehouse.append import Batch
from warehouse.connect import Warehouse, connect
from warehouse.forget import forget_users
from warehouse.log_cells import Unsaid, identifier

S = 1_700_000_000
PRINTABLE = "".join(map(chr, range(32, 127))) + "äé\u00a0€😀"
MEASURED: tuple[dict[str, object], ...] = ({"column": "slot", "kind": "view", "at_least": 1},)
TABLES = {
    "requests": "request_id, source, user_id, epoch_us(requested_at), generation, context::varchar, eligible, batch",
    "impressions": "* exclude (shown_at), epoch_us(shown_at)",
    "outcomes": "* exclude (outcome_at), epoch_us(outcome_at)",
    "users": "* replace (attributes::varchar as attributes)",
    "items": "* replace (attributes::varchar as attributes)",
    "batches": "*",
}
USER, ITEM = {"name": "user", "kind": "id", "of": "user"}, {"name": "item", "kind": "id", "of": "item"}


@dataclass(frozen=True)
class Case:
    """A log of three rows or so, and how it is described; `log` and `say` are what differs from `BASE`."""

    log: dict[str, object] = field(default_factory=dict)
    columns: dict[str, str] = field(default_factory=dict)
    unit: str = "s"
    outcome: dict[str, object] = field(default_factory=lambda: {"equals": 1})
    measured: tuple[dict[str, object], ...] = ()
    fields: tuple[dict[str, object], ...] = ()
    side: dict[str, object] | None = None


BASE = {"who": [1, 2, 1], "what": ["a", "b", "c"], "when": [S, S + 1, S + 2], "did": [1, 0, None]}
TEXT = pa.array(["x", "y", None])


def of(name: str, kind: str = "categorical", whose: str = "context", **more: object) -> dict[str, object]:
    return {"name": name, "kind": kind, "of": whose} | more


def slates(**more: object) -> dict[str, object]:
    return {"who": [1, 1, 2], "call": ["r", "r", "s"], "slot": [0, 1, 0]} | more


SLATES = {"request_id": "call", "position": "slot"}
ELIGIBLE = {"eligible": "could"}


def stamps(unit: str, zone: str | None = None) -> pa.Array:
    return (
        pa.array([S * 10**9, S * 10**9 + 1_999, S * 10**9 + 3_000_000_000])
        .cast(pa.timestamp("ns", zone))
        .cast(pa.timestamp(unit, zone), safe=False)
    )


ENGINE = {
    "integer ids": Case({"who": [2**53 + 1, -5, 0]}),
    "ids beyond 63 bits": Case({"who": pa.array([2**64 - 1, 1, 2], pa.uint64())}),
    "text ids": Case({"who": ["ü", " 7", "'; drop table requests; --"]}),
    "ids of large text": Case({"who": pa.array(["u", "v", "w"], pa.large_string())}),
    "ids with bars and backslashes": Case({"who": ["a|b", "a", "a\\"], "what": ["c", "b|c", "\\|"]}),
    "ids that joined without care were one": Case(
        {"who": ["a|b", "a", "z"], "what": ["c", "b|c", "z"], "when": [S] * 3}
    ),
    "milliseconds": Case({"when": [S * 1000 + 1, 0, 5]}, unit="ms"),
    "microseconds": Case({"when": [2**53, 0, 5]}, unit="us"),
    "small unsigned times": Case({"when": pa.array([1, 2, 3], pa.uint8())}),
    "iso texts": Case(
        {"when": ["2023-11-14T22:13:20Z", "2023-11-14 22:13:20.123456", "2023-11-14T22:13:20.5+05:30"]}, unit="iso"
    ),
    "iso dates": Case({"when": ["2023-11-14", "1970-01-01", "2024-02-29"]}, unit="iso"),
    **{f"timestamps in {unit}": Case({"when": stamps(unit)}, unit="iso") for unit in ("s", "ms", "us", "ns")},
    **{
        f"timestamps in {u}, zoned": Case({"when": stamps(u, "Europe/Paris")}, unit="iso")
        for u in ("s", "ms", "us", "ns")
    },
    "slates": Case(slates(), SLATES),
    "slates with rows that say other things": Case(
        slates(could=[["a"], ["b"], None], ctx=["x", "y", "z"], when=[S + 5, S, S]),
        SLATES | ELIGIBLE,
        fields=(of("ctx"),),
    ),
    "requests and impressions named by the log": Case(
        slates(imp=["i", "j", "k"]), {"request_id": "call", "impression_id": "imp"}
    ),
    "integer names": Case(slates(call=[7, 7, 8], imp=[1, 2, 3]), {"request_id": "call", "impression_id": "imp"}),
    "impressions named, requests not": Case({"imp": ["i", "j", "k"]}, {"impression_id": "imp"}),
    "eligible lists": Case({"could": [["a", "b"], [], None]}, ELIGIBLE),
    "eligible lists of integers": Case({"could": [[1, 2], [3], None]}, ELIGIBLE),
    "eligible texts": Case({"could": ["a|b", "", None]}, ELIGIBLE),
    "propensities with holes": Case({"p": [0.1, None, 0.25]}, {"propensity": "p"}),
    "whole propensities": Case({"p": [1, 1, None]}, {"propensity": "p"}),
    "narrow propensities": Case({"p": pa.array([0.1, 0.2, 0.3], pa.float32())}, {"propensity": "p"}),
    "decimal propensities": Case(
        {"p": pa.array([Decimal("0.37"), None, Decimal("0.07")], pa.decimal128(2, 2))}, {"propensity": "p"}
    ),
    "positions in floating point": Case({"slot": [0.0, 1.0, -2.0]}, {"position": "slot"}),
    "generations with holes": Case({"g": [3, None, 4]}, {"generation": "g"}),
    "generations with holes in floating point": Case({"g": [3.0, None, 4.0]}, {"generation": "g"}),
    "amounts": Case({"did": [0.0, 12.5, None]}, outcome={"reward": "amount", "unit": "EUR"}),
    "amounts with a range": Case({"did": [1.0, 3.3, 5.0]}, outcome={"reward": "amount", "range": [1.0, 5.0]}),
    "at least": Case({"did": [7, 8, None]}, outcome={"at_least": 8}),
    "at least in floating point": Case({"did": [7.5, None, 9.25]}, outcome={"at_least": 7.5}),
    "at least of decimals": Case({"did": pa.array([Decimal("1.1"), Decimal("1.2"), None])}, outcome={"at_least": 1.2}),
    "at least, graded by another": Case(
        {"did": [7, 8, 9], "sec": [1.5, None, 3]}, outcome={"at_least": 8, "grade": "sec"}
    ),
    "equals, graded": Case({"sec": [1.5, None, 3]}, outcome={"equals": 1, "grade": "sec"}),
    "equals a text": Case({"did": ["buy", "", None]}, outcome={"equals": "buy"}),
    "equals nothing that is there": Case({"did": ["buy", "", None]}, outcome={"equals": "own"}),
    "equals a whole number, told as text": Case({"did": ["1", "1.0", "x"]}),
    "equals a text, told as a whole number": Case(outcome={"equals": "1"}),
    "equals true": Case({"did": [True, False, None]}, outcome={"equals": True}),
    "equals one, told as true": Case({"did": [True, False, None]}),
    "equals true, told as one": Case(outcome={"equals": True}),
    "equals in floating point": Case({"did": [1.0, 0.1, None]}, outcome={"equals": 0.1}),
    "equals in narrow floating point": Case({"did": pa.array([1.0, 0.1, None], pa.float32())}, outcome={"equals": 0.1}),
    "equals beyond 63 bits": Case({"did": pa.array([2**64 - 1, 1, None], pa.uint64())}, outcome={"equals": 2**63 - 1}),
    "one of texts": Case({"did": ["buy", "cart", "view"]}, outcome={"one_of": ["buy", "cart"]}),
    "one of numbers of all types": Case({"did": [0, 1, 2]}, outcome={"one_of": [1.0, "2"]}),
    "one of none": Case(outcome={"one_of": []}),
    "outcomes at a time of their own": Case({"then": [S + 5, None, S]}, {"outcome_at": "then"}),
    "outcomes at a time in floating point": Case({"then": [S + 5.0, None, S - 1.0]}, {"outcome_at": "then"}),
    "outcomes at a text": Case(
        {"when": ["2023-11-14"] * 3, "then": ["2023-11-14T22:13:20Z", "", None]}, {"outcome_at": "then"}, "iso"
    ),
    "measured outcomes": Case(
        {"paid": [3.5, None, 0.0], "saw": [5, 70, None], "kept": ["y", None, "n"]},
        measured=(
            {"column": "paid", "kind": "purchase", "reward": "amount"},
            {"column": "saw", "kind": "long_view", "at_least": 60},
            {"column": "kept", "kind": "save", "equals": "y"},
        ),
    ),
    "rows that are equal": Case({k: [v[0]] * 3 for k, v in BASE.items()}),
    "rows that share an id but differ": Case(
        slates(imp=["i", "i", "k"], did=[1, 0, 1], who=[1, 1, 2]), SLATES | {"impression_id": "imp"}
    ),
    "rows that share an id and came at several times": Case(
        {"imp": ["i", "i", "i"], "then": [S + 3, S + 1, S + 2], "did": [1, 0, 1]},
        {"impression_id": "imp", "outcome_at": "then"},
    ),
    "context of texts": Case({"dev": [PRINTABLE, "", None]}, fields=(of("dev"),)),
    "context of numbers": Case({"dev": [2**53 + 1, None, 3]}, fields=(of("dev"), of("x", "numeric", column="dev"))),
    "context of whole numbers": Case({"dev": [1, 2, 3]}, fields=(of("dev", "id"), of("x", "numeric", column="dev"))),
    "context of words": Case(
        {"a": ["x|y/z", "", None], "b": [["q"], [], None], "c": [[1, 2], None, [3]]},
        fields=(of("a", "multi", width=2), of("b", "multi", width=2), of("c", "multi")),
    ),
    "context with names that must be quoted": Case({"\"/\\é'": TEXT}, fields=(of("\"/\\é'"),)),
    "context read off the clock, and brought": Case({"hour": [1, 2, 3]}, fields=(of("hour"), of("weekday"))),
    "items of the log, the last row of each": Case(
        {"what": ["a", "b", "a"], "kinds": ["x|y", "z", "w"], "year": [1.0, 2.0, None]},
        fields=(of("genre", "multi", "item", column="kinds", width=2), of("year", "categorical", "item")),
    ),
    "users of the log, with edges, numbers and lists": Case(
        {"age": [17, 30, 65], "rich": [1.5, None, 2.25], "tags": [["a", None], [], None]},
        fields=(
            of("age", "categorical", "user", edges=[18.0, 65.0]),
            of("rich", "numeric", "user"),
            of("tags", "multi", "user", width=2),
        ),
    ),
    "items beside the log": Case(
        fields=(of("genre", "multi", "item"), of("year", "numeric", "item")),
        side={"id": ["a", "b", "z"], "genre": ["x|y", None, "z"], "year": [1.5, 2, None]},
    ),
    "a column whose name is a statement": Case(
        {'"; drop table requests; --': ["a", "b", "c"]}, {"item_id": '"; drop table requests; --'}
    ),
    "columns with names of the warehouse's own": Case(
        {"user_id": ["x", "y", "z"], "at": ["p", "q", "r"], "request_id": [9, 9, 9], "n": [0, 0, 0], "batch": [1, 1, 1]}
    ),
}

NAN = float("nan")
DOUBTED = {
    "outcomes that are nan": Case({"did": [7.5, NAN, 9.25]}, outcome={"at_least": 7.5}),
    "outcomes that are nan and equal something": Case({"did": [1.0, NAN, 0.0]}),
    "propensities that are nan": Case({"p": [0.5, NAN, 0.25]}, {"propensity": "p"}),
    "grades that are nan": Case({"sec": [0.5, NAN, 0.25]}, outcome={"equals": 1, "grade": "sec"}),
    "ids of punctuation that may be blank": Case({"who": ["\u00a0|", "b", "c"]}),
    "context with control characters": Case({"x": ["a\tb", "\x01", "c"]}, fields=(of("x"),)),
    "users by nan": Case({"x": [0.5, NAN, 0.25]}, fields=(of("x", "numeric", "user"),)),
    "context with ends of lines that only Unicode knows": Case(
        {"x": ["a\u2028b", "a\u0085b", "a\u2029\fb"]}, fields=(of("x"),)
    ),
    "slates whose first row is in doubt": Case(
        slates(ctx=["x\ty", "y", "z"], when=[S + 5, S, S]), SLATES, fields=(of("ctx"),)
    ),
    "rows that share an id, one of them in doubt": Case(
        slates(imp=["i", "i", "k"], did=[1, 0, 1], who=[1, 1, 2], ctx=["x", "y\x01", "z"]),
        SLATES | {"impression_id": "imp"},
        fields=(of("ctx"),),
    ),
}
CAREFUL = {
    "ids in floating point": Case({"who": [1.0, 2.0, 3.0]}),
    "ids that are categories": Case({"who": pa.array(["a", "b", "a"]).dictionary_encode()}),
    "times in floating point": Case({"when": [1.5, 2.0, 3.0]}),
    "times as texts of numbers": Case({"when": ["1", "2", "3"]}),
    "propensities as texts": Case({"p": ["0.5", "1", None]}, {"propensity": "p"}),
    "outcomes as texts of numbers": Case({"did": ["7", "8.5", None]}, outcome={"at_least": 8}),
    "decimal outcomes that are compared": Case({"did": pa.array([Decimal("1.1"), Decimal("1.2"), None])}),
    "context in floating point": Case({"x": [0.1, 1e300, None]}, fields=(of("x", "numeric"),)),
    "context that is cut": Case({"x": [1, 2, None]}, fields=(of("x", edges=[1.5]),)),
    "context of truths": Case({"x": [True, False, None]}, fields=(of("x"),)),
    "users by truths": Case({"x": [True, False, None]}, fields=(of("x", whose="user"),)),
    "columns that differ in case alone": Case({"WHO": [9, 9, 9]}),
}


def described(case: Case) -> str:
    columns = {"user_id": "who", "item_id": "what"} | case.columns
    outcomes = [("[outcome]", {"column": "did", "kind": "like"} | case.outcome)]
    outcomes += [("[[measured]]", m) for m in case.measured]
    tables = [("[columns]", columns), ("[time]", {"column": "when", "unit": case.unit}), *outcomes]
    tables += [("[items]", {"path": "items.parquet", "key": "id"})] if case.side else []
    tables += [("[[fields]]", f) for f in (USER, ITEM, *case.fields)]
    head = {"name": "tiny", "title": "A tiny log"} | ({"attribution": 60} if case.measured else {})

    def lines(of: dict[str, object]) -> list[str]:
        return [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in of.items()]

    return "\n".join([*lines(head), *(line for name, of in tables for line in (name, *lines(of)))])


def written(case: Case, folder: Path, suffix: str = "parquet") -> tuple[Path, Path]:
    """The log and its description."""
    folder.mkdir(parents=True, exist_ok=True)
    log, description = folder / f"log.{suffix}", folder / "tiny.toml"
    table = pa.table(BASE | case.log)
    pa_parquet.write_table(table, log) if suffix == "parquet" else pa_csv.write_csv(table, log)
    if case.side:
        pa_parquet.write_table(pa.table(case.side), folder / "items.parquet")
    description.write_text(described(case))
    return log, description


def contents(home: Workspace) -> dict[str, list[tuple[object, ...]]]:
    with connect(home.database) as connection:
        return {
            name: sorted(connection.execute(f"select {columns} from {name}").fetchall(), key=repr)
            for name, columns in TABLES.items()
        }


Ingest = Callable[[Workspace, Path, Path], Batch]
WAYS: tuple[Ingest, ...] = (ingest_file, ingest_carefully)


def both(folder: Path, files: list[tuple[Path, Path]]) -> list[tuple[list[Batch], dict[str, list[tuple[object, ...]]]]]:
    """What the command would say, and what is in the warehouse then, either way."""
    left = []
    for way in WAYS:
        home = enter(folder / way.__name__)  # type: ignore[attr-defined]
        left.append(([way(home, log, description) for log, description in files], contents(home)))
    return left


def way_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [r.getMessage().split("way=")[1].split()[0] for r in caplog.records if "event=ingest_way" in r.getMessage()]


@pytest.mark.parametrize("name", ENGINE)
def test_a_sound_log_is_read_by_duckdb_and_leaves_the_same_rows(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        engine, careful = both(tmp_path, [written(ENGINE[name], tmp_path)])
    assert repr(engine) == repr(careful)
    assert way_of(caplog) == ["engine"] and "in_doubt=0" in caplog.text
    assert engine[1]["impressions"]


@pytest.mark.parametrize("name", DOUBTED)
def test_rows_in_doubt_are_looked_at_again_and_stay_among_the_others(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        engine, careful = both(tmp_path, [written(DOUBTED[name], tmp_path)])
    assert repr(engine) == repr(careful)
    assert way_of(caplog) == ["engine"] and "in_doubt=0" not in caplog.text
    assert len(engine[1]["requests"]) and engine[0][0].set_aside == 0


@pytest.mark.parametrize("name", CAREFUL)
def test_a_log_in_doubt_goes_the_careful_way(name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        found, careful = both(tmp_path, [written(CAREFUL[name], tmp_path)])
    assert repr(found) == repr(careful)
    assert way_of(caplog) == ["careful"]


def is_flat(case: Case) -> bool:
    return not any(
        pa.types.is_nested(f.type) or pa.types.is_dictionary(f.type) for f in pa.table(BASE | case.log).schema
    )


FLAT = [name for name, case in (ENGINE | DOUBTED | CAREFUL).items() if is_flat(case)]
SOME = [name if not number % 3 else pytest.param(name, marks=pytest.mark.long) for number, name in enumerate(FLAT)]


@pytest.mark.parametrize("name", SOME)
def test_a_csv_leaves_the_same_rows_whichever_way_it_goes(name: str, tmp_path: Path) -> None:
    try:
        engine, careful = both(tmp_path, [written((ENGINE | DOUBTED | CAREFUL)[name], tmp_path, "csv")])
    except ContractBroken:  # what a CSV cannot say, such as small texts of numbers: both ways refuse
        with pytest.raises(ContractBroken):
            ingest_carefully(enter(tmp_path / "again"), tmp_path / "log.csv", tmp_path / "tiny.toml")
    else:
        assert repr(engine) == repr(careful)


def test_a_csv_is_read_by_duckdb_too(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        both(tmp_path, [written(Case(slates(p=[0.5, None, 1.0]), SLATES | {"propensity": "p"}), tmp_path, "csv")])
    assert way_of(caplog) == ["engine"]


def test_what_is_here_already_and_who_is_forgotten_is_left_out_alike(tmp_path: Path) -> None:
    first = written(Case(slates(), SLATES, measured=MEASURED), tmp_path / "first")
    second = written(
        Case(slates(who=[1, 3, 2], call=["r", "t", "s"], did=[0, 1, 1]), SLATES, measured=MEASURED), tmp_path / "second"
    )
    left = []
    for way in (ingest_file, ingest_carefully):
        home = enter(tmp_path / way.__name__)
        w = Warehouse(home.database, "tiny")
        way(home, *first)
        forget_users(w, {"2": (S * 10**6 * 2, 7)})
        batch, again = way(home, *second), way(home, *second)
        left.append((batch, again, contents(home)))
    assert repr(left[0]) == repr(left[1])
    assert left[0][0].duplicates == 2 and not left[0][1].new
    assert [row[2] for row in left[0][2]["requests"]] == ["1", "3"]


UNSOUND = {
    "a blank id": ({"who": ["u"] * 99 + ["  "]}, "column who: row 100 without a user"),
    "no id": ({"what": [1] * 99 + [None]}, "column what: row 100 without an item"),
    "a time after 2255": ({"when": [S] * 99 + [2**53]}, "column when: row 100 with 9007199254740992 for a time"),
    "a time before 1970": ({"when": [S] * 99 + [-1]}, "column when: row 100 with -1 for a time"),
    "no time": ({"when": [S] * 99 + [None]}, "column when: row 100 without a time"),
    "an infinite propensity": ({"p": [0.5] * 99 + [float("inf")]}, "column p: row 100 with inf for a propensity"),
    "half a position": ({"slot": [0.0] * 99 + [0.5]}, "column slot: row 100 with 0.5 for a position"),
    "a position beyond 32 bits": ({"slot": [0] * 99 + [2**31]}, "column slot: row 100 with 2147483648 for a position"),
    "no position": ({"slot": [0] * 99 + [None]}, "column slot: row 100 without a position"),
    "half a generation": ({"g": [0.0] * 99 + [0.5]}, "column g: row 100 with 0.5 for a generation"),
    "an item that could have been shown twice": ({"could": [["a"]] * 99 + [["a", "a"]]}, "column could: row 100 with"),
    "an item without a name that could have been": (
        {"could": [["a"]] * 99 + [["a", None]]},
        "column could: row 100 with",
    ),
    "an item with an empty name that could have been": ({"could": ["a|b"] * 99 + ["a|"]}, "column could: row 100 with"),
    "a request of two users": ({"who": [1] * 99 + [2]}, "column who: row 100 of another user than the first row"),
    "an outcome's time that is none": ({"then": [S] * 99 + [-5]}, "column then: row 100 with -5 for an outcome's time"),
    "an amount below the range": ({"did": [1.0] * 99 + [-1.0]}, "column did: row 100 with -1.0 for an amount"),
}
WHOLE = {
    "who": [1] * 100,
    "what": [1] * 100,
    "when": [S] * 100,
    "did": [1] * 100,
    "call": ["r"] * 100,
    "slot": [0] * 100,
}
WHOLE |= {"p": [0.5] * 100, "g": [1] * 100, "could": [["a"]] * 100, "then": [S] * 100}
NAMED = {"request_id": "call", "position": "slot", "propensity": "p", "generation": "g"}
NAMED |= {"eligible": "could", "outcome_at": "then"}


@pytest.mark.parametrize("name", UNSOUND)
def test_a_row_that_is_not_sound_is_named_as_the_careful_way_does_and_duckdb_reads_the_others(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    wrong, said = UNSOUND[name]
    case = Case(WHOLE | wrong, NAMED, outcome={"reward": "amount"})
    with caplog.at_level(logging.INFO):
        engine, careful = both(tmp_path, [written(case, tmp_path)])
    assert repr(engine) == repr(careful)
    assert way_of(caplog) == ["engine"]
    (batch,) = engine[0]
    assert (batch.rows, batch.set_aside) == (99, 1)
    assert said in batch.faults[0]


def test_a_request_of_several_users_is_its_first_ones_wherever_its_rows_lie(tmp_path: Path) -> None:
    who = ["ann", None, "ben", "ann", *["cat"] * 96]
    call = ["r", "r", "r", "r", *[None] * 3, *["s"] * 93]
    engine, careful = both(tmp_path, [written(Case(WHOLE | {"who": who, "call": call}, NAMED), tmp_path)])
    assert repr(engine) == repr(careful)
    assert engine[0][0].set_aside == 5
    assert engine[0][0].faults[-1].endswith("row 3 of another user than the first row of the request")


@pytest.mark.parametrize("way", WAYS)
def test_more_rows_without_meaning_than_may_be_set_aside_refuse_the_log_either_way(way: Ingest, tmp_path: Path) -> None:
    log, description = written(Case(WHOLE | {"when": [*[S] * 94, *[-1] * 6]}, NAMED), tmp_path)
    home = enter(tmp_path / "home")
    with pytest.raises(
        ContractBroken, match=r"column when: 6 rows \(95, 96, 97, \.\.\.\) with -1 .*; 6\.0% of the rows"
    ):
        way(home, log, description)
    assert not home.database.exists() and not home.source.exists()


def test_a_log_with_too_many_rows_in_doubt_goes_the_careful_way(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("warehouse.sound_log.MOST_IN_DOUBT", 2)
    with caplog.at_level(logging.INFO):
        engine, careful = both(tmp_path, [written(Case({"x": ["a\tb", "a\tc", "a\td"]}, fields=(of("x"),)), tmp_path)])
    assert repr(engine) == repr(careful)
    assert way_of(caplog) == ["careful"]


def test_the_same_log_without_that_row_is_read_by_duckdb(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO):
        both(tmp_path, [written(Case(WHOLE, NAMED, outcome={"reward": "amount"}), tmp_path)])
    assert way_of(caplog) == ["engine"]


def test_a_folder_means_nothing_to_a_file_that_is_named_alone(tmp_path: Path) -> None:
    engine, careful = both(tmp_path, [written(Case(), tmp_path / "who=7")])
    assert repr(engine) == repr(careful)


def unsaid(*log: object) -> None:
    raise Unsaid("for comparison")


FOLDERS = {
    "whole users": (["who=7", "who=8"], Case()),
    "users in texts": (["who=a%20b", "who=%E2%82%AC|"], Case()),
    "a context that some lack": (
        ["who=1/ctx=x", "who=1/ctx=__HIVE_DEFAULT_PARTITION__"],
        Case({"when": [S] * 3}, fields=(of("ctx"),)),
    ),
    "whole contexts": (["who=1/ctx=07", "who=2/ctx=8"], Case(fields=(of("ctx"), of("x", "numeric", column="ctx")))),
    "days": (["who=1/when=2024-01-31", "who=1/when=2024-02-01"], Case(unit="iso")),
    "items' attributes": (["who=1/kind=k", "who=2/kind=l"], Case(fields=(of("kind", whose="item"),))),
    "rows in doubt": (["who=1/ctx=x", "who=2/ctx=y%09"], Case({"what": ["\u00a0|", "b", "c"]}, fields=(of("ctx"),))),
    "an outcome": (["who=1/did=1", "who=1/did=0"], Case()),
}


def partitioned(folders: list[str], case: Case, root: Path, ending: str = "parquet") -> Path:
    """A file of the log in each folder, without the columns that the folders give, times shifted; the description."""
    for number, name in enumerate(folders):
        table = pa.table(BASE | {"when": [S + 100 * number + n for n in range(3)]} | case.log)
        own = table.drop_columns([key for key in table.column_names if f"{key}=" in name])
        path = root / "logs" / name / f"{number}.{ending}"
        path.parent.mkdir(parents=True)
        pa_parquet.write_table(own, path) if ending == "parquet" else pa_csv.write_csv(own, path)
    (root / "tiny.toml").write_text(described(case))
    return root / "tiny.toml"


@pytest.mark.parametrize("ending", ["parquet", "csv"])
@pytest.mark.parametrize("name", FOLDERS)
def test_what_folders_say_is_in_every_row_whichever_way(
    name: str, ending: str, tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    description, fast, slow = partitioned(*FOLDERS[name], tmp_path, ending), enter(Path("fast")), enter(Path("slow"))
    with caplog.at_level(logging.INFO):
        found = ingest_files(fast, "logs", description)
    assert way_of(caplog) == ["engine"] * 2
    monkeypatch.setattr("flows.stages.ingest.sound_log", unsaid)
    assert repr(ingest_files(slow, "logs/who=*", description)) == repr(found)
    assert repr(contents(fast)) == repr(contents(slow))
    assert sum(batch.rows for batch in found) == 6


def test_files_that_are_equal_but_for_their_folders_are_two(tmp_path: Path) -> None:
    description = partitioned(["who=1", "who=2"], Case({"when": [S, S, S]}), tmp_path)
    one, two = sorted((tmp_path / "logs").glob("*/*.parquet"))
    assert one.read_bytes() == two.read_bytes()
    batches = ingest_files(enter(tmp_path / "home"), str(tmp_path / "logs"), description)
    assert [batch.new for batch in batches] == [True, True]
    assert {row[2] for row in contents(enter(tmp_path / "home"))["requests"]} == {"1", "2"}


@pytest.mark.parametrize("folder", ["who=7", "who=x", "who=__HIVE_DEFAULT_PARTITION__"])
def test_a_file_that_says_something_else_than_its_folder_is_refused(folder: str, tmp_path: Path) -> None:
    _, description = written(Case({"who": [7, 7, 8]}), tmp_path / "logs" / folder)
    with pytest.raises(
        ContractBroken, match=r"column who: row \d says \d and the file's folder .*; allowed"
    ) as refused:
        ingest_files(enter(tmp_path / "home"), str(tmp_path / "logs" / "*" / "*.parquet"), description)
    assert "\n" not in str(refused.value)
    assert not enter(tmp_path / "home").database.exists()


def test_a_file_that_says_what_its_folder_says_is_read_by_duckdb(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    log, description = written(Case({"who": [7, 7, 7]}), tmp_path / "who=7")
    with caplog.at_level(logging.INFO):
        (batch,) = ingest_files(enter(tmp_path / "home"), str(log), description)
    assert way_of(caplog) == ["engine"]
    assert batch.digest == digest_of(log)


DIALECTS = {
    "semicolons and decimal commas": (
        "who;what;when;did;p\n1;a;{t};1;0,5\n2;b;{t};0;0,25\n",
        "';', quote '\"', decimal comma",
    ),
    "tabs": ("who\twhat\twhen\tdid\tp\n1\ta,b;c\t{t}\t1\t0.5\n", "separator tab"),
    "bars": ("who|what|when|did|p\n1|a|{t}|1|0.5\n", "separator '|'"),
    "quotes around all, with ends of lines": (
        '"who","what","when","did","p"\r\n"1","a ""b"",\r\nc",{t},1,0.5\r\n',
        "separator ',', quote '\"'",
    ),
    "apostrophes around all": ("'who','what','when','did','p'\n'1','a,b',{t},1,0.5\n", 'quote "\'"'),
    "apostrophes within": ("who,what,when,did,p\n1,O'Neil,{t},1,0.5\n2,'tis,{t},1,0.5\n", "quote '\"'"),
    "a separator at the end of all rows": ("who,what,when,did,p,\n1,a,{t},1,0.5,\n", "separator ','"),
    "blank lines, no last end of line": ("who,what,when,did,p\n\n1,a,{t},1,0.5\n\n2,b,{t},1,", "separator ','"),
    "a column without a value": ("who,what,when,did,p\n1,a,{t},1,\n2,b,{t},0,\n", "separator ','"),
}
PACKED: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "byte order mark": lambda text: text.encode("utf-8-sig"),
    "UTF-16": lambda text: text.encode("utf-16"),
    "gzip": lambda text: gzip.compress(text.encode()),
}


@pytest.mark.parametrize("packed", PACKED)
@pytest.mark.parametrize("name", DIALECTS)
def test_a_csv_is_read_as_it_is_written_whichever_way(name: str, packed: str, tmp_path: Path) -> None:
    text, said = DIALECTS[name]
    log, description = tmp_path / ("log.csv.gz" if packed == "gzip" else "log.csv"), tmp_path / "tiny.toml"
    log.write_bytes(PACKED[packed](text.format(t=S)))
    description.write_text(described(Case(columns={"propensity": "p"})))
    engine, careful = both(tmp_path, [(log, description)])
    assert repr(engine) == repr(careful)
    (batch,) = engine[0]
    assert batch.set_aside == 0 and said in batch.read_as and (packed == "plain" or packed in batch.read_as)


def test_a_log_that_is_refused_leaves_nothing(tmp_path: Path) -> None:
    log, description = written(Case({"when": [-1, -2, S]}), tmp_path)
    home = enter(tmp_path / "home")
    with pytest.raises(ContractBroken, match=r"column when: 2 rows \(1, 2\)"):
        ingest_file(home, log, description)
    assert not home.database.exists() and not home.source.exists()


def test_names_of_columns_are_quoted() -> None:
    assert identifier('a"b') == '"a""b"'
