"""The fast loop: every few minutes the champion's memory learns what has matured; no new generation."""

from datetime import UTC, datetime
from pathlib import Path

from prefect import flow

from components.domain import ContractBroken, instant_of, iso
from flows import tasks
from flows.turn import open_turn
from flows.workspace import enter


@flow(name="refresh-memory", validate_parameters=False)
def refresh_memory(home: str = ".evercurrent", cutoff: datetime | None = None) -> str:
    """Write into the champion's memory what matured before `cutoff` (default now, UTC).

    The window stays open: the next turn of the daily loop validates and learns it as a whole.

    Returns
    -------
    One line: which generation knows how much.

    Raises
    ------
    ContractBroken
        If there is no champion yet.
    """
    workspace = enter(Path(home))
    with workspace.held():
        tasks.ingest(workspace)
        turn = open_turn(workspace, instant_of(cutoff or datetime.now(UTC)), keep=False)
        if turn.champion is None:
            raise ContractBroken(f"{workspace.root} has no champion yet; make one first: evercurrent loop")
        tasks.validate(turn)
        data = tasks.read(turn)
        tasks.refresh_memory(turn, data)
    return f"memory of generation {turn.champion} knows the outcomes before {iso(turn.window.cutoff)}"
