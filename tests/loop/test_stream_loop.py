"""Loop, refresh and forget over a log that is a stream: drained first, learned from, and trimmed by the ledger."""

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from components.domain import DAY, SECOND, instant_of
from components.ingest.log_lines import ForgetLine, LogLine, OutcomeLine, RequestLine, ShownLine, parse_line, written
from components.ingest.log_stream import LINE, START, EntryId
from flows.cli import commands
from flows.daily_loop import daily_loop
from flows.forget import forget
from flows.refresh_memory import refresh_memory
from flows.workspace import Workspace
from tests.broker import Broker, needs_redis
from tests.conftest import TinySource
from tests.loop.test_loop import day, first_generation

pytestmark = [needs_redis, pytest.mark.usefixtures("prefect_server")]


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path / "redis")
    yield broker
    broker.stop()


@pytest.fixture
def home(tmp_path: Path, tiny: TinySource, broker: Broker) -> Workspace:
    first_generation(tmp_path / "home", tiny)
    home = Workspace(tmp_path / "home")
    home.settings.write_text(f'[log]\nurl = "{broker.url}"\nkeep_days = 1.0\n')
    return home


def add(broker: Broker, at: int, *lines: LogLine) -> None:
    for line in lines:
        broker.client.execute_command("XADD", "evercurrent", f"{at // 1000}-*", LINE, written(line))


def decision(name: str, at: int, user: str = "u1") -> tuple[RequestLine, OutcomeLine]:
    shown = ShownLine(f"{name}-0", "i1", 0, 0.5, 0.1, 0.1)
    asked = RequestLine(name, user, at, 1, {}, ("i1", "i2"), (shown,))
    return asked, OutcomeLine(f"{name}-0", "like", 1, 1.0, at + SECOND)


def in_stream(broker: Broker) -> list[LogLine]:
    return [parse_line(e.raw[:-1]) for e in broker.stream.page(broker.client, START, EntryId(1 << 60, 0), 10_000)]


def test_refresh_and_loop_drain_first_and_trim_what_no_replica_needs(home: Workspace, broker: Broker) -> None:
    cutoff = instant_of(day(4))
    old, new = cutoff - 2 * DAY, cutoff + SECOND
    add(broker, old, *decision("old", old))
    add(broker, new, *decision("new", new))
    told = refresh_memory(str(home.root), day(5))
    assert "knows the outcomes before" in told, told
    assert len(list(home.decisions.glob("*-stream-evercurrent-*.jsonl"))) == 2, "a file per day"
    left = [line.request_id for line in in_stream(broker) if isinstance(line, RequestLine)]
    assert left == ["new"], "what is older than the champion's cutoff by more than keep_days is gone"
    later = instant_of(day(5)) + SECOND
    add(broker, later, *decision("later", later))
    record = daily_loop(str(home.root), day(6))
    assert record.requests >= 1
    assert {"new", "later"} <= {line.request_id for line in in_stream(broker) if isinstance(line, RequestLine)}


def test_a_broker_that_is_away_is_busy_for_the_loop_and_nothing_is_trimmed(
    home: Workspace, broker: Broker, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    broker.stop()
    monkeypatch.setattr("sys.argv", ["evercurrent", "forget", "u1", "--home", str(home.root)])
    with pytest.raises(SystemExit) as ended:
        commands.main()
    said = capsys.readouterr().err
    assert ended.value.code == 75 and "does not answer" in said and len(said.splitlines()) == 1
    broker.start()


def test_forget_from_the_command_line_reaches_services_files_and_stream(home: Workspace, broker: Broker) -> None:
    at = time.time_ns() // 1000 - 10 * SECOND
    add(broker, at, *decision("gone", at, "ann"), *decision("kept", at, "bob"))
    made = forget(home, "ann")
    assert made.stream == 3 and made.decision_log >= 3
    lines = in_stream(broker)
    assert [line.request_id for line in lines if isinstance(line, RequestLine)] == ["kept"]
    (said,) = (line for line in lines if isinstance(line, ForgetLine))
    assert not said.user_id
    assert not any(b'"ann"' in path.read_bytes() for path in home.decisions.glob("*.jsonl"))
