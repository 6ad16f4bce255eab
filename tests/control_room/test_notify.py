"""Notifications reach whoever listens, sooner or later, and nobody who does not can hold a turn."""

import json
import logging
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from components.control_room.note import Note, NoteKind
from components.control_room.notify_settings import NotifySettings
from components.domain import ContractBroken, instant_of
from components.settings import read_settings
from flows.notify.outbox import Outbox
from flows.notify.post import post
from tests.control_room.receiver import DROP, receiver
from tests.control_room.stack import free_port

NOW = datetime(2026, 3, 4, tzinfo=UTC)


def note(number: int = 1, kind: NoteKind = NoteKind.HOLD) -> Note:
    return Note(id=f"{number:016x}", kind=kind, home="/h", reasons=("too few",), at="2026-03-04T00:00:00Z")


def settings(*urls: str, **more: object) -> NotifySettings:
    return NotifySettings.model_validate({"urls": urls, "timeout_seconds": 2.0} | more)


def waiting(home: Path) -> list[str]:
    return [letter.note.id for _, letter in Outbox.of(home).waiting()]


def test_a_receiver_that_answers_500_twice_gets_it_with_the_third_attempt(tmp_path: Path) -> None:
    with receiver(500, 503) as told:
        post(tmp_path, settings(f"{told.url}/hook"), [note()], NOW)
    assert told.asked == ["/hook"] * 3
    assert told.taken == [note().model_dump(mode="json")]
    assert waiting(tmp_path) == []


def test_a_dropped_connection_is_tried_again(tmp_path: Path) -> None:
    with receiver(DROP) as told:
        post(tmp_path, settings(told.url), [note()], NOW)
    assert len(told.asked) == 2 and len(told.taken) == 1


def test_a_receiver_that_is_down_costs_one_line_and_gets_it_from_the_next_run_in_order(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    port = free_port()
    s = settings(f"http://127.0.0.1:{port}/secret-path", attempts=2)
    begin = time.perf_counter()
    with caplog.at_level(logging.WARNING, "evercurrent"):
        post(tmp_path, s, [note(1)], NOW)
        post(tmp_path, s, [note(2)], NOW + timedelta(days=1))
    assert time.perf_counter() - begin < 5
    assert len(caplog.messages) == 2
    assert f"receiver=http://127.0.0.1:{port} waiting=2" in caplog.messages[1]
    assert "the next run sends it" in caplog.messages[1] and "secret-path" not in caplog.text
    assert waiting(tmp_path) == [note(1).id, note(2).id]
    with receiver() as told:
        moved = settings(told.url)
        for path, letter in Outbox.of(tmp_path).waiting():  # the receiver came back, elsewhere for want of its port
            Outbox.of(tmp_path).put(letter.note, told.url, letter.at)
            path.unlink()
        post(tmp_path, moved, [], NOW + timedelta(days=2))
    assert [taken["id"] for taken in told.taken] == [note(1).id, note(2).id]
    assert waiting(tmp_path) == []


def test_a_slow_receiver_holds_the_turn_for_the_budget_and_no_longer_and_no_other_receiver(tmp_path: Path) -> None:
    with receiver(seconds=20) as slow, receiver() as quick:
        begin = time.perf_counter()
        post(tmp_path, settings(slow.url, quick.url, budget_seconds=1.5, timeout_seconds=30.0), [note()], NOW)
        assert time.perf_counter() - begin < 2.5
        assert len(quick.taken) == 1
    assert waiting(tmp_path) == [note().id]


def test_a_redirect_is_not_followed_and_a_plain_no_is_not_asked_again(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for status, said in ((307, "it answered 307, and redirects are not followed"), (401, "it answered 401")):
        with receiver(status) as told:
            post(tmp_path / str(status), settings(told.url), [note()], NOW)
        assert told.asked == ["/"] and not told.taken
        assert said in caplog.text
        assert waiting(tmp_path / str(status)) == [note().id]


def test_a_header_comes_from_the_environment_or_a_file_and_its_value_stands_in_no_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("HOOK_TOKEN", "Bearer 8c1f-of-the-environment")
    (tmp_path / "token").write_text("Bearer 8c1f-of-the-file\n")
    caplog.set_level(logging.DEBUG)
    with receiver() as told:
        post(tmp_path, settings(told.url, header_from="environment:HOOK_TOKEN"), [note(1)], NOW)
        post(tmp_path, settings(told.url, header_from="file:token"), [note(2)], NOW)
    sent = [headers["Authorization"] for headers in told.headers]
    assert sent == ["Bearer 8c1f-of-the-environment", "Bearer 8c1f-of-the-file"]
    assert "8c1f" not in caplog.text


def test_a_header_without_a_value_sends_nothing_and_says_where_it_looked(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with receiver() as told:
        post(tmp_path, settings(told.url, header_from="environment:NOT_SET_ANYWHERE"), [note()], NOW)
    assert not told.asked
    assert "looked for it in environment:NOT_SET_ANYWHERE" in caplog.text
    assert waiting(tmp_path) == [note().id]


def test_only_what_is_wanted_is_sent_and_the_same_news_is_one_letter(tmp_path: Path) -> None:
    down = settings(f"http://127.0.0.1:{free_port()}", attempts=1, kinds=["halt"])
    for _ in range(2):
        post(tmp_path, down, [note(1, NoteKind.HOLD), note(2, NoteKind.HALT)], NOW)
    assert waiting(tmp_path) == [note(2).id]


def test_what_nobody_took_in_a_month_and_what_nobody_is_named_for_is_dropped(tmp_path: Path) -> None:
    outbox = Outbox.of(tmp_path)
    down = settings(f"http://127.0.0.1:{free_port()}", attempts=1, keep_days=30)
    outbox.put(note(1), down.urls[0], instant_of(NOW - timedelta(days=31)))
    outbox.put(note(2), "http://127.0.0.1:1/left-the-settings", instant_of(NOW))
    outbox.put(note(3), down.urls[0], instant_of(NOW - timedelta(days=29)))
    (outbox.folder / "torn.json").write_text('{"receiver": ')
    post(tmp_path, down, [], NOW)
    assert waiting(tmp_path) == [note(3).id]
    assert not (outbox.folder / "torn.json").exists()


def test_no_letter_names_the_address_it_goes_to(tmp_path: Path) -> None:
    Outbox.of(tmp_path).put(note(), "https://hooks.example.org/T0/B1/secret", instant_of(NOW))
    (letter,) = Outbox.of(tmp_path).folder.iterdir()
    assert "secret" not in letter.read_text() and "example.org" not in letter.read_text()


@pytest.mark.parametrize(
    ("table", "fault"),
    [
        ('urls = ["ftp://127.0.0.1/x"]', "allowed are http and https"),
        ('urls = ["127.0.0.1:9000/x"]', "allowed are http and https"),
        ('urls = ["http://hooks.example.org/x"]', "http to hooks.example.org"),
        ('urls = ["https://hooks.example.org/x"]\nkinds = ["everything"]', "notify.kinds.0"),
        ('header_from = "8c1f"', "notify.header_from"),
        ('header = "X Token"', "notify.header"),
        ("attempts = 0", "notify.attempts"),
    ],
)
def test_settings_that_cannot_be_meant_are_one_line(tmp_path: Path, table: str, fault: str) -> None:
    path = tmp_path / "evercurrent.toml"
    path.write_text(f"[notify]\n{table}\n")
    with pytest.raises(ContractBroken) as broken:
        read_settings(path)
    assert fault in str(broken.value) and "\n" not in str(broken.value)


def test_plain_http_to_another_machine_has_to_be_asked_for() -> None:
    assert settings("http://hooks.example.org/x", plain_http=True).urls
    with pytest.raises(ValidationError):
        settings("http://hooks.example.org/x")


def test_a_note_is_plain_json() -> None:
    told = json.loads(note().model_dump_json())
    assert told["kind"] == "hold" and told["reasons"] == ["too few"] and told["cutoff"] is None
