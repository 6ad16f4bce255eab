"""Between two turns: has the world changed so much that the next turn should not wait for the night?

Every hour a look at the open window with what is there. It decides by the same table as a turn and enters nothing into
the ledger, so that the turn decides as if nobody had looked. An event says what was found; ``prefect.yaml`` names what
follows from it.
"""

from datetime import UTC, datetime
from pathlib import Path

from prefect import flow
from prefect.events import emit_event

from components.domain import DriftAction, instant_of
from flows import tasks
from flows.control_room.failed import tell_failure
from flows.control_room.hearing import hear
from flows.deployed import deployed_run
from flows.stages.results import DriftFound
from flows.turn import Turn, open_turn
from flows.workspace import enter
from flows.writing import writing

OPEN = "evercurrent.window.open"
"""Whom the event is about: a turn says what it found of a closed window elsewhere, and nothing may follow from that."""


@flow(name="drift-watch", on_running=[hear], on_failure=[tell_failure])
def drift_watch(home: str = ".evercurrent", cutoff: datetime | None = None) -> str:
    """Measure drift in the open window up to `cutoff` (default now, UTC), and send ``evercurrent.drift.<action>``.

    Returns
    -------
    One line: the action, and why.

    Raises
    ------
    ContractBroken
        If nothing was logged yet.
    """
    workspace = enter(Path(home))
    until = instant_of(cutoff or datetime.now(UTC))  # before the log is read: what is logged meanwhile is not in it
    with writing(workspace):
        tasks.ingest(workspace)
        tasks.forget(workspace)
        turn = open_turn(workspace, until, keep=False)
        if turn.champion is None:
            return f"{DriftAction.NONE}: there is no champion yet"
        if turn.is_empty:
            return f"{DriftAction.NONE}: nothing was logged in {turn.window}"
        validated = tasks.validate(turn, None)
        found = validated.unsound or tasks.watch_drift(turn, tasks.read(turn, replays=False))
    _tell(turn, found)
    return "; ".join([found.action.value, *found.reasons])


def _tell(turn: Turn, found: DriftFound) -> None:
    """Send the event, where there is a server that something could follow on."""
    if deployed_run() is not None:
        emit_event(
            event=f"evercurrent.drift.{found.action.lower()}",
            resource={"prefect.resource.id": OPEN, "evercurrent.home": str(turn.workspace.root)},
            payload={"window": str(turn.window), "champion": turn.champion, "reasons": list(found.reasons)},
        )
