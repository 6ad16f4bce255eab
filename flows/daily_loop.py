"""The main path: from what was logged to the next generation, or to a reasoned no.

Keyed by its cutoff and idempotent: a turn that is done returns its record, a turn that
broke is resumed and gives the same result.
"""

from datetime import UTC, datetime
from pathlib import Path

from prefect import flow

from components.domain import ContractBroken, instant_of, iso
from flows import tasks
from flows.control_room.approval import approved
from flows.control_room.failed import tell_and_notify_failure
from flows.control_room.hearing import hear
from flows.control_room.told import told
from flows.scheduled import meant_at, scheduled_at
from flows.site.draw import refresh_site
from flows.stages.idle import idle
from flows.turn import TurnRecord, finished, finished_since, open_turn
from flows.workspace import Workspace, enter
from flows.writing import writing


@flow(name="daily-loop", on_running=[hear], on_failure=[tell_and_notify_failure])
def daily_loop(home: str = ".evercurrent", cutoff: datetime | None = None, approve: bool = False) -> TurnRecord:
    """One turn of the loop over ``[last cutoff, cutoff)``.

    Parameters
    ----------
    cutoff : default the instant that this run was scheduled for, and now where nobody scheduled it, UTC. A run that
        comes late finds what another has done since, and returns its record.
    approve : ask a person before a generation is released; no answer is a HOLD.

    Raises
    ------
    ContractBroken
        If the cutoff is in the future, or a stage finds its contract broken.
    """
    workspace = enter(Path(home))
    now = datetime.now(UTC)
    until, meant = instant_of(cutoff or scheduled_at(now)), instant_of(meant_at(now))
    if until > instant_of(now):
        raise ContractBroken(f"cutoff {iso(until)} is in the future; allowed is up to now, {iso(instant_of(now))}")
    with writing(workspace, patient=True):
        if record := finished(workspace, until) or (None if cutoff else finished_since(workspace, meant)):
            return _ended(workspace, tasks.settle_halt(workspace, record))
        tasks.ingest(workspace)
        tasks.forget(workspace)
        turn = open_turn(workspace, until)
        if turn.is_empty:
            return _ended(workspace, idle(turn))
        validated = tasks.validate(turn, instant_of(now))
        if validated.unsound:
            return _ended(workspace, tasks.halt(turn, validated, validated.unsound))
        data = tasks.read(turn)
        drift = tasks.measure_drift(turn, data)
        if drift.halts:
            return _ended(workspace, tasks.halt(turn, validated, drift))
        champion = tasks.refresh_memory(turn, data)
        trial = tasks.watch_canary(turn)
        challenger = tasks.update(turn, drift, data, champion, trial)
        judgement = approved(turn, tasks.evaluate(turn, data, champion, challenger, trial), approve)
        successor = tasks.learn_held_out(turn, data, challenger, judgement)
        published = tasks.publish(turn, data, successor, judgement, trial)
        return _ended(workspace, tasks.close_turn(turn, validated, drift, successor, judgement, published))


def _ended(workspace: Workspace, record: TurnRecord) -> TurnRecord:
    """The record, drawn on the report site and told to whoever wants to know."""
    refresh_site(workspace)
    return told(workspace, record)
