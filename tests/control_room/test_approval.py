"""A person's word before a release: yes releases, no and no answer hold, and nothing is lost meanwhile."""

import json
from pathlib import Path

import pytest
import typer
from rich.progress import Progress
from typer.testing import CliRunner

from components.domain import Verdict
from flows.cli import ask, ask_first
from flows.cli.commands import app
from flows.control_room.approval import Answer, answered_by
from flows.daily_loop import daily_loop
from flows.stages.evaluate import SEQUENTIAL_TEST
from flows.stages.results import Judgement
from flows.turn import Turn, TurnRecord
from tests.control_room.conftest import Played
from warehouse import ledger
from warehouse.connect import Warehouse

pytestmark = pytest.mark.usefixtures("prefect_server")


class Person:
    """Answers, and remembers what was asked."""

    def __init__(self, approve: bool, note: str = "") -> None:
        self.answer, self.asked = Answer(approve, note), list[Judgement]()

    def __call__(self, turn: Turn, judgement: Judgement) -> Answer:
        self.asked.append(judgement)
        return self.answer


def run(played: Played, person: Person) -> TurnRecord:
    with answered_by(person):
        return daily_loop(str(played.home), played.cutoff, approve=True)


def champion(played: Played) -> int | None:
    return ledger.champion(Warehouse(played.workspace.database, "tiny"))


def test_yes_releases_what_no_question_would_have_released(played: Played) -> None:
    record = run(played, Person(True, "looked at  the page"))
    assert record.verdict is Verdict.PROMOTE and champion(played) == record.generation == 2
    assert record.reasons[-1] == "approved by a person: looked at the page"


def test_no_holds_with_the_note_as_the_first_reason_and_keeps_the_evidence(played: Played) -> None:
    person = Person(False, "not on a Friday")
    record = run(played, person)
    assert record.verdict is Verdict.HOLD and champion(played) == 1
    assert record.reasons[0] == "held for want of approval: not on a Friday"
    assert record.reasons[1:] == person.asked[0].reasons
    kept = json.loads((played.workspace.turn(record.instant) / SEQUENTIAL_TEST).read_text())
    assert kept["champion"] == 1, "challengers after it are judged together with it"


def test_the_first_generation_is_not_asked_about(played: Played) -> None:
    person = Person(False, "no")
    with answered_by(person):
        daily_loop(str(played.home), played.first, approve=True)
    assert person.asked == []


def test_a_turn_that_was_interrupted_while_it_asked_asks_again_and_comes_to_the_same(played: Played) -> None:
    class Interrupted(Person):
        def __call__(self, turn: Turn, judgement: Judgement) -> Answer:
            super().__call__(turn, judgement)
            raise typer.Abort

    before, after = Interrupted(True), Person(True)
    with pytest.raises(typer.Abort):
        run(played, before)
    assert champion(played) == 1
    record = run(played, after)
    assert champion(played) == record.generation == 2
    assert [j.reasons for j in before.asked] == [j.reasons for j in after.asked]
    assert before.asked[0].value == after.asked[0].value


def test_nobody_answers_and_the_turn_holds_instead_of_failing(played: Played) -> None:
    played.set("\n[control_room]\napprove_seconds = 1.5\n")
    record = daily_loop(str(played.home), played.cutoff, approve=True)
    assert record.verdict is Verdict.HOLD and champion(played) == 1
    assert record.reasons[0] == "held for want of approval: nobody answered within 1.5 s"


def test_on_a_terminal_the_command_asks_there(played: Played, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask, "on_a_terminal", lambda: True)
    monkeypatch.setattr(ask_first, "on_a_terminal", lambda: True)
    words = ["loop", "--approve", "--json", "--home", str(played.home), "--cutoff", played.cutoff.isoformat()]
    ended = CliRunner().invoke(app, words, input="n\nask me on Monday\n")
    assert ended.exit_code == 0, ended.output
    record = json.loads(ended.stdout[ended.stdout.index("{") :])  # the runner shows what was typed, too
    assert record["verdict"] == "HOLD"
    assert record["reasons"][0] == "held for want of approval: ask me on Monday"
    assert "Release it?" in ended.stderr


def test_without_a_terminal_and_a_server_one_line_says_how_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    ended = CliRunner().invoke(app, ["loop", "--approve", "--home", str(tmp_path / "home")], standalone_mode=False)
    assert isinstance(ended.exception, typer.BadParameter)
    said = ended.exception.format_message()
    assert "run it on one" in said and "PREFECT_API_URL" in said and "\n" not in said
    assert not (tmp_path / "home").exists()


def test_without_a_terminal_the_question_is_left_to_the_ui(monkeypatch: pytest.MonkeyPatch) -> None:
    from flows.control_room import approval

    monkeypatch.setattr(ask, "on_a_terminal", lambda: False)
    with ask.asked_here(Progress()):
        assert approval._askers == []
