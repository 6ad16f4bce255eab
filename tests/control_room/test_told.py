"""How turns end is told once, to whoever wants to know, whatever happened to the run."""

import logging
from pathlib import Path

import pytest

from components.control_room.note import Note
from components.domain import ContractBroken, DriftAction, Transient, Verdict
from components.pages.turn_pages import TurnPage
from flows import daily_loop as looping
from flows import tasks
from flows.control_room import shown as showing
from flows.daily_loop import daily_loop
from flows.stages import drift as drifting
from flows.stages import validate as validating
from tests.control_room.conftest import Played
from tests.control_room.receiver import Receiver, receiver
from tests.control_room.stack import free_port

pytestmark = pytest.mark.usefixtures("prefect_server")


def listening(played: Played, url: str, more: str = "") -> None:
    played.set(f'\n[notify]\nurls = ["{url}"]\nattempts = 1\n{more}\n')


def kinds(told: Receiver) -> list[str]:
    return [taken["kind"] for taken in told.taken]


def halted(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = drifting.decide

    def halt(*inputs: object) -> object:
        import dataclasses

        return dataclasses.replace(whole(*inputs), action=DriftAction.HALT)  # type: ignore[arg-type]

    monkeypatch.setattr(drifting, "decide", halt)


def test_a_promotion_is_no_news_unless_asked_for(played: Played) -> None:
    with receiver() as told:
        listening(played, told.url)
        assert daily_loop(str(played.home), played.cutoff).verdict is Verdict.PROMOTE
    assert told.asked == []


def test_a_halted_window_is_news_of_its_own_with_all_that_is_needed_to_look(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    halted(monkeypatch)
    with receiver() as told:
        listening(played, told.url, '[control_room]\nreports_url = "https://reports.example.org/tiny/"')
        record = daily_loop(str(played.home), played.cutoff)
    (taken,) = told.taken
    said = Note.model_validate(taken)
    assert (said.kind, said.cutoff, said.source, said.champion) == ("halt", record.cutoff, "tiny", 1)
    assert said.generation is None and said.reasons == record.reasons
    page = f"turns/{record.instant}/{TurnPage.DRIFT.file}"
    assert said.link == f"https://reports.example.org/tiny/{page}" and (played.home / "reports" / page).exists()


def test_a_turn_told_twice_is_news_once(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    halted(monkeypatch)
    with receiver() as told:
        listening(played, told.url)
        for _ in range(3):
            daily_loop(str(played.home), played.cutoff)
    assert kinds(told) == ["halt"]


def test_news_of_a_run_that_was_killed_after_its_last_write_is_told_by_the_next(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    halted(monkeypatch)
    with receiver() as told:
        listening(played, told.url)
        daily_loop(str(played.home), played.first)  # the cursor stands at generation 1
        with monkeypatch.context() as killed:
            killed.setattr(looping, "told", lambda workspace, record: 1 / 0)
            with pytest.raises(ZeroDivisionError):
                daily_loop(str(played.home), played.cutoff)
        assert kinds(told) == []
        daily_loop(str(played.home), played.cutoff)
    assert kinds(told) == ["halt"]


def test_a_receiver_that_is_down_changes_nothing_but_a_line(
    played: Played, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    halted(monkeypatch)
    listening(played, f"http://127.0.0.1:{free_port()}")
    with caplog.at_level(logging.WARNING, "evercurrent"):
        assert daily_loop(str(played.home), played.cutoff).verdict is Verdict.HOLD
    assert [m for m in caplog.messages if "stage=notify" in m and "waiting=1" in m]
    assert len(list((played.home / "notify" / "outbox").iterdir())) == 1


def test_an_outbox_that_cannot_be_written_changes_nothing_but_a_line(
    played: Played, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    halted(monkeypatch)
    with receiver() as told:
        listening(played, told.url)
        (played.home / "notify").write_text("a file where a folder should be")
        with caplog.at_level(logging.WARNING, "evercurrent"):
            assert daily_loop(str(played.home), played.cutoff).verdict is Verdict.HOLD
    assert not told.taken
    assert sum("stage=notify undelivered=1" in message for message in caplog.messages) == 1


def test_a_broken_contract_is_news_with_its_stage(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsound(*inputs: object) -> None:
        raise ContractBroken("column at of requests is text; allowed is integer; see components/schema.py")

    monkeypatch.setattr(validating, "check", unsound)
    with receiver() as told:
        listening(played, told.url)
        for _ in range(2):
            with pytest.raises(ContractBroken):
                daily_loop(str(played.home), played.cutoff)
    first, second = told.taken
    assert first["id"] == second["id"], "the receiver can tell that it has it already"
    assert (first["kind"], first["stage"], first["champion"]) == ("contract_broken", "validate", 1)
    assert first["reasons"] == ["column at of requests is text; allowed is integer; see components/schema.py"]


def test_a_stage_that_used_up_its_retries_is_news_and_a_home_in_use_is_not(
    played: Played, monkeypatch: pytest.MonkeyPatch
) -> None:
    def busy(*inputs: object) -> None:
        raise Transient("the warehouse is in use by process 7")

    monkeypatch.setattr(tasks, "RETRY_SECONDS", (0.0, 0.0))
    monkeypatch.setattr(tasks, "read", tasks.patient("read", busy))
    with receiver() as told:
        listening(played, told.url)
        with pytest.raises(Transient):
            daily_loop(str(played.home), played.cutoff)
        assert [(t["kind"], t["stage"]) for t in told.taken] == [("transient_repeated", "read")]
        with pytest.raises(Transient, match="another run"):
            _elsewhere(played, monkeypatch)
        assert len(told.taken) == 1


def _elsewhere(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run whose home another one holds; the lock knows its own process, so the refusal is made by hand."""
    import contextlib

    from flows.workspace import Workspace

    def taken(self: Workspace, patience: float = 2.0) -> "contextlib.AbstractContextManager[None]":
        raise Transient("another run is using it")

    monkeypatch.setattr(Workspace, "held", taken)
    daily_loop(str(played.home), played.cutoff)


def test_what_somebody_at_a_terminal_typed_wrongly_is_no_news(played: Played) -> None:
    with receiver() as told:
        listening(played, told.url)
        with pytest.raises(ContractBroken, match="in the future"):
            daily_loop(str(played.home), played.cutoff.replace(year=2999))
    assert told.asked == []


def test_a_turn_goes_on_where_its_artifacts_cannot_be_made_and_says_so_once(
    played: Played, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    asked: list[str] = []

    def away(*inputs: object, key: str, **named: object) -> None:
        asked.append(key)
        raise ConnectionError("the server is away")

    monkeypatch.setattr(showing, "create_markdown_artifact", away)
    with caplog.at_level(logging.WARNING):
        assert daily_loop(str(played.home), played.cutoff).verdict is Verdict.PROMOTE
    assert asked == ["contract"], "whoever did not answer once is not asked by every stage"


def test_nothing_is_asked_of_a_server_that_nobody_looks_at(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(showing, "somebody_looks", lambda: False)
    monkeypatch.setattr(showing, "create_markdown_artifact", lambda body, key, description: asked.append(key))
    daily_loop(str(played.home), played.cutoff)
    assert asked == []


def test_the_outbox_lies_in_the_home(tmp_path: Path, played: Played) -> None:
    listening(played, f"http://127.0.0.1:{free_port()}", 'kinds = ["promote"]')
    daily_loop(str(played.home), played.cutoff)
    assert [p.suffix for p in (played.home / "notify" / "outbox").iterdir()] == [".json"]
