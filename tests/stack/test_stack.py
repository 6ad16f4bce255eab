"""The stack as its users have it: up, a turn through it, what is refused and in which words, down."""

import json
import os
import socket
import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest
from prefect.exceptions import PrefectHTTPStatusError
from typer.testing import CliRunner

from components.domain import ContractBroken, Transient, instant_of, iso
from components.publish.pointer import read_pointer
from flows.cli.commands import app
from flows.provision import GONE, POOL, WAREHOUSE
from flows.rollback import rollback
from flows.stack.down import down
from flows.stack.environment import ROOT
from flows.stack.record import Role, read_stack
from flows.stack.up import Wanted, up
from flows.workspace import Workspace
from tests.loop.test_loop import day
from tests.stack.conftest import Raised, free_port, until
from warehouse import ledger
from warehouse.connect import Warehouse


def told(raised: Raised, *words: str) -> list[dict[str, str]]:
    ended = CliRunner().invoke(app, [*words, "--home", str(raised.home), "--json"], standalone_mode=False)
    assert ended.exception is None, ended.exception
    found: list[dict[str, str]] = json.loads(ended.stdout)
    return found


def test_what_is_up_is_left_alone_and_what_has_died_is_started_again(raised: Raised) -> None:
    before = {part.role: part.pid for part in raised.stack.parts}
    assert raised.up().started == frozenset()
    raised.kill_worker()
    doctor = {one["check"]: one for one in told(raised, "doctor")}
    assert doctor["worker"]["level"] == "mend" and doctor["worker"]["mend"] == "evercurrent up"
    again = raised.up()
    assert again.started == {Role.WORKER} and again.ready
    after = {part.role: part.pid for part in raised.stack.parts}
    assert {role for role in Role if before[role] != after[role]} == {Role.WORKER}
    assert [one for one in told(raised, "doctor") if one["level"] == "mend"] == []


def test_every_deployment_is_there_with_its_schedule_and_everything_runs_need_is(raised: Raised) -> None:
    every = raised.ask(lambda client: client.read_deployments())
    scheduled = {one.name for one in every if any(schedule.active for schedule in one.schedules)}
    assert scheduled == {"daily-loop", "refresh-memory", "drift-watch", "self-check", "prune"}
    by_hand = {"rollback", "accept-window", "quarantine", "evaluate", "backfill"}
    assert {one.name for one in every} == scheduled | by_hand
    assert {one.parameters["home"] for one in every} == {str(raised.home)}
    assert {one.work_pool_name for one in every} == {POOL}
    assert raised.ask(lambda client: client.read_global_concurrency_limit_by_name(WAREHOUSE)).limit == 1
    automations = {one.name for one in raised.ask(lambda client: client.read_automations())}
    assert {GONE, "daily-loop__automation_1", "refresh-memory__automation_1"} <= automations


def test_a_turn_asked_for_in_the_ui_ends_in_a_verdict_and_a_second_one_beside_it_is_cancelled(raised: Raised) -> None:
    at = day(5).isoformat()
    one, other = (raised.run("daily-loop/daily-loop", cutoff=at) for _ in range(2))
    runs = [raised.ended(run) for run in (one, other)]
    assert sorted(run.state.name for run in runs if run.state) == ["Cancelled", "Completed"]
    worked = next(run for run in runs if run.state and run.state.is_completed())
    assert worked.name.startswith(iso(instant_of(day(5)))) and "generation 2" in worked.name
    w = Warehouse(raised.home / "warehouse.duckdb", "tiny")
    assert ledger.finished_turn(w, instant_of(day(5)))


def test_a_rollback_to_a_generation_whose_bundle_is_gone_is_refused_and_moves_nothing(raised: Raised) -> None:
    bundle = raised.home / "bundles" / "g000002"
    bundle.rename(raised.home / "gone")
    try:
        with pytest.raises(ContractBroken, match="the bundle of generation 2 was pruned") as refused:
            rollback(str(raised.home), 2, "try")
    finally:
        (raised.home / "gone").rename(bundle)
    assert "\n" not in str(refused.value)
    pointer = read_pointer(raised.home)
    assert pointer is not None and pointer.generation == 1


def test_beside_the_command_line_a_run_ends_with_who_has_the_home(raised: Raised) -> None:
    with raised.workspace.held():
        run = raised.ended(raised.run("refresh-memory/refresh-memory"))
    assert run.state and run.state.is_failed()
    assert f"Transient: another run is using {raised.home}: process" in str(run.state.message)
    assert "\n" not in str(run.state.message)


WRONG = {
    "daily-loop/daily-loop": ({"cutoff": "1999-01-01T00:00:00Z"}, "nothing was logged before 1999-01-01T00:00:00Z"),
    "rollback/rollback": ({"to": 99, "reason": "try"}, "ContractBroken: no generation 99; the ledger knows 1"),
    "evaluate/evaluate": (
        {"log": "/nowhere.parquet", "target": "/no.parquet"},
        "no file at /nowhere.parquet",
    ),
}
"""What is asked wrongly, and what the run's state says of it."""


def test_what_a_run_is_asked_wrongly_stands_in_its_state_in_one_line(raised: Raised) -> None:
    runs = {name: raised.run(name, **parameters) for name, (parameters, _) in WRONG.items()}
    for name, run in runs.items():
        state = raised.ended(run).state
        assert state and state.is_failed() and WRONG[name][1] in str(state.message), state
        assert "\n" not in str(state.message)


def test_a_parameter_that_is_unknown_missing_or_none_is_refused_when_it_is_asked_for(raised: Raised) -> None:
    with pytest.raises(PrefectHTTPStatusError, match="cut_off"):
        raised.run("daily-loop/daily-loop", cut_off="2011-01-30")
    with pytest.raises(PrefectHTTPStatusError, match="log"):
        raised.run("evaluate/evaluate", target="target.parquet")
    with pytest.raises(PrefectHTTPStatusError, match="to"):
        raised.run("rollback/rollback", to="the one before", reason="try")


def test_a_command_beside_the_stack_is_seen_by_its_server(raised: Raised) -> None:
    quiet = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_API")}
    words = [sys.executable, "-m", "flows.cli", "refresh-memory", "--cutoff", day(6).isoformat()]
    done = subprocess.run(
        [*words, "--home", str(raised.home)],
        cwd=ROOT,
        env=quiet,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert f"knows the outcomes before {iso(instant_of(day(6)))}" in done.stdout
    runs = raised.ask(lambda client: client.read_flow_runs())
    assert [run for run in runs if run.deployment_id is None and run.state and run.state.is_completed()]


def test_a_port_that_is_taken_is_one_line_that_names_it_and_the_option(base_home: Workspace) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(Transient, match=rf"127.0.0.1:{port}: Address already in use; .*--server-port"):
            up(base_home, Wanted(server_port=port, service_port=free_port()))
        with pytest.raises(Transient, match=rf"127.0.0.1:{port}: .*--service-port"):
            up(base_home, Wanted(server_port=free_port(), service_port=port))
    assert read_stack(base_home).parts == (), "nothing was started"


@pytest.mark.parametrize(
    ("url", "kind", "says"),
    [
        (
            "postgresql+asyncpg://me:secret@127.0.0.1:1/prefect",
            Transient,
            "127.0.0.1:1 does not answer: Connection ref",
        ),
        (
            "postgresql://me:secret@127.0.0.1/prefect",
            ContractBroken,
            "begins with postgresql://; allowed is postgresql",
        ),
        ("postgresql+asyncpg://me:secret@127.0.0.1:x/prefect", ContractBroken, "port that is none"),
        ("postgresql+asyncpg://me:secret@127.0.0.1", ContractBroken, "allowed is"),
    ],
)
def test_a_database_that_is_away_or_none_is_one_line_without_its_password(
    base_home: Workspace, url: str, kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind, match=says) as refused:
        up(base_home, Wanted(free_port(), free_port(), url))
    assert "secret" not in str(refused.value)
    assert read_stack(base_home).parts == ()


@pytest.fixture
def base_home(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A home of which nothing runs."""
    return Workspace(tmp_path_factory.mktemp("down"))


def test_taking_down_what_is_not_up_says_so(base_home: Workspace) -> None:
    assert down(base_home, 0.0).ended == ()


def test_an_outage_of_three_slots_is_caught_up_by_exactly_one_run(raised: Raised) -> None:
    """The scheduler marks its runs; the test's stand for them, at slots that have passed."""
    raised.kill_worker()
    now = datetime.now(UTC)
    slots = [now - timedelta(minutes=minutes) for minutes in (3, 2, 1)]
    runs = [raised.run("daily-loop/daily-loop", at) for at in slots]
    raised.up()
    ended = [raised.ended(run) for run in runs]
    w = Warehouse(raised.home / "warehouse.duckdb", "tiny")
    made = [window for window in ledger.windows(w, 0, 1 << 60) if window.cutoff > instant_of(day(20))]
    assert len(made) == 1, [run.state for run in ended]
    assert {run.state.name for run in ended if run.state} <= {"Completed", "Cancelled"}


def test_down_ends_what_up_started_and_leaves_no_run_and_no_process(raised: Raised) -> None:
    parts = raised.stack.parts
    family = [one for part in parts if (process := part.process()) for one in process.children(recursive=True)]
    run = raised.run("refresh-memory/refresh-memory")
    until(lambda: (state := raised.read(run).state) and not state.is_scheduled())
    found = down(raised.workspace, 0.0)
    assert set(found.ended) == set(Role) and found.forced == ()
    assert [part for part in parts if part.process()] == []
    assert [one for one in family if one.is_running() and one.status() != "zombie"] == []
    raised.up()
    assert raised.ended(run).state
    assert raised.ask(lambda client: client.read_work_pool(POOL)).is_paused is False
