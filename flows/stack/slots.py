"""Slots that are taken though nobody alive has them: every later run of the deployment is cancelled meanwhile.

Who has a slot holds it by a lease that it renews; the lease of one that died runs out, and Prefect's server takes the
slot back. A server that forgot its leases (kept in memory, and killed), or that died between two writes, never does:
then the slot is stuck, and a person has to say so.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import TERMINAL_STATES, FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse, GlobalConcurrencyLimitResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_API_URL, temporary_settings

from components.domain import Transient
from components.frozen import Frozen
from flows.deployed import WORKER
from flows.gone import end_gone_runs, gone_runs, under_way
from flows.provision import POOL, WAREHOUSE
from flows.stack.every import PAGE, every_deployment, every_limit
from flows.stack.record import Role, Stack
from flows.stack.worker import worker_name

LEASE = timedelta(seconds=330)
"""The lease of a deployment's slot (PREFECT_SERVER_CONCURRENCY_INITIAL_DEPLOYMENT_LEASE_DURATION, 300 s), and two
rounds of who takes it back (15 s)."""

COLLIDED = "Deployment concurrency limit reached."
"""What Prefect's server says of a run that it cancels because the slot is taken."""

OF_DEPLOYMENT = "deployment:"
"""How the limit of a deployment is called on the server, with its id."""


class TakenSlot(Frozen):
    """A limit with slots that nobody alive has.

    Attributes
    ----------
    limit : its name on the server.
    name : whose it is, such as ``daily-loop/daily-loop``.
    slots : how many.
    holder : who had it last, in words.
    seconds : since nobody alive has it.
    by_hand : whether somebody else's run has to be ended first.
    """

    limit: str
    name: str
    slots: int
    holder: str
    seconds: float
    by_hand: bool = False

    @property
    def stuck(self) -> bool:
        """Whether it does not come free by itself any more: its lease would have run out."""
        return self.seconds > LEASE.total_seconds()

    @property
    def said(self) -> str:
        """One line."""
        return f"the slot of {self.name} is taken, and nobody has it for {self.seconds:.0f} s: {self.holder}"

    @property
    def mend(self) -> str:
        """What to do."""
        if not self.stuck:
            return f"it comes free by itself within {LEASE.total_seconds() - self.seconds:.0f} s"
        first = "end that run in the UI if it is dead (Cancel), then " if self.by_hand else ""
        return f"{first}evercurrent free-slots"


def taken_slots(client: SyncPrefectClient, now: datetime | None = None) -> tuple[TakenSlot, ...]:
    """Slots of our deployments and of the warehouse that nobody alive has."""
    now = now or datetime.now(UTC)
    limits = every_limit(client)  # before the runs: who takes a slot meanwhile is counted with those that may have one
    ours = {f"{OF_DEPLOYMENT}{one.id}": one for one in every_deployment(client, POOL)}
    runs = under_way(client)
    dead = _dead(client, runs, now)
    found = []
    for limit in limits:
        if limit.name == WAREHOUSE or limit.name in ours:
            mine = [r for r in runs if limit.name in (WAREHOUSE, f"{OF_DEPLOYMENT}{r.deployment_id}")]
            left = [(run, dead[run.id]) for run in mine if run.id in dead]
            slots = limit.active_slots - (len(mine) - len(left))
            if slots > 0:
                of = ours.get(limit.name)
                holder = _dead_holder(*left[0]) if left else _ended_holder(client, limit, of, now)
                found.append(_taken(client, limit, of, slots, holder))
    return tuple(found)


def _taken(
    client: SyncPrefectClient,
    limit: GlobalConcurrencyLimitResponse,
    deployment: DeploymentResponse | None,
    slots: int,
    holder: "_Holder",
) -> TakenSlot:
    name = WAREHOUSE if deployment is None else f"{client.read_flow(deployment.flow_id).name}/{deployment.name}"
    said, seconds, by_hand = holder.said, holder.seconds, holder.by_hand
    return TakenSlot(limit=limit.name, name=name, slots=slots, holder=said, seconds=seconds, by_hand=by_hand)


def free(client: SyncPrefectClient, now: datetime | None = None) -> tuple[TakenSlot, ...]:
    """Give back the slots that are stuck; those that were.

    A slot is taken off the count, by as many as nobody has, in one step of the server: a run that begins at the same
    time keeps its own. One whose lease may still run is left alone, so that it is not given back twice.
    """
    end_gone_runs(client, worker_name())
    stuck = tuple(slot for slot in taken_slots(client, now) if slot.stuck and not slot.by_hand)
    for slot in stuck:
        client.release_concurrency_slots([slot.limit], slot.slots, 1.0)
    return stuck


def taken_in(stack: Stack) -> tuple[TakenSlot, ...]:
    """What the server of a stack knows; nothing where it does not run or does not answer."""
    if stack.running(Role.SERVER) is None:
        return ()
    with temporary_settings({PREFECT_API_URL: stack.api}), get_client(sync_client=True) as client:
        try:
            return taken_slots(client)
        except httpx.HTTPError:
            return ()


def freed_in(stack: Stack) -> tuple[tuple[TakenSlot, ...], tuple[TakenSlot, ...]]:
    """What was given back on the server of a stack, and what is taken still."""
    with temporary_settings({PREFECT_API_URL: stack.api}), get_client(sync_client=True) as client:
        try:
            return free(client), taken_slots(client)
        except httpx.TransportError as error:
            raise Transient(f"the server at {stack.api} does not answer: {type(error).__name__}") from None


def _dead(client: SyncPrefectClient, runs: list[FlowRun], now: datetime) -> dict[UUID, float]:
    """Runs under way whose worker has been silent for longer than a lease, and for how long, seconds.

    On this machine a run lives as long as its process does, whatever became of its worker.
    """
    ours, silent = worker_name(), dict(_silent(client, now))
    gone = {run.id for run in gone_runs(client, ours)}
    workers = {run.id: _worker_of(run) for run in runs}
    return {
        run: silent[worker] for run, worker in workers.items() if worker in silent and (worker != ours or run in gone)
    }


def _silent(client: SyncPrefectClient, now: datetime) -> Iterator[tuple[str, float]]:
    for worker in client.read_workers_for_work_pool(POOL):
        heard = worker.last_heartbeat_time
        if heard is not None and now - heard > LEASE:
            yield worker.name, (now - heard).total_seconds()


def _worker_of(run: FlowRun) -> str:
    """A run that has no label yet is nobody else's."""
    return str(run.labels.get(WORKER, worker_name()))


@dataclass(frozen=True)
class _Holder:
    """Who had a slot last, and for how long nobody alive has it."""

    said: str
    seconds: float
    by_hand: bool = False


def _dead_holder(run: FlowRun, seconds: float) -> _Holder:
    worker = _worker_of(run)
    said = f"run {run.name} is {run.state_name} as far as the server knows, and its worker {worker} is silent"
    return _Holder(said, seconds, by_hand=worker != worker_name())


def _ended_holder(
    client: SyncPrefectClient,
    limit: GlobalConcurrencyLimitResponse,
    deployment: DeploymentResponse | None,
    now: datetime,
) -> _Holder:
    """The run that ended last, of those that may have had the slot; of the warehouse's slot, of all deployments."""
    of = None if deployment is None else DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))
    ended = _ended(client, of, TERMINAL_STATES - {StateType.CANCELLED}, 1)
    cancelled = _ended(client, of, {StateType.CANCELLED}, PAGE)
    ended += [run for run in cancelled if not _collided(run)][:1]
    runs = sorted((run for run in ended if run.end_time), key=lambda run: str(run.end_time), reverse=True)
    if runs and runs[0].end_time:
        said = f"run {runs[0].name} has ended ({runs[0].state_name})"
        return _Holder(said, (now - runs[0].end_time).total_seconds())
    since = min(filter(None, (limit.updated, *(run.end_time for run in cancelled))), default=now)
    return _Holder("no run of it is known that had it", (now - since).total_seconds())


def _ended(client: SyncPrefectClient, of: DeploymentFilter | None, states: set[StateType], most: int) -> list[FlowRun]:
    """Runs that ended in one of some states, the latest first."""
    state = FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states)))
    return client.read_flow_runs(
        flow_run_filter=FlowRunFilter(state=state), deployment_filter=of, sort=FlowRunSort.END_TIME_DESC, limit=most
    )


def _collided(run: FlowRun) -> bool:
    """Whether a run was cancelled because the slot was taken: a stuck slot makes one with every schedule."""
    return run.state is not None and run.state.message == COLLIDED
