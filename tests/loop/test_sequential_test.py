"""The gate across days in the loop: what is kept with a turn, that it counts once, and when it ends."""

import json
from pathlib import Path

import pytest

import flows.stages.publish as release
from components.domain import ContractBroken, Verdict
from components.evaluate.read_evaluation import read_evaluation
from components.evaluate.sequential_test import SequentialTest
from flows.replay.replay import replay
from flows.replay.replay_record import ReplayRecord
from tests.conftest import TinySource

pytestmark = pytest.mark.usefixtures("prefect_server")

NEVER = """
[update]
max_epochs = 1

[evaluate]
minimum_users = 20
minimum_ess = 10
margin = 0.0

[[metrics.guardrails]]
name = "new items"
measures = "new_items"
days = 7

[[metrics.guardrails]]
name = "genre 1"
measures = "exposure"
field = "genre"
value = "g1"
"""
"""With no margin an update of a tiny log would have to be surely better: it is held."""


def run(home: Path, tiny: TinySource, turns: int) -> ReplayRecord:
    home.mkdir(exist_ok=True)
    (home / "evercurrent.toml").write_text(NEVER)
    record: ReplayRecord = replay(str(home), str(tiny.description), turns, str(tiny.log))
    return record


def lines(home: Path) -> list[str]:
    """The lines kept, turn by turn."""
    return [path.read_text() for path in sorted((home / "turns").glob("*/sequential_test.json"))]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory, tiny: TinySource, prefect_server: None) -> Path:
    root = tmp_path_factory.mktemp("line") / "home"
    record = run(root, tiny, 3)
    assert [t.verdict for t in record.turns] == [Verdict.HOLD] * 3
    return root


def test_held_challengers_of_one_champion_are_one_line_and_every_request_counts_once(home: Path) -> None:
    found = [SequentialTest.from_json(text) for text in lines(home)]
    judged = [
        json.loads(p.read_text())["diagnostics"]["requests"] for p in sorted((home / "turns").glob("*/evaluation.json"))
    ]
    assert [line.turns for line in found] == [1, 2, 3]
    assert [line.state.count for line in found] == [sum(judged[: at + 1]) for at in range(3)]
    assert {(line.champion, line.kind) for line in found} == {(1, "update")}


def page_of(home: Path, evaluation: Path) -> str:
    """The page of the turn whose figures these are."""
    return (home / "reports" / "turns" / evaluation.parent.name / "evaluation.html").read_text()


def test_guardrails_collect_the_same_days_and_stand_on_the_page(home: Path) -> None:
    kept = [json.loads(path.read_text()) for path in sorted((home / "turns").glob("*/guardrail_tests.json"))]
    gate = [SequentialTest.from_json(text) for text in lines(home)]
    for name in ("new items", "genre 1"):
        found = [SequentialTest.from_json(tests[name]) for tests in kept]
        assert [(t.turns, t.state.requests) for t in found] == [(t.turns, t.state.requests) for t in gate]
    last = sorted((home / "turns").glob("*/evaluation.json"))[-1]
    shown = read_evaluation(last.read_text()).guardrails
    assert [g.name for g in shown] == ["new items", "genre 1"]
    assert 0 < shown[1].champion.value < 1
    assert "Guardrails" in page_of(home, last)


def test_a_guardrail_of_a_field_that_items_do_not_have_is_one_line(
    home: Path, tmp_path: Path, tiny: TinySource
) -> None:
    root = tmp_path / "home"
    root.mkdir()
    (root / "evercurrent.toml").write_text(NEVER.replace('field = "genre"', 'field = "gender"'))
    with pytest.raises(ContractBroken, match="guardrail genre 1: the source's items have no field 'gender'; allowed"):
        replay(str(root), str(tiny.description), 1, str(tiny.log))


def test_page_and_reasons_say_on_how_much_the_verdict_rests(home: Path) -> None:
    last = sorted((home / "turns").glob("*/evaluation.json"))[-1]
    found = read_evaluation(last.read_text())
    assert found.rest is not None and found.rest.turns == 3
    counts = f"{found.rest.requests:,} held-out requests of {found.rest.users:,} users"
    assert f"rests on {counts} in 3 turns" in found.reasons[-1]
    page = page_of(home, last)
    assert f"{found.rest.requests:,}" in page and "requests of 3 turns" in page and "the gate: 3 turns" in page
    assert "true value" in page, "the world knows it, and the replay tells"
    assert {s.column for s in found.segments} <= {"user", "logged by generation"} and found.segments


def test_a_turn_broken_after_its_verdict_counts_once_when_it_is_resumed(
    home: Path, tmp_path: Path, tiny: TinySource, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, calls = release.write_bundle, []

    def broken(*inputs: object) -> Path:
        calls.append(inputs)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return whole(*inputs)  # type: ignore[arg-type]

    monkeypatch.setattr(release, "write_bundle", broken)
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "home", tiny, 2)
    assert len(lines(tmp_path / "home")) == 2, "the second turn had its verdict"
    run(tmp_path / "home", tiny, 2)
    assert lines(tmp_path / "home") == lines(home)[:2]
