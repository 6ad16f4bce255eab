"""Notifications of runs that failed: because of the data, or because a stage used up its retries."""

import logging
from dataclasses import dataclass
from datetime import datetime

from components.control_room.note import Note, NoteKind, note_id
from components.domain import EvercurrentError, instant_of, iso
from components.settings import read_settings
from flows.notify.post import post
from flows.turn import warehouse_of
from flows.workspace import Workspace
from warehouse import ledger

log = logging.getLogger("evercurrent.notify")


@dataclass(frozen=True, slots=True)
class Failure:
    """What failed and why; `broken`: a contract, else the world was busy for too long."""

    broken: bool
    source: str | None
    flow: str
    stage: str | None
    cutoff: str | None
    reason: str


def notify_of_failure(workspace: Workspace, failure: Failure, now: datetime) -> None:
    """Write down the news of a failure, and send what waits. The same failure of the same cutoff is one note."""
    try:
        settings = read_settings(workspace.settings).notify
        if settings.urls:
            post(workspace.root, settings, [_note(workspace, failure, now)], now)
    except (EvercurrentError, OSError, ValueError) as error:
        log.warning('stage=notify undelivered=1 why="%s"', error)


def _note(workspace: Workspace, failure: Failure, now: datetime) -> Note:
    kind = NoteKind.CONTRACT_BROKEN if failure.broken else NoteKind.TRANSIENT_REPEATED
    return Note(
        id=note_id(workspace.root, kind, failure.flow, failure.stage, failure.cutoff, failure.reason),
        kind=kind,
        home=str(workspace.root),
        source=failure.source,
        cutoff=failure.cutoff,
        stage=failure.stage,
        champion=_champion(workspace),
        reasons=(failure.reason,),
        link=None,
        at=iso(instant_of(now)),
    )


def _champion(workspace: Workspace) -> int | None:
    """The champion, where the warehouse can say it: it may be what is broken."""
    try:
        return ledger.champion(warehouse_of(workspace))
    except Exception:  # news of a failure must not fail of the same
        return None
