"""Runs of deployments in this process: which are gone, who may write, what a look at drift leaves behind."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest
import yaml
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.concurrency.sync import concurrency
from prefect.flow_engine import run_flow
from prefect.states import Cancelling, Pending, Running, State

from components.domain import ContractBroken, DriftAction, Transient
from flows import writing as writes
from flows.daily_loop import daily_loop
from flows.deployed import WORKER
from flows.drift_watch import OPEN, drift_watch
from flows.evaluate import evaluate
from flows.gone import RUN, end_gone_runs, gone_runs
from flows.provision import POOL, WAREHOUSE, provision
from flows.stack.environment import ROOT
from flows.workspace import Workspace
from flows.writing import writing
from tests.conftest import TinySource
from tests.flows.test_evaluate_command import LOG, TARGET
from tests.loop.test_loop import day, ingest
from warehouse import ledger
from warehouse.connect import Warehouse, connect

pytestmark = pytest.mark.usefixtures("prefect_server")

OURS = "evercurrent-here"


@pytest.fixture
def client(prefect_server: None) -> Iterator[SyncPrefectClient]:
    provision()
    with get_client(sync_client=True) as made:
        yield made


@flow(name="writes", validate_parameters=False)
def takes(home: str) -> str:
    with writing(Workspace(Path(home))):
        return "wrote"


def under_way(client: SyncPrefectClient, state: State[None], worker: str | None = OURS) -> UUID:
    """A run in our pool, as a worker left it."""
    deployment = client.create_deployment(client.create_flow(takes), name="w", work_pool_name=POOL)
    run = client.create_flow_run_from_deployment(deployment)
    if worker:
        client.update_flow_run_labels(run.id, {WORKER: worker})
    client.update_flow_run(run.id, infrastructure_pid=str(2**22))  # of a run without one nobody has to end anything
    client.set_flow_run_state(run.id, Running(), force=True)
    client.set_flow_run_state(run.id, state, force=True)
    return run.id


def test_runs_without_a_process_are_ended_and_those_of_other_machines_or_alive_are_not(
    client: SyncPrefectClient,
) -> None:
    running, asked_to_end = under_way(client, Running()), under_way(client, Cancelling())
    elsewhere, submitted = under_way(client, Running(), "evercurrent-there"), under_way(client, Pending())
    alive = under_way(client, Running())
    process = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(600)"], env={**os.environ, RUN: str(alive)}
    )
    try:
        assert {run.id for run in gone_runs(client, OURS)} == {running, asked_to_end}
        ended = end_gone_runs(client, OURS)
        assert {run.id for run in ended} == {running, asked_to_end}
        states = {one: client.read_flow_run(one).state for one in (running, asked_to_end, elsewhere, submitted, alive)}
        assert [str(state and state.name) for state in states.values()] == [
            "Crashed", "Cancelled", "Running", "Pending", "Running",
        ]  # fmt: skip
        assert end_gone_runs(client, OURS) == ()
        assert [run.id for run in end_gone_runs(client, OURS, timedelta(0))] == [submitted], "the worker itself is gone"
    finally:
        process.kill()
        process.wait()
        client.set_flow_run_state(elsewhere, Cancelling(), force=True)
        end_gone_runs(client, "evercurrent-there")
    assert [run.id for run in end_gone_runs(client, OURS)] == [alive]


def test_a_run_that_the_slot_is_not_given_ends_with_a_reason_and_one_without_a_limit_too(
    client: SyncPrefectClient, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment = client.create_deployment(client.create_flow(takes), name="w", work_pool_name=POOL)

    def run() -> object:
        made = client.create_flow_run_from_deployment(deployment)
        return run_flow(takes, flow_run=made, parameters={"home": str(tmp_path)})

    assert run() == "wrote"
    with (
        monkeypatch.context() as hasty,
        concurrency(WAREHOUSE, strict=True),
        pytest.raises(Transient, match="evercurrent-warehouse is held by another"),
    ):
        hasty.setattr(writes, "SLOT_SECONDS", 0.5)
        run()
    with Workspace(tmp_path).held():
        pass  # it was given back
    client.delete_global_concurrency_limit_by_name(WAREHOUSE)
    with pytest.raises(ContractBroken, match="the server has no limit evercurrent-warehouse; make it: evercurrent up"):
        run()
    provision()
    assert run() == "wrote"


def test_a_look_at_drift_says_what_a_turn_would_and_leaves_the_ledger_alone(tmp_path: Path, tiny: TinySource) -> None:
    home = tmp_path / "home"
    ingest(home, tiny, tiny.frame)
    assert drift_watch(str(home), day(3)).startswith("NONE: there is no champion yet")
    daily_loop(str(home), day(4))
    w = Warehouse(home / "warehouse.duckdb", "tiny")

    def kept() -> object:
        with connect(w.path) as connection:
            reports = connection.execute("select count(*) from drift_reports").fetchone()
        return reports, ledger.windows(w, 0, 1 << 60)

    before = kept()
    said = drift_watch(str(home), day(5))
    assert said.startswith("UPDATE; UPDATE: matured is")
    assert drift_watch(str(home), day(5)) == said, "a look changes nothing about the next"
    assert kept() == before
    assert not (home / "turns" / str(int(day(5).timestamp() * 1e6)) / "drift.html").exists()


def test_the_events_that_deployments_wait_for_are_those_that_a_look_sends() -> None:
    every = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    triggers = {one["name"]: trigger for one in every for trigger in one.get("triggers", ())}
    assert set(triggers) == {"daily-loop", "refresh-memory"}
    assert {trigger["match"]["prefect.resource.id"] for trigger in triggers.values()} == {OPEN}
    waited_for = {event for trigger in triggers.values() for event in trigger["expect"]}
    assert waited_for <= {f"evercurrent.drift.{action.lower()}" for action in DriftAction}
    assert "evercurrent.drift.update" not in waited_for, "the night is soon enough"


def test_a_verdict_on_files_is_an_answer_and_words_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    log, target = tmp_path / "log.csv", tmp_path / "target.csv"
    LOG.to_csv(log, index=False)
    TARGET.to_csv(target, index=False)
    said = evaluate(str(log), str(target), str(tmp_path / "home"), page=str(tmp_path / "page.html"))
    assert said.startswith("refused; "), "six decisions carry no verdict"
    assert (tmp_path / "page.html").exists()
    with pytest.raises(ContractBroken, match="margin is read with kind update alone"):
        evaluate(str(log), str(target), str(tmp_path / "home"), margin=0.1)
    with pytest.raises(ContractBroken, match="range is 1 0; allowed are"):
        evaluate(str(log), str(target), str(tmp_path / "home"), value_range=(1.0, 0.0))
