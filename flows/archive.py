"""Closed files of the decision log become archives once nobody reads them as they are.

Who reads the log: ingest, each byte once; a service that starts, from a week before its memory's last instant on, and
changes of the catalogue since its generation was made; `self-check`, the latest requests; forgetting, which reaches
archives, too. So a file may go when it is taken whole, when its days are over for all of these, and when an archive of
it was read back. Changes of the catalogue stay in a file of the same name while a bundle is kept that was made before.
"""

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from components.domain import DAY, ContractBroken, Transient, instant_of
from components.ingest.archive import archive_of, archived_lines, write_archive
from components.ingest.log_lines import ForgetLine, ItemLine, LineBroken, UserLine, parse_line
from components.ingest.log_tail import ENDING, day_of
from components.ingest.redact import finish_redaction
from components.ingest.segment import check_whole, taken_whole
from components.publish.retention import RetentionSettings, horizon_of
from components.whole_file import sync_folder, write_durably
from flows.prune_plan import Item
from flows.stages.decisions import settle_redacted
from flows.workspace import Workspace
from warehouse import ledger, segments
from warehouse.connect import Warehouse

SEGMENT = "segment"
"""What an item of a plan is called that becomes an archive."""
OUTCOMES_DAYS = 7.0
"""Days for which the service takes outcomes (EVERCURRENT_RETENTION_DAYS): when it starts it reads so much more."""
WRITTEN_DAYS = 2
"""Days after which a file of a day is closed, whatever its writer's clock says (`components.ingest.log_tail`)."""


def archivable(workspace: Workspace, w: Warehouse, latest: int, settings: RetentionSettings) -> Iterator[Item]:
    """Files of the log that may be archived, and what is left of archived ones that nobody needs.

    `latest` is the cutoff of the latest turn, microseconds.
    """
    if not workspace.decisions.is_dir():
        return
    needed = min([horizon_of(latest, settings.segments_days), *_answering(workspace, w)])
    changes_from = min(
        (g.cutoff for g in ledger.generations(w) if workspace.bundle(g.generation).exists()), default=latest
    )
    names = sorted(path.name for path in workspace.decisions.glob(f"*{ENDING}"))
    closed = day_of(min(needed, _instant(names[-1]) - WRITTEN_DAYS * DAY)) if names else ""
    known = segments.segments(w)
    for name in (n for n in names if n[:10] < closed and n in known):
        path, taken = workspace.decisions / name, known[name]
        if (last := taken.last_at) is not None and last >= needed:
            continue
        archived = archive_of(workspace.root, name).exists()
        if not archived and taken_whole(path, taken.taken):
            yield _item(workspace, path, "closed, in the warehouse, and read by nobody as it is: becomes an archive")
        elif archived and not _rests(path):
            yield _item(workspace, path, "archived already")
        elif archived and (last is None or last < changes_from):
            yield _item(workspace, path, "changes of the catalogue that every kept bundle was made after")


def archive(workspace: Workspace, w: Warehouse, file: str) -> None:
    """Archive one file, and take it away but for what is needed; done again after a cut, it comes to the same.

    Raises
    ------
    ContractBroken
        If the file is not what was taken of it, or the archive does not read as the file does; the file stays.
    Transient
        If the disk refuses; the next run goes on.
    """
    path, to = workspace.decisions / file, archive_of(workspace.root, file)
    finish_redaction(workspace.root, lambda files: settle_redacted(workspace, w, files))
    taken = segments.segments(w)[file].taken
    try:
        rest = b""
        if not to.exists() or not _rests(path):
            check_whole(path, taken)
            if not to.exists():
                write_archive(path, to)
            elif b"".join(archived_lines(to)) != path.read_bytes():
                raise ContractBroken(f"{to} is not what {path} says, which stays; move one of them away")
            rest = _changes(path)
        if rest:
            write_durably(path, rest)
        else:
            path.unlink()
            sync_folder(path.parent)
    except OSError as error:
        raise Transient(f"cannot archive {path}: {error.strerror or error}; the next run goes on") from None


def _changes(path: Path) -> bytes:
    """The lines that change the catalogue, or say who was forgotten: a service needs them longer than all others."""
    kept = []
    with path.open("rb") as lines:
        for raw in lines:
            try:
                line = parse_line(raw.rstrip(b"\n"))
            except LineBroken:
                continue
            if isinstance(line, ItemLine | UserLine | ForgetLine):
                kept.append(raw)
    return b"".join(kept)


def _rests(path: Path) -> bool:
    """Whether a file is what is left of an archived one: changes of the catalogue alone."""
    return path.read_bytes() == _changes(path)


def _answering(workspace: Workspace, w: Warehouse) -> Iterator[int]:
    """From when on champion and canary need the log: their bundle's memory, should a snapshot be broken, and a week."""
    out = ledger.canary_out(w)
    numbers = {ledger.champion(w), *([] if out is None else [out.generation, out.champion])} - {None}
    made = {g.generation: g.cutoff for g in ledger.generations(w)}
    yield from (made[n] - round(OUTCOMES_DAYS * DAY) for n in numbers if n is not None and n in made)


def _instant(name: str) -> int:
    """The first instant of a file's day, microseconds.

    >>> _instant("1970-01-02-7-5.jsonl") // DAY
    1
    """
    return instant_of(datetime.fromisoformat(name[:10]))


def _item(workspace: Workspace, path: Path, why: str) -> Item:
    return Item(kind=SEGMENT, path=path.relative_to(workspace.root).as_posix(), bytes=path.stat().st_size, why=why)
