"""How a run that failed is told: its name, an event, and a notification. Hooks that flows carry."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import FlowRun, State
from prefect.flows import Flow

from components.domain import ContractBroken, EvercurrentError, Transient
from flows.control_room.events import BrokenEvent, RepeatedEvent, emit
from flows.control_room.name import call, cutoff_of
from flows.notify.failures import Failure, notify_of_failure
from flows.turn import described_source
from flows.workspace import Workspace

STAGE = "stage="
"""How a stage signs an error that passes through it: a note of the exception."""


def signed(error: BaseException, stage: str) -> None:
    """Let an error say which stage it came from."""
    error.add_note(f"{STAGE}{stage}")


def stage_of(error: BaseException) -> str | None:
    """The stage that an error came from, if it came from one."""
    notes: list[str] = getattr(error, "__notes__", [])
    return next((note.removeprefix(STAGE) for note in notes if note.startswith(STAGE)), None)


def tell_failure(flow: "Flow[..., Any]", flow_run: FlowRun, state: "State[Any]") -> None:
    """Name a failed run after its cutoff and stage, and send the event; a hook."""
    _tell(flow, flow_run, state)


def tell_and_notify_failure(flow: "Flow[..., Any]", flow_run: FlowRun, state: "State[Any]") -> None:
    """As `tell_failure`, and notify: of the data, and of a stage that used up its retries; a hook."""
    failure = _tell(flow, flow_run, state)
    if failure is not None:
        notify_of_failure(_home(flow_run), failure, datetime.now(UTC))


def _tell(flow: "Flow[..., Any]", flow_run: FlowRun, state: "State[Any]") -> Failure | None:
    """What is news of the failure; None where the caller alone is to blame, or a fault of ours is."""
    error = state.result(raise_on_failure=False)
    stage, cutoff = stage_of(error), cutoff_of(flow_run)
    where = f"in {stage}" if stage else type(error).__name__
    call(" ".join(part for part in (cutoff, "failed", where) if part))
    if not isinstance(error, EvercurrentError) or not (stage or flow_run.deployment_id):
        return None
    if isinstance(error, Transient) and stage is None:
        return None  # the home was busy: another run is at work
    kind = BrokenEvent if isinstance(error, ContractBroken) else RepeatedEvent
    source = _source(_home(flow_run))
    emit([kind(source=source or "unknown", flow=flow.name, stage=stage, cutoff=cutoff, reason=str(error))])
    return Failure(isinstance(error, ContractBroken), source, flow.name, stage, cutoff, str(error))


def _home(flow_run: FlowRun) -> Workspace:
    return Workspace(Path(str(flow_run.parameters.get("home", ".evercurrent"))).resolve())


def _source(workspace: Workspace) -> str | None:
    try:
        return described_source(workspace).name
    except EvercurrentError:
        return None
