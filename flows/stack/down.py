"""Take the stack down: exactly what `up` started, and no run that stays Running.

The pool is paused first, so that no new run begins; those that go on are waited for, then cancelled, which Prefect's
worker does by ending their process. Runs that are due meanwhile stay scheduled: after the next `up` one catches up.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolUpdate
from prefect.client.schemas.objects import FlowRun
from prefect.exceptions import ObjectNotFound
from prefect.settings import PREFECT_API_URL, temporary_settings
from prefect.states import Cancelling

from flows.gone import end_gone_runs, under_way
from flows.provision import POOL
from flows.stack.processes import POLL_SECONDS, end
from flows.stack.record import Role, Stack, read_stack, write_stack
from flows.stack.worker import worker_name
from flows.workspace import Workspace

CANCEL_SECONDS = 30.0
"""How long a worker may take to end the runs that were cancelled; measured 6 s."""

STOP_SECONDS = 30.0
"""How long a part may take to end before it is killed: a service finishes its answers, a server its writes."""


@dataclass(frozen=True)
class Down:
    """What was ended, in order; names of runs that were cancelled, and of those whose process was gone."""

    ended: tuple[Role, ...] = ()
    forced: tuple[Role, ...] = ()
    cancelled: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()


def down(workspace: Workspace, patience: float) -> Down:
    """End what runs of the stack; nothing where nothing does.

    Parameters
    ----------
    patience : seconds that runs may go on before they are cancelled.
    """
    stack = read_stack(workspace)
    with _server(stack) as client:
        cancelled = _drained(client, stack, patience) if client else ()
        first = _end(workspace, (Role.WORKER, Role.SERVICE))
        gone = _settled(client) if client else ()
    last = _end(workspace, (Role.SERVER,))
    ended = {**first, **last}
    return Down(tuple(ended), tuple(role for role, forced in ended.items() if forced), cancelled, gone)


@contextmanager
def _server(stack: Stack) -> Iterator[SyncPrefectClient | None]:
    """A client of the stack's server, or None where it does not answer: then there is nobody to tell."""
    if stack.running(Role.SERVER) is None:
        yield None
        return
    with temporary_settings({PREFECT_API_URL: stack.api}), get_client(sync_client=True) as client:
        try:
            client.read_work_pool(POOL)
        except (httpx.HTTPError, ObjectNotFound):
            yield None
        else:
            yield client


def _drained(client: SyncPrefectClient, stack: Stack, patience: float) -> tuple[str, ...]:
    """Let the runs that go on end, by themselves or by being cancelled; names of the latter."""
    client.update_work_pool(POOL, WorkPoolUpdate(is_paused=True))
    if stack.running(Role.WORKER) is None or not _await_none(client, patience):
        late = under_way(client)
        for run in late:
            client.set_flow_run_state(run.id, Cancelling(message="evercurrent down waited for it long enough"))
        if stack.running(Role.WORKER) is not None:
            _await_none(client, CANCEL_SECONDS)
        return tuple(run.name for run in late)
    return ()


def _await_none(client: SyncPrefectClient, patience: float) -> bool:
    """Whether no run is under way any more within `patience` seconds."""
    give_up = time.monotonic() + patience
    while under_way(client):
        if time.monotonic() > give_up:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _settled(client: SyncPrefectClient) -> tuple[str, ...]:
    """With the worker gone: end what it left behind, and let the pool take runs again when there is a worker."""
    gone: tuple[FlowRun, ...] = end_gone_runs(client, worker_name(), timedelta(0))
    client.update_work_pool(POOL, WorkPoolUpdate(is_paused=False))
    return tuple(run.name for run in gone)


def _end(workspace: Workspace, roles: tuple[Role, ...]) -> dict[Role, bool]:
    """End parts, and forget each when it has ended; role -> whether it had to be forced."""
    ended: dict[Role, bool] = {}
    for role in roles:
        for part in (part for part in read_stack(workspace).parts if part.role is role):
            if part.process() is not None:
                ended[role] = end(part, STOP_SECONDS) or ended.get(role, False)
            write_stack(workspace, read_stack(workspace).without(role, part.home))
    return ended
