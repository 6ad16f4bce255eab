"""The fast loop: every few minutes the champion's memory learns what has matured; no new generation.

What it makes is a snapshot: a service that starts, or swaps back, reads it and the log after it, instead of the log
since the generation was made.
"""

from datetime import UTC, datetime
from pathlib import Path

from prefect import flow

from components.domain import ContractBroken, instant_of, iso
from flows import tasks
from flows.control_room.failed import tell_failure
from flows.control_room.hearing import hear
from flows.control_room.name import call
from flows.stages.drift import contradicts
from flows.stages.latest import lately
from flows.stages.results import DriftFound
from flows.turn import Turn, open_turn
from flows.workspace import enter
from flows.writing import writing


@flow(name="refresh-memory", on_running=[hear], on_failure=[tell_failure])
def refresh_memory(home: str = ".evercurrent", cutoff: datetime | None = None) -> str:
    """Make a snapshot of the champion's memory that knows what matured before `cutoff` (default now, UTC).

    The window stays open: the next turn of the daily loop validates and learns it as a whole.

    Returns
    -------
    One line: which generation knows how much, or why it learned nothing: a window that contradicts the past is left to
    the next turn, which sets it aside.

    Raises
    ------
    ContractBroken
        If there is no champion yet.
    """
    workspace = enter(Path(home))
    until = instant_of(cutoff or datetime.now(UTC))  # before the log is read: what is logged meanwhile is not in it
    with writing(workspace):
        tasks.ingest(workspace)
        tasks.forget(workspace)
        turn = open_turn(workspace, until, keep=False)
        if turn.champion is None:
            raise ContractBroken(f"{workspace.root} has no champion yet; make one first: evercurrent loop")
        if turn.is_empty:
            return f"nothing was logged in {turn.window}: memory of generation {turn.champion} stays as it is"
        looked_at = lately(turn)
        validated = tasks.validate(looked_at, None)
        if validated.unsound:
            return _as_it_is(turn, validated.unsound)
        latest = tasks.read_latest(turn, looked_at.window.start)
        if found := contradicts(looked_at, latest):
            return _as_it_is(turn, found)
        tasks.learn_latest(turn, latest)
    call(f"{iso(turn.window.cutoff)} memory of generation {turn.champion}")
    return f"memory of generation {turn.champion} knows the outcomes before {iso(turn.window.cutoff)}"


def _as_it_is(turn: Turn, found: DriftFound) -> str:
    return f"HALT: memory of generation {turn.champion} stays as it is; {'; '.join(found.reasons)}"
