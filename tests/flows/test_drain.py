"""A stream becomes files of the log, each entry once, whatever is killed; and only then it is trimmed."""

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from components.domain import DAY, ContractBroken, Transient
from components.ingest.archive import archived_lines, archives
from components.ingest.log_lines import (
    ForgetLine,
    GoneLine,
    ItemLine,
    LogLine,
    OutcomeLine,
    RequestLine,
    ServableLine,
    UserLine,
    parse_line,
    user_digest,
    written,
)
from components.ingest.log_stream import LINE, START, EntryId
from components.ingest.log_tail import LogTail
from components.ingest.stream_files import last_drained
from flows.archive import archive
from flows.stages import drain as draining
from flows.stages import forget_in_stream as forgetting
from flows.stages import trim as trimming
from flows.stages.decisions import take_decisions
from flows.stages.drain import drain
from flows.stages.forget import ask_to_forget, forget
from flows.stages.trim import trim
from flows.workspace import Workspace
from tests.broker import Broker, needs_redis
from tests.conftest import ROOT, TinySource
from tests.flows.test_decisions import AT, NAMED, counted, empty, outcome, request, rows, warehouse

pytestmark = needs_redis


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    broker = Broker(tmp_path_factory.mktemp("redis"))
    yield broker
    broker.stop()


@pytest.fixture
def broker(server: Broker) -> Broker:
    server.client.execute_command("FLUSHALL")
    return server


@pytest.fixture
def home(tmp_path: Path, tiny: TinySource, broker: Broker) -> Workspace:
    home = empty(tmp_path / "home", tiny)
    home.settings.write_text(f'[log]\nurl = "{broker.url}"\n')
    return home


def add(broker: Broker, at: int, *lines: LogLine | bytes) -> None:
    """Entries of one instant of the server."""
    for line in lines:
        raw = line if isinstance(line, bytes) else written(line)
        broker.client.execute_command("XADD", "evercurrent", f"{at // 1000}-*", LINE, raw)


def name(broker: Broker, line: ServableLine = NAMED) -> None:
    broker.client.execute_command("HSETNX", "evercurrent:servable", line.generation, written(line))


def in_stream(broker: Broker) -> list[LogLine]:
    return [parse_line(e.raw[:-1]) for e in broker.stream.page(broker.client, START, EntryId(1 << 60, 0), 100_000)]


def files(home: Workspace) -> list[Path]:
    return sorted(home.decisions.glob("*.jsonl"))


def drained(home: Workspace) -> list[LogLine]:
    return [parse_line(raw) for path in files(home) for raw in path.read_bytes().splitlines() if raw.strip()]


def outcomes(home: Workspace) -> list[str]:
    return [line.impression_id for line in drained(home) if isinstance(line, OutcomeLine)]


def test_a_home_whose_log_is_files_has_nothing_to_drain(tmp_path: Path, tiny: TinySource) -> None:
    home = empty(tmp_path / "home", tiny)
    assert drain(home) is None
    assert trim(home, warehouse(home)) == 0


def test_an_empty_stream_makes_no_file(home: Workspace) -> None:
    made = drain(home)
    assert made is not None and (made.files, made.entries, made.last) == (0, 0, "0-0")
    assert files(home) == []


def test_entries_become_a_file_per_day_that_names_what_its_requests_refer_to(home: Workspace, broker: Broker) -> None:
    name(broker)
    add(broker, AT, request("r1"), request("r2", "bob", AT + 1, ("heat",)))
    add(broker, AT + DAY, outcome("r1-0", AT + DAY), b"no line of the log\n")
    add(broker, AT + DAY, request("r3", "cid", AT + DAY))
    made = drain(home)
    assert made is not None and (made.files, made.entries) == (2, 5)
    ms, next_ms = AT // 1000, (AT + DAY) // 1000
    assert [path.name for path in files(home)] == [
        f"2026-01-01-stream-evercurrent-{ms}-000000-{ms}-000001.jsonl",
        f"2026-01-02-stream-evercurrent-{next_ms}-000000-{next_ms}-000002.jsonl",
    ]
    assert files(home)[0].read_bytes() == written(NAMED) + written(request("r1")) + written(
        request("r2", "bob", AT + 1, ("heat",))
    )
    assert files(home)[1].read_bytes().startswith(written(NAMED))
    assert b"no line of the log\n" in files(home)[1].read_bytes(), "ingest tells of it"
    assert drain(home) == made.model_copy(update={"files": 0, "entries": 0}), "nothing twice"


def test_what_is_taken_of_a_stream_is_what_is_taken_of_files(home: Workspace, broker: Broker, tiny: TinySource) -> None:
    lines = [request("r1"), request("r2", "bob", AT + 1, ("heat", "alien")), outcome("r1-0"), UserLine("ann", AT, {})]
    name(broker)
    add(broker, AT, *lines)
    assert take_decisions(home) is not None
    other = empty(home.root.parent / "other", tiny)
    (other.decisions / "2026-01-01-1-1.jsonl").write_bytes(b"".join(map(written, [NAMED, *lines])))
    take_decisions(other)
    assert rows(home) == rows(other)
    add(broker, AT + 1000, outcome("r2-1"))
    take_decisions(home)
    assert counted(home) == (2, 4, 2)
    assert take_decisions(home) is None


class Cut(BaseException):
    """A process that ends here."""


STEPS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "before a file": lambda patch: patch.setattr(draining, "write_durably", _cut_before),
    "after a file": lambda patch: patch.setattr(draining, "write_durably", _cut_after),
    "within a file": lambda patch: patch.setattr("components.whole_file._sync", _cut_before),
    "before the trim": lambda patch: patch.setattr("flows.stages.decisions.trim", _cut_before),
}
WRITE = draining.write_durably


def _cut_before(*_: object, **__: object) -> None:
    raise Cut


def _cut_after(path: Path, content: bytes) -> None:
    WRITE(path, content)
    raise Cut


@pytest.mark.parametrize("step", STEPS)
def test_a_cut_at_any_step_loses_nothing_and_repeats_nothing(home: Workspace, broker: Broker, step: str) -> None:
    name(broker)
    for n in range(4):
        add(broker, AT + n * DAY, request(f"r{n}", at=AT + n * DAY), outcome(f"r{n}-0", AT + n * DAY + 9))
    for n in range(3):  # cut three times, with more in the stream each time
        with pytest.MonkeyPatch.context() as patch:
            STEPS[step](patch)
            with pytest.raises(Cut):
                take_decisions(home)
        add(broker, AT + 4 * DAY + n, request(f"s{n}", at=AT + 4 * DAY + n), outcome(f"s{n}-0", AT + 4 * DAY + n))
    take_decisions(home)
    assert sorted(outcomes(home)) == sorted([f"r{n}-0" for n in range(4)] + [f"s{n}-0" for n in range(3)])
    assert counted(home) == (7, 14, 7)
    assert not list(home.decisions.glob(".*.part"))


def test_a_drain_that_is_killed_again_and_again_while_lines_come_brings_each_once(
    home: Workspace, broker: Broker
) -> None:
    code = (
        "import sys; from pathlib import Path; from flows.stages import drain; from flows.workspace import Workspace\n"
        "drain.FILE_BYTES = 2_000\nprint('ready', flush=True)\nwhile True: drain.drain(Workspace(Path(sys.argv[1])))"
    )
    dice, told = random.Random(7), 0
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    for _ in range(4):
        command = [sys.executable, "-c", code, str(home.root)]
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline() == b"ready\n"
        end = time.monotonic() + dice.uniform(0.1, 0.4)
        while time.monotonic() < end:
            add(broker, AT + told * 1000, *(outcome(f"r{told}-{n}") for n in range(20)))
            told += 1
        process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
    drain(home)
    assert outcomes(home) == [f"r{t}-{n}" for t in range(told) for n in range(20)]
    assert len(files(home)) > 3


def test_a_full_disk_stops_the_drain_in_one_line_and_the_next_one_goes_on(
    home: Workspace, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(broker, AT, outcome("r1-0"))
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", lambda *_: (_ for _ in ()).throw(OSError(28, "No space left on device")))
        with pytest.raises(Transient, match="No space left"):
            drain(home)
    assert files(home) == []
    drain(home)
    assert outcomes(home) == ["r1-0"]


def test_a_broker_that_is_away_is_told_in_one_line_and_nothing_is_taken(
    home: Workspace, broker: Broker, tmp_path: Path
) -> None:
    away = broker.url.replace(f":{broker.port}", ":1")
    home.settings.write_text(f'[log]\nurl = "{away.replace("//", "//:secret@")}"\n')
    with pytest.raises(Transient, match=r"redis://127.0.0.1:1/0 does not answer") as news:
        take_decisions(home)
    assert "secret" not in str(news.value)


@pytest.mark.parametrize("url", ["environment:SECRET_LOG", "file:secrets/log"])
def test_the_address_is_read_where_the_settings_say_and_never_said(
    home: Workspace, broker: Broker, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    home.settings.write_text(f'[log]\nurl = "{url}"\nstream = "other"\n')
    with pytest.raises(ContractBroken, match="and nothing is there; see docs"):
        drain(home)
    (home.root / "secrets").mkdir()
    for told in ("http://:secret@nowhere", broker.url):
        monkeypatch.setenv("SECRET_LOG", told)
        (home.root / "secrets" / "log").write_text(f"{told}\n")
        if told != broker.url:
            with pytest.raises(ContractBroken, match="allowed is redis://") as news:
                drain(home)
            assert "secret@" not in str(news.value)
    broker.client.execute_command("XADD", "other", "1767225600000-0", LINE, written(outcome("r1-0")))
    assert drain(home) is not None
    assert files(home)[0].name.startswith("2026-01-01-stream-other-")


def test_a_home_that_is_not_told_of_the_stream_leaves_it_alone(
    home: Workspace, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EVERCURRENT_LOG", broker.url)
    home.settings.unlink()
    add(broker, AT, outcome("r1-0"))
    assert drain(home) is None and files(home) == []


def test_a_second_home_and_one_that_lost_its_files_are_refused_before_they_take_anything(
    home: Workspace, broker: Broker, tiny: TinySource
) -> None:
    add(broker, AT, outcome("r1-0"))
    drain(home)
    add(broker, AT + 1000, outcome("r2-0"))
    other = empty(home.root.parent / "other", tiny)
    other.settings.write_bytes(home.settings.read_bytes())
    with pytest.raises(ContractBroken, match="another home drains it, or files of this one are gone; one home is"):
        take_decisions(other)
    assert files(other) == [] and len(in_stream(broker)) == 2
    drain(home)
    for file in files(home):
        file.unlink()
    with pytest.raises(ContractBroken, match="DEL evercurrent:drained"):
        drain(home)
    broker.client.execute_command("DEL", "evercurrent:drained")
    drain(home)
    assert outcomes(home) == ["r1-0", "r2-0"]


def test_a_stream_that_ends_before_what_was_drained_of_it_is_another_one(home: Workspace, broker: Broker) -> None:
    add(broker, AT + DAY, outcome("r1-0"))
    drain(home)
    broker.client.execute_command("FLUSHALL")
    assert drain(home) is not None, "empty is not wrong"
    add(broker, AT, outcome("r2-0"))
    with pytest.raises(ContractBroken, match="it is another stream, or its server's clock was set back"):
        drain(home)


def test_draining_goes_on_behind_what_was_archived(home: Workspace, broker: Broker) -> None:
    add(broker, AT, outcome("r1-0"))
    take_decisions(home)
    last = last_drained(home.root, "evercurrent")
    archive(home, warehouse(home), files(home)[0].name)
    assert files(home) == [] and last_drained(home.root, "evercurrent") == last != START
    add(broker, AT + 1000, outcome("r2-0"))
    take_decisions(home)
    assert outcomes(home) == ["r2-0"]
    (archived,) = archives(home.root).values()
    assert list(archived_lines(archived)) == [written(outcome("r1-0"))]


def needed(monkeypatch: pytest.MonkeyPatch, at: int | None, changes: int = 0) -> None:
    monkeypatch.setattr(trimming, "_needed", lambda *_: at)
    monkeypatch.setattr(trimming, "_changes_from", lambda *_: changes)


def test_nothing_is_trimmed_that_was_not_drained_or_that_a_replica_needs(
    home: Workspace, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = warehouse(home)
    for n in range(10):
        add(broker, AT + n * DAY, outcome(f"r{n}-0"))
    needed(monkeypatch, AT + 100 * DAY)
    assert trim(home, w) == 0, "nothing was drained"
    drain(home)
    for n in range(10, 12):
        add(broker, AT + n * DAY, outcome(f"r{n}-0"))
    needed(monkeypatch, None)
    assert trim(home, w) == 0, "there is no generation to start from"
    needed(monkeypatch, AT + 4 * DAY)
    assert trim(home, w) == 4
    needed(monkeypatch, AT + 100 * DAY)
    assert trim(home, w) == 5, "all that was drained but its last entry, by which the stream is known"
    left = [line.impression_id for line in in_stream(broker) if isinstance(line, OutcomeLine)]
    assert left == ["r9-0", "r10-0", "r11-0"]
    drain(home)
    assert sorted(outcomes(home), key=len) == [f"r{n}-0" for n in range(12)]


def test_changes_of_the_catalogue_are_carried_on_once_while_a_bundle_is_kept_that_is_older(
    home: Workspace, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, hidden = ItemLine("brazil", AT - 5, {}), ItemLine("heat", AT + 5, {}, True)
    gone = ForgetLine(user_digest("ann"), AT + 6)
    add(broker, AT, old, hidden, gone, outcome("r1-0"))
    add(broker, AT + DAY, outcome("r2-0"))
    take_decisions(home)
    needed(monkeypatch, AT + 100 * DAY, changes=AT)
    assert trim(home, warehouse(home)) == 4
    assert in_stream(broker) == [outcome("r2-0"), hidden, gone]
    assert drain(home) is not None and drained(home).count(hidden) == 1, "what was carried is in a file already"
    broker.client.execute_command("XADD", "evercurrent", "*", LINE, written(outcome("r3-0")))
    take_decisions(home)
    assert drained(home).count(hidden) == 1
    assert in_stream(broker) == [hidden, gone, outcome("r3-0")]
    needed(monkeypatch, 1 << 61, changes=AT + 100)
    trim(home, warehouse(home))
    assert in_stream(broker) == [outcome("r3-0")], "every kept bundle was made after them"


def test_who_is_forgotten_leaves_stream_and_files_and_every_replica_hears_of_it(
    home: Workspace, broker: Broker, tiny: TinySource
) -> None:
    name(broker)
    add(broker, AT, request("r1"), request("r2", "bob", AT + 1), outcome("r1-0"), outcome("r2-0"))
    add(broker, AT, UserLine("ann", AT, {"age": 3}), b'{"torn of "ann"\n')
    key = broker.stream.outcome("r1-0", "like")
    broker.client.execute_command("SET", key, "[1.0,null]")
    take_decisions(home)
    ask_to_forget(home, "ann", AT + DAY)
    late = request("r9", "ann", AT + 2 * DAY)
    broker.client.execute_command("XADD", "evercurrent", "*", LINE, written(late))
    made = forget(home)
    assert made is not None and made.stream == 5
    assert in_stream(broker) == [
        request("r2", "bob", AT + 1),
        outcome("r2-0"),
        late,
        ForgetLine(user_digest("ann"), AT + DAY),
    ]
    assert not broker.client.execute_command("EXISTS", key)
    assert b'"ann"' not in b"".join(path.read_bytes() for path in files(home))
    assert [type(line) for line in drained(home) if isinstance(line, GoneLine | ForgetLine)].count(GoneLine) == 3
    assert forget(home) is None
    take_decisions(home)
    assert [line.request_id for line in drained(home) if isinstance(line, RequestLine)] == ["r2", "r9"]


def test_forgetting_that_is_cut_in_the_stream_is_finished_by_the_next_run(
    home: Workspace, broker: Broker, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(broker, AT, request("r1", eligible=("heat",)), outcome("r1-0"))
    ask_to_forget(home, "ann", AT + DAY)
    for broken in ("_delete", "_say_again"):
        with monkeypatch.context() as patch, pytest.raises(Cut):
            patch.setattr(forgetting, broken, _cut_before)
            forget(home)
    assert forget(home) is not None
    assert in_stream(broker) == [ForgetLine(user_digest("ann"), AT + DAY)]
    assert not any(b'"ann"' in path.read_bytes() for path in files(home))


def test_drained_files_are_followed_as_all_others(home: Workspace, broker: Broker) -> None:
    add(broker, AT, outcome("r1-0"))
    drain(home)
    tail = LogTail(home.root, AT, parse_line)
    assert [type(line) for line in tail.lines()] == [OutcomeLine]
    add(broker, AT + DAY, outcome("r2-0"))
    drain(home)
    assert [type(line) for line in tail.lines()] == [OutcomeLine]
