"""One stack over two homes and one that is broken, as its users have it."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from prefect.client.schemas.objects import FlowRun

from components.domain import instant_of, iso
from flows.provision import POOL, WAREHOUSE
from flows.stack.deployments import TURNS
from flows.stack.down import down
from flows.stack.environment import ROOT
from flows.stack.homes import served
from flows.stack.record import Role
from flows.stack.up import Wanted
from flows.workspace import enter
from tests.conftest import TinySource
from tests.loop.test_loop import day, ingest
from tests.stack.conftest import Raised, free_port, still
from tests.stack.test_homes import asked

HOMES = """
[[homes]]
name = "a"
folder = "a"
service_port = {port}

[[homes]]
name = "b"
folder = "b"
schedule = "30 4 * * *"

[[homes]]
name = "broken"
folder = "nowhere"
"""


@pytest.fixture(scope="module")
def many(base: Path, tiny: TinySource, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Raised]:
    """A stack over a home with a generation and one that waits for its first; `home` is the stack's own folder."""
    folder = tmp_path_factory.mktemp("many")
    shutil.copytree(base, folder / "a")
    ingest(folder / "b", tiny, tiny.frame)
    (folder / "homes.toml").write_text(HOMES.format(port=free_port()))
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"PREFECT_WORKER_QUERY_SECONDS": "1", "PYTHONPATH": str(ROOT)}.items():
            patch.setenv(name, value)
        patch.setenv("BENTOML_HOME", "")  # so that what `enter` sets is taken back as well
        patch.delenv("BENTOML_HOME")  # each home has its own
        found = served(folder / "homes.toml")
        made = Raised(enter(found.homes.stack), Wanted(free_port(), served=found), folder)
        try:
            made.up()
            made.ask(still)
            yield made
        finally:
            down(made.workspace, 0.0)


def files(folder: Path) -> dict[str, int]:
    """What lies in a folder, and when each was written."""
    return {str(path.relative_to(folder)): path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}


def turn(many: Raised, home: str, cutoff: datetime) -> FlowRun:
    return many.ended(many.run(f"daily-loop/{home}", cutoff=cutoff.isoformat()))


def rows(many: Raised) -> tuple[int, dict[str, dict[str, object]]]:
    code, said = asked("status", "--all", "--json", "--homes", str(many.base / "homes.toml"))
    return code, {row["name"]: row for row in json.loads(said)["homes"]}


def test_each_sound_home_has_its_deployments_and_its_service_and_the_broken_one_has_none(many: Raised) -> None:
    every = many.ask(lambda client: client.read_deployments())
    assert {one.name for one in every} == {"a", "b"}
    assert {(one.name, one.parameters["home"]) for one in every} == {(n, str(many.base / n)) for n in "ab"}
    assert all((one.parameter_openapi_schema or {})["additionalProperties"] is False for one in every)
    assert many.ask(lambda client: client.read_work_queue_by_name(TURNS, POOL)).concurrency_limit == 1
    assert many.ask(lambda client: client.read_global_concurrency_limit_by_name(WAREHOUSE)).limit == 3
    assert many.stack.running(Role.SERVICE, "a") and not many.stack.part(Role.SERVICE, "b")
    assert not (many.base / "nowhere").exists()
    code, told = rows(many)
    assert code == 7, "one of them is gone"
    assert told["a"]["service"] == "ready" and told["b"]["service"] is None
    assert "is gone" in str(told["broken"]["faults"]) and told["a"]["faults"] == told["b"]["faults"] == []


def test_turns_that_are_due_at_once_run_one_after_the_other_and_each_in_its_own_folder(many: Raised) -> None:
    runs = [many.run(f"daily-loop/{home}", cutoff=day(5).isoformat()) for home in "ab"]
    first, second = sorted((many.ended(run) for run in runs), key=lambda run: run.start_time or datetime.max)
    assert all(run.state and run.state.is_completed() for run in (first, second)), (first.state, second.state)
    assert first.end_time and second.start_time and first.end_time <= second.start_time
    _, told = rows(many)
    assert {told[home]["last"] for home in "ab"} == {iso(instant_of(day(5)))}
    assert (many.base / "a" / "bundles" / "g000002").is_dir() and (many.base / "b" / "bundles" / "g000001").is_dir()
    assert list((many.base / "b" / "bentoml").glob("bentos/evercurrent/g000001-*")), "a store of its own"
    assert not list(many.home.rglob("g00000*")), "nothing of a home lies in the stack's own folder"


def test_a_home_that_breaks_is_told_in_its_row_and_the_other_goes_on_untouched(many: Raised) -> None:
    settings, away = many.base / "b" / "evercurrent.toml", many.base / "away"
    kept, before = settings.read_text(), files(many.base / "a")
    settings.write_text("[nonsense]\n")
    failed = turn(many, "b", day(6))
    assert failed.state and failed.state.is_failed() and "nonsense" in str(failed.state.message)
    settings.write_text(kept)
    code, told = rows(many)
    assert code == 7 and "its last turn is Failed: " in str(told["b"]["faults"]) and told["a"]["faults"] == []
    assert files(many.base / "a") == before, "nothing of another home was touched"
    (many.base / "b").rename(away)
    gone = turn(many, "b", day(6))
    assert gone.state and gone.state.is_failed() and "is gone, and is not made anew" in str(gone.state.message)
    assert not (many.base / "b").exists()
    away.rename(many.base / "b")
    done = turn(many, "a", day(6))
    assert done.state and done.state.is_completed()


def test_a_slot_that_nobody_has_is_told_in_its_homes_row_and_one_that_may_come_free_is_left_to_itself(
    many: Raised,
) -> None:
    deployment = many.ask(lambda client: client.read_deployment_by_name("daily-loop/a")).id
    limit = f"deployment:{deployment}"
    many.ask(lambda client: client.increment_concurrency_slots([limit], 1, "concurrency"))
    try:
        _, told = rows(many)
        (note,) = [note for note in told["a"]["notes"] if "slot" in note]  # type: ignore[attr-defined]
        assert "the slot of daily-loop/a is taken, and nobody has it" in note and "comes free by itself" in note
        assert not [note for note in told["b"]["notes"] if "slot" in note]  # type: ignore[attr-defined]
        _, said = asked("free-slots", "--homes", str(many.base / "homes.toml"))
        assert said.startswith("left: the slot of daily-loop/a") and "freed" not in said
    finally:
        many.ask(lambda client: client.release_concurrency_slots([limit], 1, 1.0))
    _, said = asked("free-slots", "--homes", str(many.base / "homes.toml"))
    assert said.strip() == "every slot that is taken belongs to a run that is under way"


def test_a_home_that_leaves_the_file_leaves_the_server_and_the_others_keep_what_people_changed(many: Raised) -> None:
    file = many.base / "homes.toml"
    file.write_text(file.read_text().partition('[[homes]]\nname = "b"')[0])
    kept, wanted = {one.id for one in many.ask(lambda c: c.read_deployments()) if one.name == "a"}, many.wanted
    many.wanted = replace(wanted, served=served(many.base / "homes.toml"))
    try:
        many.up()
        left = many.ask(lambda client: client.read_deployments())
        assert {one.name for one in left} == {"a"} and {one.id for one in left} == kept
    finally:
        many.wanted = wanted
