"""Whether the stack runs: its processes, its server, and what the server knows of worker, runs and slots."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import WorkPool
from prefect.settings import PREFECT_API_URL, temporary_settings

from components.domain import ContractBroken, Transient
from components.publish.pointer import read_pointer
from flows.gone import gone_runs, under_way
from flows.provision import POOL
from flows.stack.finding import Finding, fine, mend, note
from flows.stack.ports import LOOPBACK, check_free
from flows.stack.record import Part, Role, Stack, read_stack
from flows.stack.slots import taken_slots
from flows.stack.worker import worker_name
from flows.workspace import Workspace

UP = "evercurrent up"
PORTS = {Role.SERVER: 4200, Role.SERVICE: 3000}
"""Where the parts answer if nobody says otherwise."""

LATE = timedelta(seconds=90)
"""Three heartbeats of a worker (PREFECT_WORKER_HEARTBEAT_SECONDS, 30)."""


def check_stack(workspace: Workspace) -> Iterator[Finding]:
    """Processes and ports; then, if the server answers, what it knows."""
    try:
        stack = read_stack(workspace)
    except ContractBroken as broken:
        yield mend("stack", str(broken), "end its processes, then remove the file")
        return
    yield from (_part(stack, role) for role in Role if not (stack.homes and role is Role.SERVICE))
    yield from (_part(stack, part.role, part.home) for part in stack.parts if part.home)
    if stack.running(Role.SERVICE):
        yield _service(workspace, stack)
    if not stack.running(Role.SERVER):
        return
    with temporary_settings({PREFECT_API_URL: stack.api}), get_client(sync_client=True) as client:
        try:
            yield from _server(client)
        except httpx.HTTPError as error:
            said = f"{stack.api} does not answer: {type(error).__name__}"
            yield mend("server", said, "see logs/server.log in the home; evercurrent down, then evercurrent up")


def _part(stack: Stack, role: Role, home: str | None = None) -> Finding:
    part, port = stack.part(role, home), _port(stack, role)
    whose = f"of {home}, " if home else ""
    if part is not None and part.process() is not None:
        return fine(role, f"{whose}process {part.pid}{f', {part.url}' if part.url else ''}")
    if part is not None:
        return mend(
            role,
            f"{whose}process {part.pid} has ended, nobody took it down; its log is {part.log}",
            UP,
        )
    try:
        if port is not None:
            check_free(LOOPBACK, port, f"--{role}-port")
    except Transient as taken:
        return note(role, f"not started, and {taken}")
    return note(role, "not started: evercurrent up")


def _port(stack: Stack, role: Role) -> int | None:
    part = stack.part(role)
    return PORTS.get(role) if part is None or part.url is None else httpx.URL(part.url).port


def _service(workspace: Workspace, stack: Stack) -> Finding:
    part = stack.part(Role.SERVICE)
    assert part is not None, "it runs"
    try:
        ready = httpx.get(f"{part.url}/readyz", timeout=5).status_code == httpx.codes.OK
    except httpx.HTTPError as error:
        return mend("ready", f"{part.url} does not answer: {type(error).__name__}", _restart(part))
    if ready:
        return fine("ready", f"{part.url} answers from the champion")
    if read_pointer(workspace.root) is None:
        return note("ready", "the service answers 503 until there is a generation: evercurrent loop")
    return mend("ready", f"{part.url} answers 503 though there is a champion", _restart(part))


def _restart(part: Part) -> str:
    return f"see {part.log}; evercurrent down, then evercurrent up"


def _server(client: SyncPrefectClient) -> Iterator[Finding]:
    """What the server knows."""
    pools = {pool.name: pool for pool in client.read_work_pools()}
    if POOL not in pools:
        yield mend("pool", f"the server has no work pool {POOL}", UP)
        return
    yield _pool(pools[POOL])
    yield _worker(client)
    yield _schedules(client)
    yield _runs(client)
    yield from _slots(client)


def _pool(pool: WorkPool) -> Finding:
    if pool.is_paused:
        return mend("pool", f"{POOL} is paused: no run begins", f"{UP}, or prefect work-pool resume {POOL}")
    return fine("pool", f"{POOL} takes runs")


def _worker(client: SyncPrefectClient) -> Finding:
    every = client.read_workers_for_work_pool(POOL)
    heard = max((w.last_heartbeat_time for w in every if w.last_heartbeat_time), default=None)
    if heard is None:
        return mend("heartbeat", "no worker has ever reported: runs stay scheduled", UP)
    silent = datetime.now(UTC) - heard
    if silent > LATE:
        return mend("heartbeat", f"no worker has reported for {silent.total_seconds():.0f} s", UP)
    return fine("heartbeat", f"a worker reported {silent.total_seconds():.0f} s ago")


def _schedules(client: SyncPrefectClient) -> Finding:
    """People pause schedules for good reasons, and forget it."""
    every = client.read_deployments()
    paused = [one.name for one in every if one.schedules and (one.paused or not any(s.active for s in one.schedules))]
    if paused:
        return note("schedules", f"paused: {', '.join(sorted(paused))}; prefect deployment schedule resume")
    return fine("schedules", f"{sum(bool(one.schedules) for one in every)} deployments are scheduled")


def _runs(client: SyncPrefectClient) -> Finding:
    gone = gone_runs(client, worker_name())
    if gone:
        return mend("runs", f"under way without a process: {', '.join(run.name for run in gone)}", UP)
    return fine("runs", f"{len(under_way(client))} under way")


def _slots(client: SyncPrefectClient) -> Iterator[Finding]:
    """Slots that are taken though no run is alive that could have them."""
    taken = taken_slots(client)
    for slot in taken:
        yield mend("slots", slot.said, slot.mend) if slot.stuck else note("slots", f"{slot.said}; {slot.mend}")
    if not taken:
        yield fine("slots", "taken by runs that are under way, or free")
