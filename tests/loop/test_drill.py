"""The drill in the suite: a small shop, the same code; and that a drilled turn is a turn of the loop."""

import json
import shutil
from datetime import UTC, datetime
from html import escape
from pathlib import Path

import pytest

import flows.drill.cases as cases
from components.domain import SECOND, Verdict
from components.publish.pointer import ReleaseKind, read_releases
from flows.daily_loop import daily_loop
from flows.drill.cases import CASES
from flows.drill.drill import run_drill
from flows.drill.drill_record import DrilledCase, DrillRecord
from flows.drill.drilled_turn import drilled_turn
from flows.drill.sabotage import too_random
from flows.drill.scene import Scene
from flows.replay.periods import ingest_period, open_recorded, play_after
from flows.stages.release import release
from flows.stages.results import Challenger, NoChallenger
from flows.workspace import Workspace
from tests.conftest import TinySource
from warehouse import ledger
from warehouse.connect import Warehouse
from warehouse.records import ReleaseWanted

SMALL = """
[update]
max_epochs = 1

[drift]
page = false

[evaluate]
minimum_users = 20
minimum_ess = 10
"""
DRILLED = {
    "table_zeroed",
    "not_a_number",
    "exploration_off",
    "memory_not_rebased",
    "worse_by_3_percent",
    "too_random_by_hand",
}
"""One of each way to be stopped: by its value, by its scores, by its log, by its memory, by hand."""


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> DrillRecord:
    return run_drill(tmp_path_factory.mktemp("drill"), [case for case in CASES if case.sound or case.name in DRILLED])


def named(record: DrillRecord, name: str) -> DrilledCase:
    return next(case for case in record.cases if case.case == name)


def test_bad_generations_are_held_or_rolled_back_and_the_clean_one_is_promoted(record: DrillRecord) -> None:
    ended = {case.case: case.verdict for case in record.cases}
    assert {name for name, verdict in ended.items() if verdict is Verdict.PROMOTE} == {"clean"}
    assert ended["too_random_by_hand"] is Verdict.ROLL_BACK
    assert set(ended) == DRILLED | {"clean"} and record.passed


def test_every_page_says_the_reason(record: DrillRecord) -> None:
    for case in record.cases:
        assert escape(case.reasons[0], quote=False) in Path(case.page).read_text().replace("&#39;", "'"), case.case


def test_a_policy_3_percent_worse_is_worth_exactly_that_and_is_held_for_certain_harm(record: DrillRecord) -> None:
    worse = named(record, "worse_by_3_percent")
    assert worse.worth == pytest.approx(0.97, abs=1e-4)
    assert any("the challenger is worse" in reason for reason in worse.reasons)


def test_what_has_no_value_to_speak_against_it_is_refused_for_what_it_is(record: DrillRecord) -> None:
    off, foreign = named(record, "exploration_off"), named(record, "memory_not_rebased")
    assert off.worth is not None and off.worth > 1.05, "its value alone would promote it"
    assert "own log could not judge" in off.reasons[0]
    assert foreign.worth is not None and foreign.worth > 0.99
    assert "another generation's model" in foreign.reasons[0]


def test_a_drill_that_lets_one_through_does_not_pass(record: DrillRecord) -> None:
    let_through = named(record, "table_zeroed").model_copy(update={"verdict": Verdict.PROMOTE})
    held = named(record, "clean").model_copy(update={"verdict": Verdict.HOLD})
    for wrong in (let_through, held):
        assert not record.model_copy(update={"cases": (wrong,)}).passed
    assert json.loads(record.model_dump_json())["cases"][0]["verdict"] == "PROMOTE"


def test_every_sabotage_is_a_case_once_and_names_are_unique() -> None:
    names = [case.name for case in cases.CASES]
    assert len(set(names)) == len(names)
    assert any(case.sound for case in cases.CASES)


def opened(root: Path, tiny: TinySource) -> Workspace:
    workspace = Workspace(root)
    root.mkdir(parents=True)
    workspace.settings.write_text(SMALL)
    return workspace


@pytest.mark.usefixtures("prefect_server")
def test_a_drilled_turn_in_which_nothing_is_broken_ends_in_the_bits_of_the_daily_loop(
    tmp_path: Path, tiny: TinySource
) -> None:
    digests = []
    for name in ("loop", "drill"):
        workspace = opened(tmp_path / name, tiny)
        recorded = open_recorded(workspace, str(tiny.description), str(tiny.log))
        for turn in range(2):
            ingest_period(workspace, recorded, turn)
            cutoff = recorded.cutoff(turn)
            moment = datetime.fromtimestamp(cutoff // SECOND, UTC)
            record = daily_loop(str(workspace.root), moment) if name == "loop" else drilled_turn(workspace, cutoff)
            play_after(workspace, recorded, turn)
        digests.append((record.digest, record.verdict, record.reasons))
    assert digests[0] == digests[1]


def test_a_champion_of_which_no_update_can_be_made_still_answers_to_its_parent(
    tmp_path: Path, record: DrillRecord
) -> None:
    def none(scene: Scene, challenger: Challenger) -> NoChallenger:
        return NoChallenger(("challenger discarded: training diverged",))

    shutil.copytree(Path(record.home) / "start", tmp_path / "home", ignore=shutil.ignore_patterns(".lock"))
    workspace = Workspace(tmp_path / "home")
    recorded = open_recorded(workspace, "drill", None)
    made = drilled_turn(workspace, recorded.cutoff(1), too_random)
    kind = ReleaseKind.RE_PROMOTE.value
    release(workspace, ReleaseWanted(generation=made.generation, kind=kind, reason="by hand", cutoff=None))
    play_after(workspace, recorded, 1)
    ingest_period(workspace, recorded, 2)
    ended = drilled_turn(workspace, recorded.cutoff(2), none)
    assert ended.verdict is Verdict.ROLL_BACK and ended.champion == 1
    assert ended.reasons[1] == "challenger discarded: training diverged"
    assert ledger.champion(Warehouse(workspace.database, "drill")) == 1
    assert read_releases(workspace.root)[-1].kind is ReleaseKind.ROLL_BACK
