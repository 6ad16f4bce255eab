"""Runs whose process is gone: they stay Running for good, and hold the slot that the next run needs.

Prefect notices that by heartbeats, minutes later. A worker, and every run that it starts, can tell at once: Prefect
names the run in its process's environment, so a run of this worker that no process on this machine is named after is
over. Runs of other workers, which may be on other machines, are left alone.
"""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import psutil
from prefect.client.orchestration import SyncPrefectClient
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
    WorkPoolFilter,
    WorkPoolFilterName,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.states import Cancelled, Crashed

from flows.deployed import LEASE, WORKER
from flows.provision import POOL
from flows.workspace import RUN

SUBMITTED = timedelta(minutes=1)
"""How long a run may be Pending before its process is there: a worker starts one in seconds."""

UNDER_WAY = (StateType.RUNNING, StateType.PENDING, StateType.CANCELLING)


def end_gone_runs(client: SyncPrefectClient, worker: str, submitted: timedelta = SUBMITTED) -> tuple[FlowRun, ...]:
    """End the runs of a worker whose process is gone, which gives their slots back; the runs that were ended.

    Parameters
    ----------
    worker : name of a worker of this machine.
    submitted : how long a run may be Pending without a process; nothing where the worker is known to be gone.
    """
    gone = gone_runs(client, worker, submitted)
    for run in gone:
        asked = run.state_type is StateType.CANCELLING
        said = "its process is gone: it was killed, or its machine went down"
        state: State[None] = Cancelled(message=said) if asked else Crashed(message=said)
        client.set_flow_run_state(run.id, state, force=True)
        if lease := run.labels.get(LEASE):
            client.release_concurrency_slots_with_lease(UUID(str(lease)))  # one that has expired is nothing to it
    return gone


def gone_runs(client: SyncPrefectClient, worker: str, submitted: timedelta = SUBMITTED) -> tuple[FlowRun, ...]:
    """Runs of a worker that are under way as far as the server knows, and of which no process is left."""
    runs = [run for run in under_way(client) if _of(run, worker)]
    if not runs:
        return ()
    alive, now = _with_a_process(runs), datetime.now(UTC)
    return tuple(run for run in runs if run.id not in alive and not _just_submitted(run, now - submitted))


def under_way(client: SyncPrefectClient) -> list[FlowRun]:
    """Runs in our pool that have begun and not ended, as far as the server knows."""
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=list(UNDER_WAY)))),
        work_pool_filter=WorkPoolFilter(name=WorkPoolFilterName(any_=[POOL])),
    )


def _of(run: FlowRun, worker: str) -> bool:
    """A run is labelled while it is Pending; one that is not yet is nobody else's."""
    return run.labels.get(WORKER, worker) == worker


def _with_a_process(runs: list[FlowRun]) -> set[UUID]:
    """Runs that a process is named after; one whose process will not say is taken to be alive."""
    named, silent = set(), set()
    for process in psutil.process_iter():
        try:
            named.add(process.environ().get(RUN))
        except psutil.AccessDenied:
            silent.add(str(process.pid))
        except psutil.Error:
            continue
    return {run.id for run in runs if str(run.id) in named or run.infrastructure_pid in silent}


def _just_submitted(run: FlowRun, since: datetime) -> bool:
    state = run.state
    return state is not None and state.is_pending() and state.timestamp > since
