"""Ingest: a file or the service's decision log becomes rows of the warehouse, once per content."""

import hashlib
import json
import logging
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from components.domain import ContractBroken, Window
from components.feature_spec import FieldOf
from components.ingest.decision_log import read_decision_log
from components.ingest.interactions import LogTables, attributes, canonical, column_names
from components.ingest.log_files import NO_FOLDERS, Folders, log_files
from components.ingest.read_log import how_read, read_log, with_folders
from components.ingest.source import Source, read_source
from components.whole_file import digest_of, write_durably
from flows.turn import ALL_TIME
from flows.workspace import Workspace
from warehouse import ledger
from warehouse.append import Batch, append_log, mend_log
from warehouse.append_file import append_file
from warehouse.connect import Warehouse
from warehouse.log_cells import Unsaid
from warehouse.sound_log import SoundLog, sound_log

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


def ingest_files(workspace: Workspace, pattern: str, description: Path) -> list[Batch]:
    """Bring every file in that a path means, in order, each in a transaction of its own.

    Raises
    ------
    ContractBroken
        As `log_files`, before anything is written; as `ingest_file`, after the files before it were.
    """
    columns = column_names(read_source(description))
    return [ingest_file(workspace, f.path, description, f.folders) for f in log_files(pattern, columns)]


def ingest_file(workspace: Workspace, path: Path, description: Path, folders: Folders = NO_FOLDERS) -> Batch:
    """Bring one Parquet or CSV file in. Reading and checking come first: a broken file leaves nothing behind.

    DuckDB reads a log by itself, but for rows that are not sound; where it is not said exactly what it reads, the whole
    log goes the careful way. `folders` are what the file's folders say of its rows.
    """
    source = read_source(description)
    with TemporaryDirectory(prefix="evercurrent-") as room:
        try:
            found = sound_log(path, folders, source, Path(room))
        except Unsaid as reason:
            log.info("event=ingest_way way=careful path=%s reason=%r", path, str(reason))
        else:
            said = (path, how_read(path), found.log.rows, len(found.doubted.numbers))
            log.info("event=ingest_way way=engine path=%s read_as=%r rows=%d in_doubt=%d", *said)
            return _ingest_sound(workspace, found, path, description)
    return ingest_carefully(workspace, path, description, folders)


def _ingest_sound(workspace: Workspace, found: SoundLog, path: Path, description: Path) -> Batch:
    source = read_source(description)
    beside = {
        name: attributes(read_log(description.parent / table.path), source, of, table.key)
        for name, of, table in (("users", FieldOf.USER, source.users), ("items", FieldOf.ITEM, source.items))
        if table is not None
    }
    settle_source(workspace, description)
    w = Warehouse(workspace.database, source.name)
    digest = _digest(path, found.log.folders)
    batch = append_file(w, found, {**found.entities, **beside}, digest=digest, path=str(path))
    return replace(batch, read_as=how_read(path))


def ingest_carefully(workspace: Workspace, path: Path, description: Path, folders: Folders = NO_FOLDERS) -> Batch:
    """As `ingest_file`, by way of a frame of the whole log: rows that are not sound are set aside, and named."""
    source = read_source(description)
    frame = with_folders(read_log(path), folders, path)
    tables = canonical(frame, source, str(path))
    entities = entity_frames(frame, source, description.parent)
    settle_source(workspace, description)
    w = Warehouse(workspace.database, source.name)
    batch = append_log(w, tables, entities, digest=_digest(path, folders), path=str(path))
    return replace(batch, read_as=how_read(path))


def _digest(path: Path, folders: Folders) -> str:
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
    digest = _digest(path, folders)
    batch, windows = mend_log(w, tables, entities, digest=digest, path=str(path), learnable_at=learnable_at)
    return replace(batch, read_as=how_read(path)), windows


def entity_frames(frame: pd.DataFrame, source: Source, beside: Path) -> dict[str, pd.DataFrame]:
    """Users and items with their attributes: from the table beside the description, else from the log itself."""
    out = {}
    for name, of, table, column in (
        ("users", FieldOf.USER, source.users, source.columns.user_id),
        ("items", FieldOf.ITEM, source.items, source.columns.item_id),
    ):
        side = read_log(beside / table.path) if table else frame
        out[name] = attributes(side, source, of, table.key if table else column)
    return out


def ingest_tables(workspace: Workspace, source: Source, tables: LogTables, origin: str) -> Batch:
    """Bring canonical tables in, keyed by their content."""
    digest = hashlib.sha256()
    for frame in (tables.requests, tables.impressions, tables.outcomes, *tables.entities.values()):
        digest.update(pd.util.hash_pandas_object(frame.astype(str), index=False).to_numpy().tobytes())
    w = Warehouse(workspace.database, source.name)
    return append_log(w, tables, tables.entities, digest=digest.hexdigest(), path=origin)


def take_decisions(workspace: Workspace) -> Batch | None:
    """Bring the service's decision log in, if it wrote one; what is here already changes nothing."""
    files = sorted(workspace.decisions.glob("*.jsonl")) if workspace.decisions.is_dir() else []
    if not files or not workspace.source.exists():
        return None
    tables = read_decision_log(files)
    if not len(tables.requests) and not any(map(len, tables.entities.values())):
        return None
    return ingest_tables(workspace, read_source(workspace.source), tables, str(workspace.decisions))
