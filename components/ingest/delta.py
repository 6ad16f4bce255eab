"""A Delta table as a log: which files a version added, and whether it took any away.

A log only grows, so a version that takes rows away (`remove` with `dataChange`) is refused; one that only rewrites
files, as OPTIMIZE does, brings nothing. The library says which files the first version taken has, and whether the table
can be read; what later versions did stands in their commits, one JSON file each.
Source: Delta Transaction Log Protocol, sections Add File and Remove File, Data Change, Protocol Evolution.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from components.domain import ContractBroken
from components.ingest.log_files import Folders, Value

LOG = "_delta_log"
READABLE = frozenset({"timestampNtz", "v2Checkpoint", "vacuumProtocolCheck"})
"""What a reader may have to know and that changes nothing about a file's own rows and columns."""
WHOLE = frozenset({"byte", "short", "integer", "long"})
"""Types whose values in the log are whole numbers."""


@dataclass(frozen=True, slots=True)
class Added:
    """A file that a version added: where it lies, and what the version says of its rows."""

    name: str
    folders: Folders


@dataclass(frozen=True, slots=True)
class Table:
    """A Delta table as it is now: its newest `version`, and which of its partition columns are `whole` numbers."""

    path: Path
    version: int
    whole: frozenset[str]


def is_delta(path: str) -> bool:
    """Whether a path is that of a Delta table."""
    return (Path(path) / LOG).is_dir()


def delta_table(path: Path) -> Table:
    """The table at `path`.

    Raises
    ------
    ContractBroken
        If the library is not installed, or the table asks of its readers what is not known here; one line.
    """
    table = _opened(path, None)
    protocol = table.protocol()
    asked = sorted(set(protocol.reader_features or ()) - READABLE)
    mapping = table.metadata().configuration.get("delta.columnMapping.mode", "none")
    if asked or mapping != "none":
        told = ", ".join(asked) or f"columnMapping {mapping}"
        raise ContractBroken(
            f"{path} needs readers that know {told}; known are {', '.join(sorted(READABLE))}: write the log "
            "to a table without, or export it as Parquet"
        )
    whole = frozenset(f.name for f in table.schema().fields if getattr(f.type, "type", None) in WHOLE)
    return Table(path, table.version(), whole)


def files_at(table: Table, version: int) -> list[Added]:
    """All files of one version.

    Raises
    ------
    ContractBroken
        If the version is gone; one line.
    """
    opened = _opened(table.path, version)
    actions = opened.get_add_actions(flatten=False)
    names, given = actions.column("path").to_pylist(), _partitions(actions)
    return sorted((_added(table, name, said) for name, said in zip(names, given, strict=True)), key=lambda a: a.name)


def files_added(table: Table, version: int) -> list[Added]:
    """The files that brought rows with one version; none for one that only rewrote.

    Raises
    ------
    ContractBroken
        If the version took rows away, or its commit is gone; one line.
    """
    actions = _commit(table, version)
    removed = [a["remove"]["path"] for a in actions if "remove" in a and a["remove"].get("dataChange", True)]
    if removed:
        did = next((a["commitInfo"].get("operation") for a in actions if "commitInfo" in a), None) or "a change"
        raise ContractBroken(
            f"version {version} of {table.path} ({did}) takes rows away: {len(removed)} files such as "
            f"{removed[0]}; a log "
            f"only grows. What was taken stays. To go on after it: after_version = {version} under [lake] in "
            "evercurrent.toml, and bring what it added by hand"
        )
    adds = [a["add"] for a in actions if "add" in a and a["add"].get("dataChange", True)]
    return [_added(table, add["path"], add.get("partitionValues") or {}) for add in adds]


def _commit(table: Table, version: int) -> list[dict[str, Any]]:
    path = table.path / LOG / f"{version:020d}.json"
    try:
        return [json.loads(line) for line in path.read_text().splitlines() if line.strip()]
    except FileNotFoundError:
        raise ContractBroken(
            f"version {version} of {table.path} is gone from its {LOG}, the newest is {table.version}: what it did is "
            f"not known. To go on from now: after_version = {table.version} under [lake] in "
            "evercurrent.toml, and bring "
            "what is missing by hand; keep logs longer: delta.logRetentionDuration"
        ) from None
    except ValueError as error:
        raise ContractBroken(f"{path} is no commit of a Delta table: {error}; bring it from a copy") from None


def _opened(path: Path, version: int | None) -> Any:
    try:
        from deltalake import DeltaTable
        from deltalake.exceptions import DeltaError
    except ImportError:
        raise ContractBroken(
            f"{path} is a Delta table; reading one needs an extra: pip install 'evercurrent[delta]'"
        ) from None
    try:
        return DeltaTable(path, version=version)
    except (DeltaError, OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        asked = "" if version is None else f" as of version {version}"
        raise ContractBroken(f"{path}{asked} cannot be read as a Delta table: {reason}; see docs/sources.md") from None


def _partitions(actions: Any) -> list[dict[str, Any]]:
    there = "partition" if "partition" in actions.schema.names else "partition_values"
    if there not in actions.schema.names:
        return [{}] * len(actions.column("path").to_pylist())
    return [dict(said or {}) for said in actions.column(there).to_pylist()]


def _added(table: Table, name: str, said: dict[str, Any]) -> Added:
    given: dict[str, Value] = {key: _value(value, key in table.whole) for key, value in said.items()}
    return Added(unquote(name), Folders(given))


def _value(value: object, whole: bool) -> Value:
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return str(value).lower()
    return int(str(value)) if whole else str(value)
