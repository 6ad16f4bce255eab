"""The main path: from what was logged to the next generation, or to a reasoned no.

Keyed by its cutoff and idempotent: a turn that is done returns its record, a turn that
broke is resumed and gives the same result.
"""

from datetime import UTC, datetime
from pathlib import Path

from prefect import flow

from components.domain import ContractBroken, instant_of, iso
from flows import tasks
from flows.scheduled import scheduled_at
from flows.tell import told
from flows.turn import TurnRecord, finished, finished_since, open_turn
from flows.workspace import enter
from flows.writing import writing


@flow(name="daily-loop")
def daily_loop(home: str = ".evercurrent", cutoff: datetime | None = None) -> TurnRecord:
    """One turn of the loop over ``[last cutoff, cutoff)``.

    Parameters
    ----------
    cutoff : default the instant that this run was scheduled for, and now where nobody scheduled it, UTC. A run that
        comes late finds what another has done since, and returns its record.

    Raises
    ------
    ContractBroken
        If the cutoff is in the future, or a stage finds its contract broken.
    """
    workspace = enter(Path(home))
    now = datetime.now(UTC)
    until = instant_of(cutoff or scheduled_at(now))
    if until > instant_of(now):
        raise ContractBroken(f"cutoff {iso(until)} is in the future; allowed is up to now, {iso(instant_of(now))}")
    with writing(workspace, patient=True):
        if record := finished(workspace, until) or (None if cutoff else finished_since(workspace, until)):
            return told(record)
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
        return told(tasks.close_turn(turn, validated, drift, successor, judgement, published))
