"""How a turn that is done is told: the run's name, events, and notifications."""

from datetime import UTC, datetime

from flows.control_room.events import Event, HaltEvent, TurnEvent, emit
from flows.control_room.name import call, name_of
from flows.notify.turns import notify_of_turns
from flows.turn import TurnRecord, described_source
from flows.workspace import Workspace


def told(workspace: Workspace, record: TurnRecord) -> TurnRecord:
    """Tell of a turn to whoever looks and to whoever wants to be notified; the same record.

    Nothing of it can fail the turn, and telling again changes nothing.
    """
    call(name_of(record))
    emit(_events(described_source(workspace).name, record))
    notify_of_turns(workspace, record, datetime.now(UTC))
    return record


def _events(source: str, record: TurnRecord) -> list[Event]:
    events: list[Event] = [TurnEvent.of(source, record)]
    if record.drift_action == "HALT":
        halt = HaltEvent(source=source, cutoff=record.cutoff, champion=record.champion, reasons=record.reasons)
        events.append(halt)
    return events
