"""The main path: from what was logged to the next generation, or to a reasoned no.

Keyed by its cutoff and idempotent: a turn that is done returns its record, a turn that
broke is resumed and gives the same result.
"""

from datetime import UTC, datetime
from pathlib import Path

from prefect import flow

from components.domain import instant_of
from flows import tasks
from flows.turn import TurnRecord, finished, open_turn
from flows.workspace import enter


@flow(name="daily-loop", validate_parameters=False)
def daily_loop(home: str = ".evercurrent", cutoff: datetime | None = None) -> TurnRecord:
    """One turn of the loop over ``[last cutoff, cutoff)``; `cutoff` defaults to now, UTC."""
    workspace = enter(Path(home))
    until = instant_of(cutoff or datetime.now(UTC))
    with workspace.held():
        if record := finished(workspace, until):
            return record
        tasks.ingest(workspace)
        tasks.forget(workspace)
        turn = open_turn(workspace, until)
        validated = tasks.validate(turn)
        data = tasks.read(turn)
        drift = tasks.measure_drift(turn, data)
        champion = tasks.refresh_memory(turn, data)
        trial = tasks.watch_canary(turn, drift)
        challenger = tasks.update(turn, drift, data, champion, trial)
        judgement = tasks.evaluate(turn, data, champion, challenger, trial)
        successor = tasks.learn_held_out(turn, data, challenger, judgement)
        published = tasks.publish(turn, data, successor, judgement, trial)
        return tasks.close_turn(turn, validated, drift, successor, judgement, published)
