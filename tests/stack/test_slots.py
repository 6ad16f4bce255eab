"""Slots that nobody alive has: which are stuck, in which words, and what giving them back leaves alone."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import ConcurrencyLimitStrategy, ConcurrencyOptions
from prefect.states import Completed, Pending, Running, Scheduled

from flows.deployed import WORKER
from flows.gone import RUN, end_gone_runs
from flows.provision import POOL, provide
from flows.stack.deployments import TURNS
from flows.stack.homes import Home, Homes
from flows.stack.slots import LEASE, TakenSlot, free, taken_slots
from flows.stack.worker import worker_name

pytestmark = pytest.mark.usefixtures("prefect_server")

LATER = LEASE + timedelta(seconds=60)


@flow(name="turn", validate_parameters=False)
def turn() -> None:
    """A flow that nobody runs."""


@pytest.fixture
def client(prefect_server: None) -> Iterator[SyncPrefectClient]:
    provide(None)
    with get_client(sync_client=True) as made:
        yield made


@pytest.fixture
def deployment(client: SyncPrefectClient) -> Iterator[UUID]:
    """A deployment of our pool whose second run is cancelled while one is going."""
    made = deployed(client, f"d{uuid4().hex[:8]}")
    yield made
    client.delete_deployment(made)


def deployed(client: SyncPrefectClient, name: str, queue: str | None = None) -> UUID:
    return client.create_deployment(
        client.create_flow(turn),
        name=name,
        work_pool_name=POOL,
        work_queue_name=queue,
        concurrency_limit=1,
        concurrency_options=ConcurrencyOptions(collision_strategy=ConcurrencyLimitStrategy.CANCEL_NEW),
    )


def slot(client: SyncPrefectClient, deployment: UUID, after: timedelta = LATER) -> TakenSlot | None:
    """What is said of the deployment's slot when some time has passed."""
    found = taken_slots(client, datetime.now(UTC) + after)
    return next((one for one in found if one.limit == f"deployment:{deployment}"), None)


def take(client: SyncPrefectClient, deployment: UUID) -> None:
    """The slot is taken without a lease: so it stands after a server that forgot its leases."""
    client.increment_concurrency_slots([f"deployment:{deployment}"], 1, "concurrency").raise_for_status()


def free_at(client: SyncPrefectClient, after: timedelta = LATER) -> tuple[TakenSlot, ...]:
    return free(client, datetime.now(UTC) + after)


def state_of_next(client: SyncPrefectClient, deployment: UUID) -> str:
    """What becomes of the next run when a worker takes it."""
    run = client.create_flow_run_from_deployment(deployment)
    client.set_flow_run_state(run.id, Pending())
    state = client.read_flow_run(run.id).state
    if state is not None and state.is_pending():
        client.set_flow_run_state(run.id, Completed(), force=True)
    return str(state and state.name)


def test_a_slot_whose_run_has_ended_is_stuck_after_its_lease_and_given_back_by_hand(
    client: SyncPrefectClient, deployment: UUID
) -> None:
    run = client.create_flow_run_from_deployment(deployment)
    client.set_flow_run_state(run.id, Running(), force=True)
    client.set_flow_run_state(run.id, Completed(), force=True)
    assert slot(client, deployment) is None
    take(client, deployment)
    assert state_of_next(client, deployment) == "Cancelled", "nobody runs, and nobody may"
    young, old = slot(client, deployment, timedelta(seconds=30)), slot(client, deployment)
    assert young is not None and not young.stuck and "comes free by itself within" in young.mend
    assert old is not None and old.stuck and old.mend == "evercurrent free-slots"
    assert f"run {run.name} has ended (Completed)" in old.said and "the slot of turn/d" in old.said
    assert "\n" not in old.said
    assert [one.limit for one in free_at(client, timedelta(seconds=30)) if one.limit == old.limit] == []
    assert old.limit in [one.limit for one in free_at(client)]
    assert slot(client, deployment) is None
    assert state_of_next(client, deployment) == "Pending"


def test_a_slot_of_which_no_run_is_known_is_stuck_when_it_was_long_taken(
    client: SyncPrefectClient, deployment: UUID
) -> None:
    take(client, deployment)
    young, old = slot(client, deployment, timedelta(seconds=5)), slot(client, deployment)
    assert young is not None and not young.stuck
    assert old is not None and old.stuck and "no run of it is known" in old.said
    free_at(client)
    assert slot(client, deployment) is None


def test_a_run_that_is_alive_keeps_its_slot_however_long_its_worker_is_silent(
    client: SyncPrefectClient, deployment: UUID
) -> None:
    run = client.create_flow_run_from_deployment(deployment)
    client.send_worker_heartbeat(POOL, worker_name())
    client.update_flow_run_labels(run.id, {WORKER: worker_name()})
    client.set_flow_run_state(run.id, Pending())
    client.update_flow_run(run.id, infrastructure_pid=str(2**22))
    client.set_flow_run_state(run.id, Running())
    asleep = [sys.executable, "-c", "import time; time.sleep(600)"]
    process = subprocess.Popen(asleep, env={**os.environ, RUN: str(run.id)})
    try:
        assert slot(client, deployment) is None, "its process is there"
        assert free_at(client) == () or all(str(deployment) not in one.limit for one in free_at(client))
        assert client.read_flow_run(run.id).state_name == "Running"
    finally:
        process.kill()
        process.wait()
    found = slot(client, deployment)
    assert found is not None and found.stuck and f"its worker {worker_name()} is silent" in found.said
    free_at(client)
    state = client.read_flow_run(run.id).state
    assert state is not None and state.is_crashed()
    assert slot(client, deployment) is None
    assert state_of_next(client, deployment) == "Pending"


def test_a_run_of_another_machine_is_for_a_person_to_end(client: SyncPrefectClient, deployment: UUID) -> None:
    run = client.create_flow_run_from_deployment(deployment)
    client.send_worker_heartbeat(POOL, "evercurrent-elsewhere")
    client.update_flow_run_labels(run.id, {WORKER: "evercurrent-elsewhere"})
    client.set_flow_run_state(run.id, Pending())
    client.set_flow_run_state(run.id, Running())
    found = slot(client, deployment)
    assert found is not None and found.by_hand and "evercurrent-elsewhere is silent" in found.said
    assert found.mend.startswith("end that run in the UI if it is dead")
    assert found.limit not in [one.limit for one in free_at(client)]
    assert client.read_flow_run(run.id).state_name == "Running", "nobody ends what may be alive"
    client.set_flow_run_state(run.id, Completed(), force=True)
    end_gone_runs(client, "evercurrent-elsewhere")


def test_turns_of_all_homes_are_handed_out_longest_due_first_and_no_more_than_may_run_at_once(
    client: SyncPrefectClient, tmp_path: object
) -> None:
    homes = tuple(Home(name=name, folder=f"/srv/{name}") for name in ("a", "b", "c"))
    provide(Homes(homes=homes, turns_at_once=2))
    provide(Homes(homes=homes, turns_at_once=2))
    now = datetime.now(UTC)
    a, b, c = (deployed(client, name, TURNS) for name in "abc")
    due = [(a, 9), (b, 8), (a, 7), (c, 6)]
    runs = []
    for deployment, minutes in due:
        state = Scheduled(scheduled_time=now - timedelta(minutes=minutes))
        runs.append(client.create_flow_run_from_deployment(deployment, state=state).id)

    def handed() -> list[UUID]:
        """What a worker is given, and takes."""
        given = [one.flow_run.id for one in client.get_scheduled_flow_runs_for_work_pool(POOL, [TURNS], now)]
        for run in given:
            client.set_flow_run_state(run, Pending())
        return given

    try:
        assert handed() == runs[:2]
        assert handed() == [], "two are going"
        client.set_flow_run_state(runs[1], Completed(), force=True)
        assert handed() == [runs[2]]
        assert client.read_flow_run(runs[2]).state_name == "Cancelled", "a second turn of a home that is at one"
        assert handed() == [runs[3]], "who waits behind a home that asks too often is not kept by it"
        provide(Homes(homes=homes, turns_at_once=3))
        assert client.read_work_queue_by_name(TURNS, POOL).concurrency_limit == 3
    finally:
        for run in runs:
            client.set_flow_run_state(run, Completed(), force=True)
        for deployment in (a, b, c):
            client.delete_deployment(deployment)
        provide(None)
