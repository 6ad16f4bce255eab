"""What the doctor says of the broker that holds the decision log."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.log_stream import service_variables
from flows.stack.check_log import check_log
from flows.workspace import Workspace
from tests.broker import Broker, needs_redis

pytestmark = needs_redis
SOUND = {"log": "fine", "log kept": "fine", "log full": "fine", "log room": "fine"}


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Broker]:
    broker = Broker(tmp_path / "redis")
    yield broker
    broker.stop()


@pytest.fixture
def home(tmp_path: Path, broker: Broker) -> Workspace:
    (tmp_path / "home").mkdir()
    home = Workspace(tmp_path / "home")
    home.settings.write_text(f'[log]\nurl = "{broker.url}"\nstream = "shop"\n')
    return home


def found(home: Workspace) -> dict[str, str]:
    return {one.check: one.level for one in check_log(home)}


def test_a_home_whose_log_is_files_has_no_broker_to_look_at(tmp_path: Path) -> None:
    assert list(check_log(Workspace(tmp_path))) == []
    assert service_variables(Workspace(tmp_path)) == {}


def test_a_broker_that_keeps_everything_is_fine(home: Workspace) -> None:
    assert found(home) == SOUND
    assert "0 entries in stream shop" in next(iter(check_log(home))).said


@pytest.mark.parametrize(
    ("setting", "value", "changed"),
    [
        ("appendonly", "no", {"log kept": "mend"}),
        ("appendfsync", "everysec", {"log kept": "note"}),
        ("maxmemory-policy", "allkeys-lru", {"log full": "mend"}),
        ("maxmemory", "1000000", {"log room": "mend"}),
    ],
)
def test_a_setting_that_may_lose_lines_is_named(
    home: Workspace, broker: Broker, setting: str, value: str, changed: dict[str, str]
) -> None:
    broker.client.execute_command("CONFIG", "SET", setting, value)
    assert found(home) == SOUND | changed
    for one in check_log(home):
        assert one.level != "mend" or one.mend


def test_a_copy_takes_no_lines(home: Workspace, broker: Broker) -> None:
    broker.client.execute_command("REPLICAOF", "127.0.0.1", 1)
    assert found(home)["log"] == "mend"


def test_a_broker_that_is_away_and_an_address_that_is_none_are_each_one_line_without_the_password(
    home: Workspace, broker: Broker
) -> None:
    broker.stop()
    for address in (broker.url.replace("//", "//:secret@"), "http://:secret@h"):
        home.settings.write_text(f'[log]\nurl = "{address}"\n')
        (one,) = check_log(home)
        assert one.level == "mend" and one.mend
        assert "secret" not in one.said + one.mend and "\n" not in one.said
    broker.start()


def test_a_service_is_told_its_log_by_the_settings_of_the_home(home: Workspace, broker: Broker) -> None:
    assert service_variables(home) == {
        "EVERCURRENT_LOG": broker.url,
        "EVERCURRENT_LOG_STREAM": "shop",
        "EVERCURRENT_LOG_WHEN_AWAY": "refuse",
    }
