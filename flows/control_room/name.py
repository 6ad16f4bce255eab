"""What a run is called in the UI: its cutoff, and what came of it."""

from datetime import UTC, datetime

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun

from components.domain import instant_of, iso
from flows.control_room.looking import run_around
from flows.control_room.shown import guarded
from flows.turn import TurnRecord


def call(name: str) -> None:
    """Rename the run around us, if somebody looks."""
    run = run_around()
    if run is None:
        return

    def rename() -> None:
        with get_client(sync_client=True) as client:
            client.update_flow_run(run.id, name=name)

    guarded("name", rename)


def name_of(record: TurnRecord) -> str:
    """Cutoff and verdict of a turn that is done."""
    halted = ", drift HALT" if record.drift_action == "HALT" else ""
    return f"{record.cutoff} {record.verdict}{halted} generation {record.generation}"


def _written(given: object) -> str:
    """A cutoff as we write them; as it was given where it is none."""
    try:
        return iso(instant_of(datetime.fromisoformat(str(given))))
    except ValueError:
        return str(given)


def cutoff_of(run: FlowRun) -> str | None:
    """The cutoff that a run was given, or, of one that a deployment made, the instant that it was meant to start at."""
    given = run.parameters.get("cutoff")
    if given:
        return _written(given)
    meant = run.expected_start_time if run.deployment_id else None
    return None if meant is None else iso(instant_of(datetime.fromisoformat(meant.isoformat()).astimezone(UTC)))
