"""Notifications of turns that ended: every finished turn is news once, however its run ended.

The ledger says which turns are done; ``<home>/notify/told.json`` says up to which of them news was written down. So a
run that was killed between its last write and its news leaves it to the next.
"""

import logging
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from components.control_room.note import Note, kind_of, note_id
from components.domain import EvercurrentError, instant_of, iso
from components.frozen import Frozen
from components.pages.turn_pages import TurnPage
from components.settings import Settings, read_settings
from components.whole_file import write_durably
from flows.control_room.links import below
from flows.notify.post import post
from flows.turn import TurnRecord, described_source, finished, warehouse_of
from flows.workspace import Workspace
from warehouse import ledger

log = logging.getLogger("evercurrent.notify")


class Told(Frozen):
    """Up to which turn news was written down: its cutoff, microseconds."""

    cutoff: int


def notify_of_turns(workspace: Workspace, record: TurnRecord, now: datetime) -> None:
    """Write down the news of this turn and of finished ones that nobody told of, and send what waits."""
    try:
        settings = read_settings(workspace.settings)
        if not settings.notify.urls:
            return
        notes = [_note(workspace, settings, one, now) for one in _untold(workspace, record)]
        post(workspace.root, settings.notify, notes, now)
        _tell(workspace, record.instant)
    except (EvercurrentError, OSError, ValueError) as error:
        log.warning('stage=notify undelivered=1 why="%s"', error)


def _untold(workspace: Workspace, record: TurnRecord) -> Iterator[TurnRecord]:
    """Finished turns after the last one that was told, this one included; without any told yet, this one alone."""
    since = _told(workspace)
    if since is None:
        yield record
        return
    for window in ledger.windows(warehouse_of(workspace), since + 1, record.instant + 1):
        done = finished(workspace, window.cutoff)
        if done is not None:
            yield done


def _note(workspace: Workspace, settings: Settings, record: TurnRecord, now: datetime) -> Note:
    kind, source = kind_of(record.verdict, record.drift_action), described_source(workspace).name
    made = record.generation if record.generation != record.champion or record.verdict == "PROMOTE" else None
    return Note(
        id=note_id(workspace.root, kind, record.cutoff),
        kind=kind,
        home=str(workspace.root),
        source=source,
        cutoff=record.cutoff,
        champion=record.champion,
        generation=made,
        reasons=record.reasons,
        link=_link(workspace, settings, record),
        at=iso(instant_of(now)),
    )


def _link(workspace: Workspace, settings: Settings, record: TurnRecord) -> str | None:
    """The page that says most of the turn."""
    folder = workspace.pages(record.instant)
    pages = [folder / page.file for page in (TurnPage.EVALUATION, TurnPage.DRIFT, TurnPage.VALIDATION)]
    page = next((path for path in pages if path.exists()), None)
    return None if page is None else below(settings.control_room.reports_url, workspace, page) or str(page)


def _path(workspace: Workspace) -> Path:
    return workspace.root / "notify" / "told.json"


def _told(workspace: Workspace) -> int | None:
    path = _path(workspace)
    return Told.model_validate_json(path.read_bytes()).cutoff if path.exists() else None


def _tell(workspace: Workspace, cutoff: int) -> None:
    last = _told(workspace)
    if last is None or last < cutoff:
        _path(workspace).parent.mkdir(parents=True, exist_ok=True)
        write_durably(_path(workspace), Told(cutoff=cutoff).model_dump_json().encode())
