"""Facts of days that left the warehouse: a folder for each day, a Parquet file for each table.

``facts/day=2026-01-31/{requests,impressions,outcomes,quarantine}.parquet`` in the columns of `components.schema`, in
order of time, and ``catalogues.parquet`` with the lists that requests refer to by `eligible_of`; beside the days
``users.parquet`` and ``items.parquet``, as they were known when the last one left, and the ``source.toml`` of their
home. So a folder can be carried elsewhere, read by anything, and brought into a new home.
"""

import hashlib
from collections.abc import Iterable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd

from components.domain import ContractBroken
from components.ingest.interactions import LogTables
from components.ingest.log_files import matching
from components.ingest.source import Source, read_source
from components.schema import TABLES
from components.whole_file import digest_of

QUARANTINE, CATALOGUES = "quarantine", "catalogues"
REFERENCE = "eligible_of"
"""Beside the columns of the schema: which catalogue was eligible as a whole; null: `eligible` says it, or nothing."""
DAY_FILES = (*TABLES, QUARANTINE, CATALOGUES)
"""What a day has a file of."""
ENTITIES = ("users", "items")
DESCRIPTION = "source.toml"
_PREFIX = "day="


def day_folder(archive: Path, day: date) -> Path:
    """Where the facts of a day lie.

    >>> day_folder(Path("facts"), date(2026, 1, 31)).as_posix()
    'facts/day=2026-01-31'
    """
    return archive / f"{_PREFIX}{day.isoformat()}"


def day_folders(pattern: str) -> list[Path]:
    """The days that a path means, in order: of all of `facts`, one day, a file of it, or wildcards for any of them.

    None where it means something else.
    """
    found: dict[Path, None] = {}
    for path in matching(pattern):
        inner = sorted(path.glob(f"{_PREFIX}*")) if path.is_dir() and not _is_day(path) else [path]
        found |= dict.fromkeys(day for each in inner for day in (each, each.parent) if _is_day(day))
    return sorted(found)


def read_days(folders: Iterable[Path]) -> LogTables:
    """The facts of some days, in order of time.

    Raises
    ------
    ContractBroken
        If a file is missing or cannot be read; names it.
    """
    days = list(folders)
    requests, impressions, outcomes = (
        pd.concat([_read(folder / f"{name}.parquet") for folder in days], ignore_index=True) for name in TABLES
    )
    catalogues = pd.concat([_read(folder / f"{CATALOGUES}.parquet") for folder in days], ignore_index=True)
    return LogTables(_resolved(requests, catalogues), impressions, outcomes, entities=read_entities(days[0].parent))


def _resolved(requests: pd.DataFrame, catalogues: pd.DataFrame) -> pd.DataFrame:
    """Requests with the items of the catalogue that they refer to; all that refer to one have the same array."""
    items = dict(zip(catalogues["catalogue"], catalogues["items"], strict=True))
    own, named = requests["eligible"], requests[REFERENCE]
    both = [items.get(name) if mine is None else mine for mine, name in zip(own, named, strict=True)]
    eligible = np.fromiter(both, object, len(both))
    return requests.drop(columns=REFERENCE).assign(eligible=pd.Series(eligible, requests.index))


def read_entities(archive: Path) -> dict[str, pd.DataFrame]:
    """Users and items beside the days, as far as they are there: entity_id, attributes, changed_at, hidden."""
    there = {name: archive / f"{name}.parquet" for name in ENTITIES}
    return {name: _read(path) for name, path in there.items() if path.exists()}


def check_source(archive: Path, source: Source) -> None:
    """Refuse days of another source.

    Raises
    ------
    ContractBroken
        If the description beside the days has another name.
    """
    beside = archive / DESCRIPTION
    if beside.exists() and (theirs := read_source(beside).name) != source.name:
        raise ContractBroken(
            f"{archive} holds days of source {theirs}, received {source.name}; name theirs: --source {beside}"
        )


def digest_of_day(folder: Path) -> str:
    """SHA-256 over the digests of a day's facts."""
    digests = [digest_of(folder / f"{name}.parquet") for name in (*TABLES, CATALOGUES)]
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _is_day(path: Path) -> bool:
    return path.name.startswith(_PREFIX) and all((path / f"{name}.parquet").is_file() for name in (*TABLES, CATALOGUES))


def _read(path: Path) -> pd.DataFrame:
    try:
        return pd.read_parquet(path)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise ContractBroken(f"{path} is not a readable Parquet file ({reason}); bring it from a copy") from None
