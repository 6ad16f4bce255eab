"""Ingest: a file becomes rows of the warehouse, once per content; the service's log: `flows.stages.decisions`."""

import hashlib
import json
import logging
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from components.domain import ContractBroken, Window
from components.feature_spec import FieldOf
from components.ingest.day_folders import check_source, day_folders, digest_of_day, read_entities
from components.ingest.interactions import LogTables, attributes, canonical, column_names
from components.ingest.lake import LakeFile
from components.ingest.log_files import NO_FOLDERS, Folders, log_files
from components.ingest.read_log import how_read, read_log, with_folders
from components.ingest.source import Source, read_source
from components.whole_file import digest_of, write_durably
from flows.turn import ALL_TIME
from flows.workspace import Workspace
from warehouse import ledger
from warehouse.append import Batch, append_log, mend_log
from warehouse.append_day import append_day
from warehouse.append_file import append_file
from warehouse.connect import Warehouse, kept_open
from warehouse.log_cells import Unsaid
from warehouse.sound_log import Beside, SoundLog, beside, sound_log

log = logging.getLogger("evercurrent")


def settle_source(workspace: Workspace, description: Path) -> Source:
    """The source of this home: the first one stays.

    Raises
    ------
    ContractBroken
        If this home holds another source.
    """
    source = read_source(description)
    if workspace.source.exists():
        held = read_source(workspace.source)
        if held.name != source.name:
            raise ContractBroken(
                f"{workspace.root} holds source {held.name}, received {source.name}; one home holds one source: "
                f"name another folder with --home"
            )
        return held
    workspace.root.mkdir(parents=True, exist_ok=True)
    write_durably(workspace.source, description.read_bytes())
    return source


Frames = dict[str, pd.DataFrame]


@dataclass(frozen=True, slots=True)
class Described:
    """A source and where its description lies; `side` reads the tables of attributes beside it."""

    source: Source
    path: Path
    side: Callable[[], Frames]

    @classmethod
    def at(cls, path: Path) -> "Described":
        """The description at `path`; its tables are read once, and when they are first asked for."""
        source = read_source(path)
        return cls(source, path, cache(lambda: side_frames(source, path.parent)))


def ingest_files(workspace: Workspace, pattern: str, description: Path) -> list[Batch]:
    """Bring every file in that a path means, in order, each in a transaction of its own.

    Raises
    ------
    ContractBroken
        As `log_files`, before anything is written; as `ingest_file`, after the files before it were.
    """
    if days := day_folders(pattern):
        return ingest_days(workspace, days, description)
    described, batches = Described.at(description), list[Batch]()
    files = log_files(pattern, column_names(described.source))
    with beside() as engine, ExitStack() as held:
        for file in files:
            batches.append(bring_file(workspace, file.path, file.folders, described, engine))
            if len(batches) == 1:
                held.enter_context(kept_open(workspace.database))
            if batches[-1].new:
                described = replace(described, side=dict)  # told once
    return batches


def ingest_days(workspace: Workspace, days: list[Path], description: Path) -> list[Batch]:
    """Bring days in that were taken out of a warehouse, with the users and items as they were known then.

    Raises
    ------
    ContractBroken
        If they are of another source, or a file of theirs is none.
    """
    archive = days[0].parent
    check_source(archive, read_source(description))
    w = Warehouse(workspace.database, settle_source(workspace, description).name)
    entities = read_entities(archive)
    return [append_day(w, day, entities, digest=digest_of_day(day)) for day in days]


def ingest_file(workspace: Workspace, path: Path, description: Path) -> Batch:
    """Bring one Parquet or CSV file in. Reading and checking come first: a broken file leaves nothing behind."""
    with beside() as engine:
        return bring_file(workspace, path, NO_FOLDERS, Described.at(description), engine)


def ingest_carefully(workspace: Workspace, path: Path, description: Path) -> Batch:
    """As `ingest_file`, by way of a frame of the whole log: rows that are not sound are set aside, and named."""
    return _ingest_carefully(workspace, path, NO_FOLDERS, Described.at(description))


def bring_file(
    workspace: Workspace,
    path: Path,
    folders: Folders,
    described: Described,
    engine: Beside,
    of_lake: LakeFile | None = None,
) -> Batch:
    """As `ingest_file`; `folders` are what the file's folders say of its rows; a file `of_lake` is entered with them.

    DuckDB reads a log by itself, but for rows that are not sound; where it is not said exactly what it reads, the whole
    log goes the careful way.
    """
    with TemporaryDirectory(dir=engine.room) as room:
        try:
            found = sound_log(engine.connection, path, folders, described.source, Path(room))
        except Unsaid as reason:
            log.info("event=ingest_way way=careful path=%s reason=%r", path, str(reason))
            batch = _ingest_carefully(workspace, path, folders, described, of_lake)
        else:
            counted = (path, found.log.rows, len(found.doubted.numbers))
            log.info("event=ingest_way way=engine path=%s rows=%d in_doubt=%d", *counted)
            batch = _ingest_sound(workspace, found, path, described, of_lake)
    end = (path, batch.read_as, batch.rows, batch.set_aside)
    log.info("event=ingest path=%s read_as=%r rows=%d set_aside=%d", *end)
    return batch


def _ingest_sound(
    workspace: Workspace, found: SoundLog, path: Path, described: Described, of_lake: LakeFile | None
) -> Batch:
    entities = {**found.entities, **described.side()}
    settle_source(workspace, described.path)
    w = Warehouse(workspace.database, described.source.name)
    digest = digest_of_log(path, found.log.folders)
    batch = append_file(w, found, entities, digest=digest, path=str(path), of_lake=_digested(of_lake, digest))
    return replace(batch, read_as=how_read(path))


def _ingest_carefully(
    workspace: Workspace, path: Path, folders: Folders, described: Described, of_lake: LakeFile | None = None
) -> Batch:
    frame = with_folders(read_log(path), folders, path)
    tables = canonical(frame, described.source, str(path))
    entities = {**own_frames(frame, described.source), **described.side()}
    settle_source(workspace, described.path)
    w = Warehouse(workspace.database, described.source.name)
    digest = digest_of_log(path, folders)
    batch = append_log(w, tables, entities, digest=digest, path=str(path), of_lake=_digested(of_lake, digest))
    return replace(batch, read_as=how_read(path))


def _digested(of_lake: LakeFile | None, digest: str) -> LakeFile | None:
    return None if of_lake is None else replace(of_lake, digest=digest)


def digest_of_log(path: Path, folders: Folders) -> str:
    """Of a file's content, to which belongs what its folders give it: equal files of two days are two."""
    if not folders.given:
        return digest_of(path)
    given = json.dumps(folders.given, sort_keys=True, ensure_ascii=False)
    return hashlib.sha256(f"{digest_of(path)} {given}".encode()).hexdigest()


def mend(workspace: Workspace, pattern: str, description: Path) -> "tuple[Batch, tuple[Window, ...]]":
    """Bring a log in that says anew what was logged in windows that are set aside; the next turn learns them.

    Raises
    ------
    ContractBroken
        As `ingest_file`; or no window that is set aside has an instant in common with the log; or it is several files.
    """
    source = read_source(description)
    files = log_files(pattern, column_names(source))
    if len(files) > 1:
        raise ContractBroken(
            f"{pattern} means {len(files)} files; --mend takes one, as it replaces what was between its ends"
        )
    path, folders = files[0].path, files[0].folders
    frame = with_folders(read_log(path), folders, path)
    tables, entities = canonical(frame, source, str(path)), entity_frames(frame, source, description.parent)
    settle_source(workspace, description)
    w = Warehouse(workspace.database, source.name)
    last = ledger.last_window(w, ALL_TIME)
    learnable_at = 0 if last is None else last.cutoff
    digest = digest_of_log(path, folders)
    batch, windows = mend_log(w, tables, entities, digest=digest, path=str(path), learnable_at=learnable_at)
    return replace(batch, read_as=how_read(path)), windows


def entity_frames(frame: pd.DataFrame, source: Source, folder: Path) -> Frames:
    """Users and items with their attributes: from the table beside the description, else from the log itself."""
    return {**own_frames(frame, source), **side_frames(source, folder)}


def own_frames(frame: pd.DataFrame, source: Source) -> Frames:
    """Users and items that a log itself describes."""
    return {
        name: attributes(frame, source, of, column)
        for name, of, table, column in (
            ("users", FieldOf.USER, source.users, source.columns.user_id),
            ("items", FieldOf.ITEM, source.items, source.columns.item_id),
        )
        if table is None
    }


def side_frames(source: Source, folder: Path) -> Frames:
    """Users and items that a table in the folder of the description describes."""
    frames = {}
    for name, of, table in (("users", FieldOf.USER, source.users), ("items", FieldOf.ITEM, source.items)):
        if table is not None:
            frames[name] = attributes(read_log(folder / table.path), source, of, table.key)
            log.info("event=ingest_beside path=%s read_as=%r", folder / table.path, how_read(folder / table.path))
    return frames


def ingest_tables(workspace: Workspace, source: Source, tables: LogTables, origin: str) -> Batch:
    """Bring canonical tables in, keyed by their content."""
    digest = hashlib.sha256()
    for frame in (tables.requests, tables.impressions, tables.outcomes, *tables.entities.values()):
        digest.update(pd.util.hash_pandas_object(frame.astype(str), index=False).to_numpy().tobytes())
    w = Warehouse(workspace.database, source.name)
    return append_log(w, tables, tables.entities, digest=digest.hexdigest(), path=origin)
