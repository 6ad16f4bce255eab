"""The decision log: whole lines, one file per process and day, nothing half-written."""

import resource

import pytest

from bento.decision_log import DecisionLog
from bento.log import Earned
from components.domain import DAY, Transient
from components.ingest.log_lines import LineBroken, OutcomeLine, ServableLine, parse_line, written
from components.ingest.log_tail import LogTail

AT = 20_000 * DAY


def note(n):
    return OutcomeLine(impression_id="i", kind="x", value=n, reward=0.0, at=AT)


def files(home):
    return sorted((home / "decisions").iterdir())


def test_nothing_is_made_before_the_first_line(tmp_path):
    log = DecisionLog(tmp_path, 1)
    log.sync()
    log.close()
    assert list(tmp_path.iterdir()) == []
    assert list(LogTail(tmp_path, AT, parse_line).lines()) == []


def test_each_process_and_each_day_has_a_file_of_its_own(tmp_path):
    first, second = DecisionLog(tmp_path, 1), DecisionLog(tmp_path, 2)
    for log in (first, second):
        log.append(note(1), AT)
        log.append(note(2), AT + 1)
        log.append(note(3), AT + DAY)
        log.close()
    assert [f.name for f in files(tmp_path)] == [
        f"2024-10-04-1-{AT}.jsonl",
        f"2024-10-04-2-{AT}.jsonl",
        f"2024-10-05-1-{AT + DAY}.jsonl",
        f"2024-10-05-2-{AT + DAY}.jsonl",
    ]
    assert files(tmp_path)[0].read_bytes() == b"".join(written(note(n)) for n in (1, 2))


def test_a_tail_hands_out_each_line_once_and_only_when_it_is_whole(tmp_path):
    log, tail = DecisionLog(tmp_path, 1), LogTail(tmp_path, AT, parse_line)
    log.append(note(1), AT)
    assert [line.value for line in tail.lines()] == [1]
    assert list(tail.lines()) == []
    (path,) = files(tmp_path)
    with path.open("ab") as file:
        half = written(note(2)).rstrip()
        file.write(half[:9])
        file.flush()
        assert list(tail.lines()) == []
        file.write(half[9:] + b"\n[]\nnonsense\n")
    assert [line.value for line in tail.lines()] == [2]


def test_a_tail_reads_lines_longer_than_its_blocks_and_across_them(tmp_path, monkeypatch):
    monkeypatch.setattr("components.ingest.log_tail.BLOCK", 7)
    log, tail = DecisionLog(tmp_path, 1), LogTail(tmp_path, AT, parse_line)
    for n in range(5):
        log.append(note(n), AT)
        assert [line.value for line in tail.lines()] == [n]
    with files(tmp_path)[0].open("ab") as file:
        file.write(written(note(9))[:-5])
    assert list(tail.lines()) == []
    assert [line.value for line in LogTail(tmp_path, AT, parse_line).lines()] == [0, 1, 2, 3, 4]


def test_a_tail_starts_at_its_day(tmp_path):
    log = DecisionLog(tmp_path, 1)
    for day in range(3):
        log.append(note(day), AT + day * DAY)
    assert [line.value for line in LogTail(tmp_path, AT + DAY + 5, parse_line).lines()] == [1, 2]


def test_a_clock_that_is_set_back_over_midnight_loses_nothing(tmp_path):
    log = DecisionLog(tmp_path, 1)
    for n, at in enumerate((AT - 1, AT, AT - 1, AT)):
        log.append(note(n), at)
    assert [f.read_text().count("\n") for f in files(tmp_path)] == [1, 3]


def test_a_full_disk_leaves_no_part_of_a_line_and_the_log_goes_on_afterwards(tmp_path):
    log = DecisionLog(tmp_path, 1)
    log.append(note(1), AT)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(written(note(1))) + 20, hard))
    try:
        with pytest.raises(Transient, match=r"cannot write the decision log in .*decisions: File too large"):
            log.append(ServableLine(generation=1, items=("x" * 100,)), AT)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    log.append(note(2), AT)
    (path,) = files(tmp_path)
    assert [parse_line(line) for line in path.read_bytes().splitlines()] == [note(1), note(2)]


def test_servable_items_are_named_once_per_generation_and_file(tmp_path):
    log = DecisionLog(tmp_path, 1)
    for at in (AT, AT + 1, AT + DAY):
        log.append(note(1), at, ServableLine(7, ("a", "b")))
    log.append(note(1), AT + DAY, ServableLine(8, ("a",)))
    assert [f.read_text().count("servable") for f in files(tmp_path)] == [1, 2]


def test_what_is_no_number_is_not_logged(tmp_path):
    with pytest.raises(ValueError, match="finite number"):
        written(OutcomeLine(impression_id="i", kind="x", value=1, reward=float("nan"), at=AT))


def test_a_full_file_is_closed_and_what_a_line_refers_to_stands_in_its_own(tmp_path):
    most = 3 * len(written(note(1)))
    log, tail = DecisionLog(tmp_path, 1, most), LogTail(tmp_path, AT, parse_line)
    named, seen = ServableLine(7, ("a",)), []
    for n in range(20):
        log.append(note(n), AT, named)
        seen += [line.value for line in tail.lines() if isinstance(line, OutcomeLine)]
    log.close()
    assert seen == list(range(20)) and len(files(tmp_path)) > 6
    for path in files(tmp_path):
        lines = path.read_bytes().splitlines()
        assert isinstance(parse_line(lines[0]), ServableLine) and path.stat().st_size <= most + len(written(named))
    assert [line.value for line in LogTail(tmp_path, AT, parse_line).lines() if isinstance(line, OutcomeLine)] == seen


def test_a_file_of_the_day_before_is_not_opened_again_by_a_clock_set_back(tmp_path):
    log = DecisionLog(tmp_path, 1, 1)
    for at in (AT + DAY, AT, AT, AT + DAY):
        log.append(note(1), at)
    assert all(path.name.startswith("2024-10-05") for path in files(tmp_path)) and len(files(tmp_path)) == 4


def test_a_damaged_line_is_told_from_one_that_was_written_so(tmp_path, caplog):
    whole = written(note(1)).rstrip()
    assert parse_line(whole) == note(1)
    plain = whole[: -len(',"crc":"00000000"}')] + b"}"
    assert parse_line(plain) == note(1), "logs of before have no check"
    for at in range(len(whole) - 2):
        flipped = whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :]
        with pytest.raises(LineBroken):
            parse_line(flipped)
    log = DecisionLog(tmp_path, 1)
    log.append(note(1), AT)
    log.append(note(2), AT)
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes().replace(b'"value":1', b'"value":3'))
    assert [line.value for line in LogTail(tmp_path, AT, parse_line).lines()] == [2]
    assert "not as it was written" in caplog.text


def test_a_line_that_a_failed_sync_may_have_lost_is_not_acknowledged_by_the_next_one(tmp_path, monkeypatch):
    log = DecisionLog(tmp_path, 1)
    lost = log.append(note(1), AT)
    with monkeypatch.context() as patch:
        patch.setattr("bento.decision_log.os.fsync", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        with pytest.raises(Transient, match="Input/output error"):
            log.sync()
    log.sync()  # what a caller waits for who comes a moment late
    kept = log.append(note(2), AT + 1)
    log.sync()
    with pytest.raises(Transient):
        lost.settled()
    assert kept.settled() is None


def test_the_first_outcome_stands_and_who_comes_later_is_told_it(tmp_path):
    log = DecisionLog(tmp_path, 1, several=True)
    first = log.tell(note(1), lambda: None)
    second = log.tell(note(2), lambda: Earned(1.0, 0.5))
    log.sync()
    assert (first.settled(), second.settled()) == (None, Earned(1.0, 0.5))
    assert len(files(tmp_path)[-1].read_bytes().splitlines()) == 1
