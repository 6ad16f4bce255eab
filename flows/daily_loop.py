"""The main path: from what was logged to the next generation, or to a reasoned no.

Keyed by its cutoff and idempotent: a turn that is done returns its record, a turn that
broke is resumed and gives the same result.
"""

from datetime import UTC, datetime
from pathlib import Path

from prefect import flow

from flows import tasks
from flows.turn import TurnRecord, finished, instant, open_turn
from flows.workspace import enter


@flow(name="daily-loop", validate_parameters=False)
def daily_loop(home: str = ".evercurrent", cutoff: datetime | None = None) -> TurnRecord:
    """One turn of the loop over ``[last cutoff, cutoff)``; `cutoff` defaults to now, UTC."""
    state = enter(Path(home))
    until = instant(cutoff or datetime.now(UTC))
    with state.held():
        if record := finished(state, until):
            return record
        tasks.ingest(state)
        turn = open_turn(state, until)
        checked = tasks.validate(turn)
        known = tasks.read_known(turn)
        drift = tasks.measure_drift(turn, known)
        incumbent = tasks.refresh_memory(turn, known)
        challenger = tasks.update(turn, drift, known, incumbent)
        judgement = tasks.evaluate(turn, checked, known, incumbent, challenger)
        successor = tasks.learn_held_out(turn, known, challenger, judgement)
        published = tasks.publish(turn, known, successor, judgement)
        return tasks.close_turn(turn, checked, drift, successor, judgement, published)
