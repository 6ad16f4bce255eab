"""Ingest of a lake: what others have written since the last look, each file once.

A file is entered in the transaction that brings its rows: killed anywhere, nothing is lost and nothing is there
twice. One that cannot be taken is named and set aside until it is different
(docs/decisions/0029-a-lake-that-grows.md).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from components.domain import ContractBroken
from components.ingest.delta import Added, delta_table, files_added, files_at, is_delta
from components.ingest.interactions import column_names
from components.ingest.lake import LakeFile, Stamp, lake_root, listing, news, stamp_of
from components.ingest.lake_settings import LakeSettings
from components.ingest.log_files import Folders, LogFile, files_with_folders, names_of
from components.settings import read_settings
from flows.stages.decisions import both, take_decisions
from flows.stages.ingest import Described, bring_file, digest_of_log, settle_source
from flows.workspace import Workspace
from warehouse import lake as ledger
from warehouse.append import Batch
from warehouse.connect import Warehouse, kept_open
from warehouse.lake import Position
from warehouse.sound_log import Beside, beside

log = logging.getLogger("evercurrent")


@dataclass(slots=True)
class LakeTaken:
    """What a look at a lake brought, one batch a file, and `refused`: a line for each file that could not be taken."""

    batches: list[Batch] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)


@dataclass(slots=True)
class Taking:
    """A look at one lake: what it needs, what was taken before (`known`), and what it brought (`taken`)."""

    workspace: Workspace
    described: Described
    lake: str
    w: Warehouse
    engine: Beside
    known: dict[str, LakeFile]
    taken: LakeTaken = field(default_factory=LakeTaken)

    @property
    def columns(self) -> set[str]:
        """Columns that the description names."""
        return set(column_names(self.described.source))


def take_new(workspace: Workspace) -> Batch | None:
    """Bring in what is new of the service's decision log and of the lake that the settings name; None: nothing.

    Raises
    ------
    ContractBroken
        As `take_decisions` and `take_lake`.
    """
    taken = take_decisions(workspace)
    if workspace.source.exists() and read_settings(workspace.settings).lake.path is not None:
        for batch in take_lake(workspace, workspace.source).batches:
            taken = both(taken, batch)
    return taken


def take_lake(workspace: Workspace, description: Path, path: str | None = None) -> LakeTaken:
    """Bring in the files of a lake that were not taken yet, each in a transaction of its own.

    Parameters
    ----------
    path : a folder, a pattern or a Delta table; None: the lake of the settings.

    Raises
    ------
    ContractBroken
        If there is no lake, or a Delta table did what a log cannot; what came before that is taken.
    """
    settings = read_settings(workspace.settings).lake
    lake = _lake_of(workspace, settings, path)
    described = _described(workspace, description)
    with _looking(workspace, described, lake) as look:
        if is_delta(lake):
            _take_table(look, settings.after_version if path is None else None)
        else:
            _take_folder(look)
    return look.taken


def _lake_of(workspace: Workspace, settings: LakeSettings, path: str | None) -> str:
    if path is not None:
        return str(Path(path).absolute())
    if settings.path is None:
        raise ContractBroken(
            f"no path was given and {workspace.settings} names no lake; allowed is a log, or [lake] with its path there"
        )
    return str((workspace.root / settings.path).absolute())


def _described(workspace: Workspace, description: Path) -> Described:
    """The description; the copy in the home has no tables beside it, what they said is in the warehouse."""
    settle_source(workspace, description)
    described = Described.at(description)
    tables = (described.source.users, described.source.items)
    if description == workspace.source and not all(t is None or (description.parent / t.path).exists() for t in tables):
        return replace(described, side=dict)
    return described


@contextmanager
def _looking(workspace: Workspace, described: Described, lake: str) -> Iterator[Taking]:
    w = Warehouse(workspace.database, described.source.name)
    with beside() as engine, kept_open(w.path):
        yield Taking(workspace, described, lake, w, engine, ledger.lake_files(w, lake))


def _take_folder(look: Taking) -> None:
    listed = listing(look.lake)
    found, root = news(listed, look.known), lake_root(look.lake)
    looked = (look.lake, len(listed), len(found.new), len(found.touched), found.gone)
    log.info("event=lake path=%s files=%d new=%d touched=%d gone=%d", *looked)
    wanted = (*found.new, *found.touched)
    if not wanted:
        return
    folders = {root / inner for inner in {name.rpartition("/")[0] for name in listed}}
    files = files_with_folders((root / name for name in wanted), folders, look.columns)
    for name, file in zip(wanted, files, strict=True):
        if name in found.new:
            _take(look, file, name, listed[name])
        else:
            _look_again(look, file, name, listed[name])


def _take(look: Taking, file: LogFile, name: str, stamp: Stamp) -> None:
    """Bring one file in, or set it aside by name; the others are not kept waiting."""
    columns = (file.names or frozenset()) | file.folders.given.keys()
    entry = LakeFile(look.lake, name, stamp, frozenset(columns & look.columns))
    try:
        _check_columns(look, entry, file.names)
        batch = bring_file(look.workspace, file.path, file.folders, look.described, look.engine, entry)
    except ContractBroken as broken:
        if stamp_of(file.path) is None:
            return  # the lake's retention took it meanwhile
        look.known[name] = replace(entry, fault=str(broken))
        ledger.note_file(look.w, look.known[name])
        _refuse(look, str(broken))
        return
    look.known[name] = replace(entry, digest=batch.digest)
    look.taken.batches.append(batch)
    if batch.new:
        look.described = replace(look.described, side=dict)  # told once


def _check_columns(look: Taking, entry: LakeFile, names: frozenset[str] | None) -> None:
    first = next((one for one in look.known.values() if one.digest and one.columns), None)
    if first is not None and names is not None and first.columns != entry.columns:
        alone = [
            f"{', '.join(sorted(has))} in {where} alone"
            for where, has in (
                (first.name, first.columns - entry.columns),
                (entry.name, entry.columns - first.columns),
            )
            if has
        ]
        raise ContractBroken(
            f"{look.lake}: {first.name} and {entry.name} have different columns: {'; '.join(alone)}; "
            "the files of one log "
            "have the same of those that the description names"
        )


def _look_again(look: Taking, file: LogFile, name: str, stamp: Stamp) -> None:
    """A file that was taken and is different: touched, if its content is as it was; else told, once for every
    change."""
    before = look.known[name]
    if digest_of_log(file.path, file.folders) == before.digest:
        ledger.note_file(look.w, replace(before, stamp=stamp, fault=None))
        return
    told = (
        f"{file.path} was taken and has changed since; a log only grows, so what was taken stays: "
        "put the old file back and "
        f"write what is new under another name, or bring it by hand: evercurrent ingest {file.path}"
    )
    ledger.note_file(look.w, replace(before, stamp=stamp, fault=told))
    _refuse(look, told)


def _refuse(look: Taking, told: str) -> None:
    log.warning("stage=ingest event=lake_refused %s", told)
    look.taken.refused.append(told)


def _take_table(look: Taking, after: int | None) -> None:
    """Follow a Delta table from the version it was taken up to; the first time all files of the newest one are new."""
    table = delta_table(Path(look.lake))
    at = ledger.position(look.w, look.lake)
    if after is not None and (at is None or after > at.version):
        at = Position(after, opening=False)
        ledger.enter_position(look.w, look.lake, at)
    if at is None:
        at = Position(table.version, opening=True)
        ledger.enter_position(look.w, look.lake, at)
    if at.opening:
        _take_version(look, at.version, files_at(table, at.version))
    for version in range(at.version + 1, table.version + 1):
        _take_version(look, version, files_added(table, version))


def _take_version(look: Taking, version: int, added: list[Added]) -> None:
    for one in added:
        if one.name not in look.known:
            _take_added(look, version, one)
    ledger.enter_position(look.w, look.lake, Position(version, opening=False))
    log.info("event=lake_version path=%s version=%d files=%d", look.lake, version, len(added))


def _take_added(look: Taking, version: int, one: Added) -> None:
    path = Path(look.lake) / one.name
    stamp = stamp_of(path)
    if stamp is None:
        raise ContractBroken(
            f"{path}, added by version {version}, is gone: VACUUM took it before it was read. To go on after it: "
            f"after_version = {version} under [lake] in evercurrent.toml, and bring by hand the file it "
            "was rewritten to"
        )
    given = {key: value for key, value in one.folders.given.items() if key in look.columns}
    _take(look, LogFile(path, Folders(given), names_of(path)), one.name, stamp)
