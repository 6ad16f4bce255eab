"""The main path: from what was logged to the next generation, or to a reasoned no.

Keyed by its cutoff and idempotent: a turn that is done returns its record, a turn that
broke is resumed and gives the same result.
"""

from datetime import UTC, datetime
from pathlib import Path

from prefect import flow

from flows import stages
from flows.home import enter
from flows.turn import TurnRecord, finished, instant, open_turn


@flow(name="daily-loop", validate_parameters=False)
def daily_loop(home: str = ".evercurrent", cutoff: datetime | None = None) -> TurnRecord:
    """One turn of the loop over ``[last cutoff, cutoff)``; `cutoff` defaults to now, UTC."""
    state = enter(Path(home))
    until = instant(cutoff or datetime.now(UTC))
    with state.held():
        if record := finished(state, until):
            return record
        stages.ingest(state)
        turn = open_turn(state, until)
        checked = stages.validate(turn)
        known = stages.read_known(turn)
        drift = stages.measure_drift(turn, known)
        incumbent = stages.refresh_memory(turn, known)
        challenger = stages.update(turn, drift, known, incumbent)
        judgement = stages.evaluate(turn, checked, known, incumbent, challenger)
        successor = stages.learn_held_out(turn, known, challenger, judgement)
        published = stages.publish(turn, known, successor, judgement)
        return stages.close_turn(turn, checked, drift, successor, judgement, published)
