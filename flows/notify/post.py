"""Notes into the outbox, and out of it: first written down, then sent."""

import logging
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from components.control_room.note import Note
from components.control_room.notify_settings import NotifySettings
from components.domain import DAY, instant_of
from flows.notify.deliver import deliver
from flows.notify.outbox import Outbox

log = logging.getLogger("evercurrent.notify")


def post(home: Path, settings: NotifySettings, notes: Iterable[Note], now: datetime) -> None:
    """Keep the notes that are wanted, send what waits, and say in one line per receiver what was not taken.

    Raises
    ------
    Transient
        If the disk refuses to keep a note.
    """
    outbox, at = Outbox.of(home), instant_of(now)
    dropped = outbox.clear(settings.urls, at - round(settings.keep_days * DAY))
    if dropped:
        log.warning("stage=notify dropped=%d after_days=%g", dropped, settings.keep_days)
    for note in notes:
        for url in settings.urls if note.kind in settings.kinds else ():
            outbox.put(note, url, at)
    made = deliver(home, settings)
    waiting = len(list(outbox.waiting()))
    if made.sent:
        log.info("stage=notify sent=%d waiting=%d", made.sent, waiting)
    for receiver, why in made.refused.items():
        log.warning('stage=notify receiver=%s waiting=%d why="%s; the next run sends it"', receiver, waiting, why)
