"""The decision log by segments: each byte once, whatever is killed, torn, broken, copied or taken out."""

import os
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from components.domain import ContractBroken
from components.ingest import log_columns
from components.ingest.decision_log import read_decision_log
from components.ingest.log_lines import (
    ForgetLine,
    ItemLine,
    LogLine,
    OutcomeLine,
    RequestLine,
    ServableLine,
    ShownLine,
    UserLine,
    parse_line,
    user_digest,
    written,
)
from components.ingest.source import read_source
from flows.stages import decisions
from flows.stages.decisions import take_decisions
from flows.stages.forget import forget
from flows.stages.ingest import ingest_tables
from flows.workspace import Workspace
from tests.conftest import TinySource
from tests.warehouse.frames import matured, requests
from warehouse import facts, query, segments
from warehouse.connect import Warehouse, connect

AT = 1_767_225_600_000_000
ITEMS = ("heat", "alien", "brazil")


def request(name: str, user: str = "ann", at: int = AT, eligible: tuple[str, ...] | None = None) -> RequestLine:
    shown = ShownLine(f"{name}-0", "heat", 0, 0.5, 0.1, 0.1), ShownLine(f"{name}-1", "alien", 1, 0.5, 0.1, 0.1)
    return RequestLine(name, user, at, 1, {"page": "home"}, eligible, shown)


def outcome(name: str, at: int = AT + 9, reward: float = 1.0) -> OutcomeLine:
    return OutcomeLine(name, "like", 1, reward, at)


NAMED = ServableLine(1, ITEMS)
LOG: dict[str, tuple[LogLine, ...]] = {
    "2026-01-01-7-1": (NAMED, request("r1"), request("r2", "bob", AT + 1, ("heat", "alien")), outcome("r1-0")),
    "2026-01-01-8-2": (NAMED, request("r3", "cid", AT + 2), ItemLine("heat", AT + 3, {"kinds": "g1"}), outcome("r2-1")),
    "2026-01-02-7-3": (
        NAMED,
        request("r4", "dan", AT + 4),
        ItemLine("heat", AT + 5, {}, True),
        UserLine("dan", AT + 6, {}),
    ),
}


@pytest.fixture
def home(tmp_path: Path, tiny: TinySource) -> Workspace:
    return empty(tmp_path / "home", tiny)


def empty(root: Path, tiny: TinySource) -> Workspace:
    (root / "decisions").mkdir(parents=True)
    (root / "source.toml").write_bytes(tiny.description.read_bytes())
    return Workspace(root)


def put(home: Workspace, file: str, *lines: LogLine | bytes) -> Path:
    path = home.decisions / f"{file}.jsonl"
    with path.open("ab") as log:
        for line in lines:
            log.write(line if isinstance(line, bytes) else written(line))
    return path


def warehouse(home: Workspace) -> Warehouse:
    return Warehouse(home.database, "tiny")


def rows(home: Workspace) -> dict[str, list[dict[str, object]]]:
    """What is in the warehouse, without which reading brought it, in order."""
    ordered = {
        "requests": "request_id",
        "impressions": "impression_id",
        "outcomes": "impression_id, kind",
        "items": "item_id",
        "users": "user_id",
        "catalogues": "catalogue",
    }
    with connect(home.database) as connection:
        found = {t: connection.execute(f"select * from {t} order by {by}").df() for t, by in ordered.items()}
    return {
        name: frame.drop(columns="batch", errors="ignore")
        .astype(object)
        .where(frame.notna(), None)
        .astype(str)
        .to_dict("records")
        for name, frame in found.items()
    }


def counted(home: Workspace) -> tuple[int, int, int]:
    return tuple(len(rows(home)[name]) for name in ("requests", "impressions", "outcomes"))  # type: ignore[return-value]


def whole_log(home: Workspace) -> None:
    for file, lines in LOG.items():
        put(home, file, *lines)


def test_however_the_log_is_cut_into_readings_the_same_rows_are_there(tmp_path: Path, tiny: TinySource) -> None:
    once = empty(tmp_path / "once", tiny)
    whole_log(once)
    assert take_decisions(once) is not None
    assert counted(once) == (4, 8, 2)
    by_line = empty(tmp_path / "by-line", tiny)
    for file, lines in LOG.items():
        for line in lines:
            half = written(line)[:7]
            put(by_line, file, half)
            take_decisions(by_line)
            put(by_line, file, written(line)[7:])
            assert take_decisions(by_line) is not None
    assert rows(by_line) == rows(once)
    assert take_decisions(by_line) is None and take_decisions(once) is None


@pytest.mark.parametrize("span", [1, 400, 700])
def test_a_long_log_comes_in_by_transactions_of_bounded_size(
    home: Workspace, tmp_path: Path, tiny: TinySource, span: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_log(home)
    take_decisions(home)
    again = empty(tmp_path / "again", tiny)
    whole_log(again)
    monkeypatch.setattr(decisions, "SPAN", span)
    taken = take_decisions(again)
    assert taken is not None and taken.rows == 8
    assert rows(again) == rows(home)


def test_an_item_taken_off_the_shelf_keeps_what_was_said_of_it_in_the_same_reading(home: Workspace) -> None:
    whole_log(home)
    take_decisions(home)
    (item,) = rows(home)["items"]
    assert item["attributes"] == '{"kinds": "g1"}' and item["hidden"] == "True"


WRITES = (
    "01_ingest/append_logged_requests",
    "01_ingest/append_logged_impressions",
    "01_ingest/append_outcomes",
    "01_ingest/upsert_items",
    "01_ingest/append_catalogues",
    "01_ingest/record_segment",
    "01_ingest/record_reading",
)


def killed_after(at: str, real: Callable[..., object]) -> Callable[..., object]:
    def killed(connection: object, name: str, *rest: object, **parameters: object) -> object:
        found = real(connection, name, *rest, **parameters)
        if name == at:
            raise KeyboardInterrupt
        return found

    return killed


@pytest.mark.parametrize("at", WRITES)
def test_killed_inside_the_transaction_nothing_is_lost_and_nothing_twice(
    home: Workspace, at: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(home, "2026-01-01-7-1", *LOG["2026-01-01-7-1"])
    take_decisions(home)
    before = rows(home)
    whole = empty_copy(home)
    for file in ("2026-01-01-8-2", "2026-01-02-7-3"):
        put(home, file, *LOG[file])
        put(whole, file, *LOG[file])
    for way in ("execute", "frame"):
        monkeypatch.setattr(query, way, killed_after(at, getattr(query, way)))
    with pytest.raises(KeyboardInterrupt):
        take_decisions(home)
    monkeypatch.undo()
    assert rows(home) == before
    take_decisions(home)
    take_decisions(whole)
    assert rows(home) == rows(whole)
    assert counted(home) == (4, 8, 2) and take_decisions(home) is None


def empty_copy(home: Workspace) -> Workspace:
    other = Workspace(home.root.with_name("copy"))
    other.decisions.mkdir(parents=True)
    (other.root / "source.toml").write_bytes(home.source.read_bytes())
    for path in home.decisions.iterdir():
        (other.decisions / path.name).write_bytes(path.read_bytes())
    return other


def test_a_few_outcomes_beside_a_long_log_cost_what_a_few_outcomes_cost(
    home: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        put(home, f"2026-01-0{number + 1}-7-1", NAMED, *(request(f"q{number}x{n}", at=AT + n) for n in range(500)))
    take_decisions(home)
    parsed: list[bytes] = []
    read: list[int] = []

    def parse(raw: bytes) -> LogLine:
        parsed.append(raw)
        return parse_line(raw)

    class Counting:
        """A file that counts the bytes which are read of it."""

        def __init__(self, file: object) -> None:
            self.file = file

        def read(self, size: int) -> bytes:
            found: bytes = self.file.read(size)  # type: ignore[attr-defined]
            read.append(len(found))
            return found

        def __enter__(self) -> "Counting":
            return self

        def __exit__(self, *_: object) -> None:
            self.file.close()  # type: ignore[attr-defined]

        def __getattr__(self, name: str) -> object:
            return getattr(self.file, name)

    real = Path.open

    def opened(self: Path, *mode: object, **rest: object) -> object:
        file = real(self, *mode, **rest)  # type: ignore[call-overload]
        return Counting(file) if self.suffix == ".jsonl" else file

    new = [outcome(f"q1x{n}-0") for n in range(10)]
    put(home, "2026-01-03-7-1", *new)
    monkeypatch.setattr(log_columns, "parse_line", parse)
    monkeypatch.setattr(Path, "open", opened)
    taken = take_decisions(home)
    forget(home)
    assert taken is not None and taken.new
    assert parsed == [written(line)[:-1] for line in new]
    assert sum(read) <= sum(len(written(line)) for line in new) + 4_096, "the new bytes, and the last few before them"
    assert counted(home)[2] == 10


def test_of_two_outcomes_the_first_by_time_counts_whichever_was_read_first(home: Workspace) -> None:
    put(home, "2026-01-01-7-1", NAMED, request("r1"))
    put(home, "2026-01-01-8-2", outcome("r1-0", AT + 50, 0.0))
    take_decisions(home)
    put(home, "2026-01-01-7-1", outcome("r1-0", AT + 20, 1.0), outcome("r1-1", AT + 20, 1.0))
    take_decisions(home)
    put(home, "2026-01-01-8-2", outcome("r1-0", AT + 90, 0.0), outcome("r1-1", AT + 20, 0.0))
    take_decisions(home)
    found = {r["impression_id"]: (r["reward"], r["outcome_at"][-2:]) for r in rows(home)["outcomes"]}  # type: ignore[index]
    assert found == {"r1-0": ("1.0", "20"), "r1-1": ("0.0", "20")}


def test_an_outcome_finds_the_request_that_an_earlier_reading_took(home: Workspace) -> None:
    put(home, "2026-01-01-7-1", NAMED, request("r1"))
    take_decisions(home)
    put(home, "2026-01-02-7-3", outcome("r1-1"))
    take_decisions(home)
    from components.domain import Window

    known = matured(warehouse(home), Window(0, AT * 2), facts.Maturing("like", None))
    assert known["impression_id"].tolist() == ["r1-1"] and known["reward"].tolist() == [1.0]


def test_an_outcome_that_several_processes_accepted_counts_once_the_first_by_time(home: Workspace) -> None:
    put(home, "2026-01-01-7-1", NAMED, request("r1"), outcome("r1-0"), outcome("r1-0"))
    put(home, "2026-01-01-8-1", outcome("r1-0"))
    take_decisions(home)
    assert len(rows(home)["outcomes"]) == 1


def test_a_home_of_before_takes_no_decision_twice(home: Workspace) -> None:
    whole_log(home)
    source = read_source(home.source)
    ingest_tables(home, source, read_decision_log(sorted(home.decisions.iterdir())), "log")
    before = counted(home)
    put(home, "2026-01-02-7-3", request("r5", at=AT + 9), outcome("r5-0"))
    taken = take_decisions(home)
    assert taken is not None and taken.duplicates == 8 and taken.rows == 10
    assert counted(home) == (before[0] + 1, before[1] + 2, before[2] + 1)
    assert take_decisions(home) is None


def test_the_servable_items_are_stored_once_and_every_request_refers_to_them(home: Workspace) -> None:
    put(home, "2026-01-01-7-1", NAMED, *(request(f"r{n}", at=AT + n) for n in range(5)))
    take_decisions(home)
    put(home, "2026-01-01-7-1", request("r5", at=AT + 5), request("r6", at=AT + 6, eligible=("heat", "alien")))
    put(home, "2026-01-02-7-1", ServableLine(1, (*ITEMS, "clue")), request("r7", at=AT + 7))
    take_decisions(home)
    assert len(rows(home)["catalogues"]) == 2
    with connect(home.database) as connection:
        own = connection.execute("select request_id, eligible from requests where eligible is not null").fetchall()
    assert own == [("r6", ["heat", "alien"])]
    read = requests(warehouse(home), *(f"r{n}" for n in range(8)))
    sets = read.set_index("request_id")["eligible"]
    assert "eligible_of" not in read
    assert all(sets[f"r{n}"].tolist() == list(ITEMS) for n in range(6))
    assert sets["r6"].tolist() == ["heat", "alien"] and sets["r7"].tolist() == [*ITEMS, "clue"]


def test_a_long_list_that_many_requests_name_themselves_is_stored_once(home: Workspace) -> None:
    long = (*ITEMS, *(f"i{n}" for n in range(log_columns.LONG)))
    put(home, "2026-01-01-7-1", *(request(f"r{n}", at=AT + n, eligible=long) for n in range(3)))
    take_decisions(home)
    put(home, "2026-01-01-7-1", request("r3", at=AT + 3, eligible=long), request("r4", at=AT + 4, eligible=ITEMS))
    take_decisions(home)
    assert len(rows(home)["catalogues"]) == 1
    read = requests(warehouse(home), "r0", "r3", "r4").set_index("request_id")["eligible"]
    assert [list(read[name]) for name in ("r0", "r3", "r4")] == [list(long), list(long), list(ITEMS)]


def test_the_servable_items_that_a_file_names_last_are_those_of_what_follows(home: Workspace) -> None:
    put(home, "2026-01-01-7-1", NAMED, request("r1"), ServableLine(1, ITEMS[:2]), request("r2", at=AT + 1))
    take_decisions(home)
    put(home, "2026-01-01-7-1", request("r3", at=AT + 2))
    take_decisions(home)
    read = requests(warehouse(home), "r1", "r2", "r3").set_index("request_id")["eligible"]
    assert [len(read[name]) for name in ("r1", "r2", "r3")] == [3, 2, 2]


def test_a_broken_record_in_the_middle_is_named_and_kept_aside_and_the_rest_is_read(home: Workspace) -> None:
    flipped = written(request("r2", "bob", AT + 1)).replace(b"bob", b"bub")
    first = written(NAMED) + written(request("r1"))
    path = put(home, "2026-01-01-7-1", first, flipped, b"\x00\x00\n", b"\n", outcome("r1-0"))
    taken = take_decisions(home)
    assert taken is not None and taken.set_aside == 3
    assert counted(home) == (1, 2, 1)
    said = [str(broken) for broken in segments.broken_records(warehouse(home))]
    assert said[0].startswith(f"{path.name}, line 3: the line is not as it was written: its CRC-32 is")
    assert said[0].endswith(f"(byte {len(first)})") and "line 4: " in said[1] and "line 5: " in said[2]
    with connect(home.database) as connection:
        kept = connection.execute("select raw from broken_records order by line").fetchall()
    assert [row[0] for row in kept] == [flipped[:-1], b"\x00\x00", b""]
    assert take_decisions(home) is None, "it is told once"


def test_a_broken_record_is_told_by_one_turn_also_when_it_is_run_again(home: Workspace) -> None:
    put(home, "2026-01-01-7-1", NAMED, b"{}\n", request("r1"))
    take_decisions(home)
    w = warehouse(home)
    for cutoff, told in ((AT + 100, 1), (AT + 100, 1), (AT + 200, 0)):
        segments.tell_broken(w, cutoff)
        assert len(segments.told_broken(w, cutoff)) == told


def test_requests_after_a_broken_line_of_servable_items_have_those_of_their_generation(home: Workspace) -> None:
    """Where another file names them; else they are learned from, judge nobody, and that is said."""
    broken = written(NAMED).replace(b"alien", b"aliem")
    put(home, "2026-01-01-7-1", broken, request("r1"), request("r2", at=AT + 1))
    take_decisions(home)
    said = [str(one) for one in segments.broken_records(warehouse(home))]
    assert "line 1: the line is not as it was written" in said[0]
    assert "line 2: what was eligible is not known of 2 requests from here on" in said[1]
    assert "generation 1" in said[1]
    put(home, "2026-01-01-8-2", NAMED)
    put(home, "2026-01-01-7-1", request("r3", at=AT + 2))
    take_decisions(home)
    read = requests(warehouse(home), "r1", "r2", "r3").set_index("request_id")["eligible"]
    assert read["r1"] is None and read["r2"] is None and read["r3"].tolist() == list(ITEMS)


def test_a_file_that_shrank_is_told_in_one_line_and_nothing_is_read(home: Workspace) -> None:
    whole_log(home)
    take_decisions(home)
    before = rows(home)
    path = home.decisions / "2026-01-01-7-1.jsonl"
    path.write_bytes(path.read_bytes()[:-20])
    put(home, "2026-01-02-7-3", request("r9", at=AT + 9))
    with pytest.raises(ContractBroken, match=r"7-1.jsonl has \d+ bytes, \d+ of it are in the warehouse") as told:
        take_decisions(home)
    assert "\n" not in str(told.value) and rows(home) == before


@pytest.mark.parametrize("grown", [False, True])
@pytest.mark.parametrize("place", ["first", "last"])
def test_a_file_whose_taken_bytes_changed_is_told_in_one_line(home: Workspace, place: str, grown: bool) -> None:
    path = put(home, "2026-01-01-7-1", NAMED, *(request(f"r{n}", at=AT + n) for n in range(40)))
    take_decisions(home)
    content = path.read_bytes()
    name = b'"r0"' if place == "first" else b'"r39"'
    path.write_bytes(content.replace(name, name.replace(b"r", b"s")))
    os.utime(path, ns=(1, 1))
    if grown:
        put(home, "2026-01-01-7-1", outcome("r1-0"))
        if place == "first":  # found where the file rests: reading all of it at every reading would cost all of it
            take_decisions(home)
            os.utime(path, ns=(2, 2))
    with pytest.raises(ContractBroken, match=r"was changed within the .* bytes that are in the warehouse") as told:
        take_decisions(home)
    assert "\n" not in str(told.value)


def test_a_copy_of_the_files_with_other_instants_is_the_same_log(home: Workspace) -> None:
    whole_log(home)
    take_decisions(home)
    for path in home.decisions.iterdir():
        os.utime(path, ns=(5, 5))
    taken = take_decisions(home)
    assert taken is not None and not taken.new and taken.rows == 0
    assert take_decisions(home) is None


def test_forgetting_somebody_is_no_change_of_the_log(home: Workspace) -> None:
    whole_log(home)
    take_decisions(home)
    put(home, "2026-01-02-7-3", ForgetLine(user_digest("bob"), AT + 50, "bob"))
    take_decisions(home)
    made = forget(home)
    assert made is not None and made.decision_log == 3 and made.warehouse["requests"] == 1
    assert take_decisions(home) is None and forget(home) is None
    put(home, "2026-01-01-7-1", outcome("r1-1"))
    assert take_decisions(home) is not None
    assert [r["user_id"] for r in rows(home)["requests"]] == ["ann", "cid", "dan"]


def test_a_cut_between_overwriting_lines_and_entering_it_is_finished_by_the_next_reading(
    home: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole_log(home)
    put(home, "2026-01-02-7-3", ForgetLine(user_digest("bob"), AT + 50, "bob"))
    take_decisions(home)

    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("flows.stages.forget.settle_redacted", cut)
    with pytest.raises(KeyboardInterrupt):
        forget(home)
    monkeypatch.undo()
    assert all(b"bob" not in path.read_bytes() for path in home.decisions.glob("*.jsonl"))
    assert take_decisions(home) is None
    assert forget(home) is not None, "it goes on until all of it is done"
    assert forget(home) is None


def test_a_broken_line_that_names_somebody_goes_with_them(home: Workspace) -> None:
    flipped = written(request("r2", "bob", AT + 1)).replace(b"alien", b"aliem")
    path = put(home, "2026-01-01-7-1", NAMED, request("r1"), flipped, ForgetLine(user_digest("bob"), AT + 50, "bob"))
    take_decisions(home)
    size = path.stat().st_size
    forget(home)
    with connect(home.database) as connection:
        assert connection.execute("select count(*) from broken_records").fetchone() == (0,)
    assert b"bob" not in path.read_bytes() and path.stat().st_size == size
    assert take_decisions(home) is None


def test_the_log_of_a_service_that_does_not_know_its_source_yet_waits(tmp_path: Path) -> None:
    home = Workspace(tmp_path)
    assert take_decisions(home) is None
    home.decisions.mkdir()
    put(home, "2026-01-01-7-1", NAMED)
    assert take_decisions(home) is None


def test_a_log_that_is_taken_as_frames_and_by_segments_has_the_same_facts(
    home: Workspace, tmp_path: Path, tiny: TinySource
) -> None:
    whole_log(home)
    take_decisions(home)
    frames = empty(tmp_path / "frames", tiny)
    ingest_tables(frames, read_source(frames.source), read_decision_log(sorted(home.decisions.iterdir())), "log")
    one, other = (requests(warehouse(h), "r1", "r2", "r3", "r4") for h in (home, frames))
    eligible = [frame.pop("eligible").map(list).tolist() for frame in (one, other)]
    assert eligible[0] == eligible[1]
    pd.testing.assert_frame_equal(one, other)
    assert rows(home)["impressions"] == rows(frames)["impressions"]
    assert rows(home)["outcomes"] == rows(frames)["outcomes"]
