"""How each of many homes is: one row per home, of its ledger, its service, and what the server knows of its runs."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    DeploymentFilter,
    DeploymentFilterId,
    FlowRunFilter,
    FlowRunFilterState,
    FlowRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, StateType
from prefect.client.schemas.responses import DeploymentResponse
from prefect.client.schemas.sorting import FlowRunSort
from prefect.settings import PREFECT_API_URL, temporary_settings

from components.domain import EvercurrentError, Transient, instant_of, iso
from components.frozen import Frozen
from components.publish.pointer import read_pointer
from flows.provision import POOL
from flows.scheduled import plain
from flows.stack.deployments import TURN, tag_of
from flows.stack.every import every_deployment
from flows.stack.homes import Home, Homes, fault_of
from flows.stack.record import Part, Role, Stack, read_stack
from flows.stack.slots import TakenSlot, taken_slots
from flows.turn import ALL_TIME, TurnRecord, finished, warehouse_of
from flows.workspace import Workspace
from warehouse import ledger

LATE = timedelta(minutes=30)
"""A turn that is due for longer and neither runs nor waits for another home's has nobody who starts it."""

ENDED = (StateType.COMPLETED, StateType.FAILED, StateType.CRASHED)
"""How a turn's run may have ended; a cancelled one says nothing of the home: another was at it."""


class HomeState(Frozen):
    """One home.

    Attributes
    ----------
    champion : its generation; None: none yet.
    last, verdict, drift_action : of the latest turn that ended; None: none yet, or nobody can look now.
    next : when its turn is due; None: nobody has scheduled one, or no server runs.
    service : ready, not ready, or None where the file gives it no port.
    faults : what somebody has to mend, a line each.
    notes : what is worth knowing.
    """

    name: str
    folder: str
    champion: int | None = None
    last: str | None = None
    verdict: str | None = None
    drift_action: str | None = None
    next: str | None = None
    service: str | None = None
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


class HomesState(Frozen):
    """All of them, and what is wrong with what they share."""

    homes: tuple[HomeState, ...]
    faults: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def needs_somebody(self) -> bool:
        """Whether anything has to be mended."""
        return bool(self.faults) or any(home.faults for home in self.homes)


def read_states(homes: Homes) -> HomesState:
    """How the homes are now; what cannot be looked at is a fault of that home alone."""
    stack = read_stack(Workspace(homes.stack))
    with _asked(stack) as known:
        states = tuple(_state(home, stack, known) for home in homes.homes)
    return HomesState(homes=states, faults=known.faults, notes=known.notes)


class _Known:
    """What the server of a stack knows; nothing where there is none that answers."""

    def __init__(self, client: SyncPrefectClient | None, faults: tuple[str, ...], notes: tuple[str, ...]) -> None:
        self.client, self.faults, self.notes = client, faults, notes
        self.deployments: list[DeploymentResponse] = every_deployment(client, POOL) if client else []
        self.taken: tuple[TakenSlot, ...] = taken_slots(client) if client else ()

    def turn_of(self, home: Home) -> DeploymentResponse | None:
        """The deployment that is a home's turn."""
        mine = [one for one in self.deployments if tag_of(home.name) in one.tags]
        return next((one for one in mine if str(one.entrypoint).endswith(f":{TURN.replace('-', '_')}")), None)

    def slots_of(self, home: Home) -> tuple[TakenSlot, ...]:
        """Taken slots of a home's deployments."""
        return tuple(slot for slot in self.taken if slot.name.endswith(f"/{home.name}"))

    def run_of(self, turn: DeploymentResponse, states: tuple[StateType, ...], sort: FlowRunSort) -> FlowRun | None:
        """The first run of a deployment in some states, in an order."""
        assert self.client is not None, "who knows a deployment has a client"
        state = FlowRunFilterState(type=FlowRunFilterStateType(any_=list(states)))
        of = DeploymentFilter(id=DeploymentFilterId(any_=[turn.id]))
        found = self.client.read_flow_runs(
            flow_run_filter=FlowRunFilter(state=state), deployment_filter=of, sort=sort, limit=1
        )
        return found[0] if found else None


@contextmanager
def _asked(stack: Stack) -> Iterator[_Known]:
    if stack.part(Role.SERVER) is None:
        yield _Known(None, (), ("the stack was not started: evercurrent up --homes FILE",))
        return
    dead = tuple(f"{_named(part)} has ended, and nobody took it down" for part in stack.parts if not part.process())
    faults = tuple(f"{one}: evercurrent up --homes FILE" for one in dead)
    with temporary_settings({PREFECT_API_URL: stack.api}), get_client(sync_client=True) as client:
        try:
            known = _Known(client, faults, ())
        except httpx.HTTPError:
            known = _Known(None, (*faults, f"the server at {stack.api} does not answer"), ())
        yield known


def _named(part: Part) -> str:
    return f"the {part.role}{f' of {part.home}' if part.home else ''} (process {part.pid})"


def _state(home: Home, stack: Stack, known: _Known) -> HomeState:
    told = HomeState(name=home.name, folder=str(home.folder))
    if fault := fault_of(home):
        return told.model_copy(update={"faults": (fault,)})
    try:
        told = _served(_ledger(told, home.workspace), home, stack)
        return _runs(told, home, known)
    except (EvercurrentError, OSError, httpx.HTTPError) as error:
        line = (str(error).splitlines() or [type(error).__name__])[0]
        return told.model_copy(update={"faults": (*told.faults, line)})


def _ledger(told: HomeState, workspace: Workspace) -> HomeState:
    """Champion and last turn."""
    pointer = read_pointer(workspace.root)
    champion = None if pointer is None else pointer.generation
    faults = told.faults
    if pointer is not None and not (workspace.root / pointer.bundle).is_dir():
        faults += (f"the bundle of champion {champion} is gone: evercurrent rollback --to G --reason '...'",)
    try:
        last, note = _last_turn(workspace), "no turn has ended yet"
    except Transient:  # DuckDB lets nobody else in while a stage writes
        last, note = None, "a run has the warehouse: its last turn cannot be looked at now"
    if last is None:
        return told.model_copy(update={"champion": champion, "faults": faults, "notes": (note,)})
    if last.halted:
        faults += (f"its last window was set aside: {'; '.join(last.reasons)}",)
    figures = {"last": last.cutoff, "verdict": last.verdict.value, "drift_action": last.drift_action}
    return told.model_copy(update={"champion": champion, "faults": faults, **figures})


def _last_turn(workspace: Workspace) -> TurnRecord | None:
    w = warehouse_of(workspace)
    last = ledger.last_window(w, ALL_TIME)
    return None if last is None else finished(workspace, last.cutoff)


def _served(told: HomeState, home: Home, stack: Stack) -> HomeState:
    """Whether its service answers from a champion."""
    part = stack.part(Role.SERVICE, home.name)
    if home.service_port is None or part is None:
        return told
    try:
        ready = httpx.get(f"{part.url}/readyz", timeout=5).status_code == httpx.codes.OK
    except httpx.HTTPError:
        ready = False
    wanted = not ready and told.champion is not None
    faults = (*told.faults, f"its service at {part.url} is not ready: see {part.log}") if wanted else told.faults
    return told.model_copy(update={"service": "ready" if ready else "not ready", "faults": faults})


def _runs(told: HomeState, home: Home, known: _Known) -> HomeState:
    """When its turn is due, how the last one ended, and slots that nobody has."""
    turn = known.turn_of(home)
    if turn is None:
        return told
    due = known.run_of(turn, (StateType.SCHEDULED,), FlowRunSort.EXPECTED_START_TIME_ASC)
    last = known.run_of(turn, ENDED, FlowRunSort.END_TIME_DESC)
    faults = [*told.faults, *(f"{slot.said}; {slot.mend}" for slot in known.slots_of(home) if slot.stuck)]
    notes = [*told.notes, *(f"{slot.said}; {slot.mend}" for slot in known.slots_of(home) if not slot.stuck)]
    if last is not None and last.state_type is not StateType.COMPLETED:
        faults.append(f"its last turn is {last.state_name}: {_line(last)}")
    if turn.paused or not any(schedule.active for schedule in turn.schedules):
        notes.append("its schedule is paused")
    if due is not None and due.expected_start_time is not None:
        when = plain(due.expected_start_time)
        late = datetime.now(UTC) - when
        told = told.model_copy(update={"next": iso(instant_of(when))})
        if late > LATE:
            notes.append(f"its turn is due for {late.total_seconds() / 60:.0f} minutes and waits")
    return told.model_copy(update={"faults": tuple(faults), "notes": tuple(notes)})


def _line(run: FlowRun) -> str:
    said = (run.state.message if run.state else None) or ""
    return (said.splitlines() or ["no reason was told"])[0][:300]
