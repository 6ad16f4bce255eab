"""A path -> the files of one log, and what their folders say of them.

A path means a file, all logs below a folder, or with wildcards whatever matches. A folder named ``key=value``, as
Hive, Spark and DuckDB write them, says the value of a column for all rows below it, if the source describes a column of
that name.
"""

import glob
import os
import re
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pa_parquet

from components.csv_dialect import ENDINGS, csv_dialect, is_csv
from components.domain import ContractBroken

ALLOWED = (".parquet", *ENDINGS)
"""What the names of logs end in."""
NOTHING = "__HIVE_DEFAULT_PARTITION__"
"""The value of a folder whose rows have none."""

WHOLE = re.compile(r"-?\d{1,18}")

Value = str | int | None


@dataclass(frozen=True, slots=True)
class Folders:
    """What a file's folders say: columns that the file lacks (`given`), and those that it has as well (`said`)."""

    given: dict[str, Value] = field(default_factory=dict)
    said: dict[str, Value] = field(default_factory=dict)


NO_FOLDERS = Folders()


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file of a log; `names` are those of its own columns, None where that is for its reader to say."""

    path: Path
    folders: Folders
    names: frozenset[str] | None


def is_log(path: Path) -> bool:
    """Whether a file is a log by its name."""
    return path.name.lower().endswith(ALLOWED)


def log_files(pattern: str, columns: Collection[str] = ()) -> list[LogFile]:
    """The files that a path means, in the order of their names, each once, however many links lead to it.

    Parameters
    ----------
    columns : those that the source describes; other folders' names mean nothing.

    Raises
    ------
    ContractBroken
        If there is no log, a file that matches is none, two of the files have different columns, or folders say two
        things; one line.
    """
    paths = _once(_meant(pattern))
    files = list(files_with_folders(paths, {path.parent for path in paths}, columns))
    known = [file for file in files if file.names is not None]
    for file in known[1:]:
        if _columns(known[0]) != _columns(file):
            raise ContractBroken(_told_apart(known[0], file))
    return files


def files_with_folders(paths: Iterable[Path], folders: Iterable[Path], columns: Collection[str]) -> Iterator[LogFile]:
    """Files with what their folders say; a value is a number where it is one in all `folders` of the log.

    Raises
    ------
    ContractBroken
        If a file's folders say two things.
    """
    said = {folder: _said_by_folders(folder, columns) for folder in folders}
    texts = {key: [s[key] for s in said.values() if s.get(key) is not None] for key in columns}
    whole = {key for key in columns if all(WHOLE.fullmatch(text or "") for text in texts[key])}
    yield from (_file(path, said[path.parent], whole) for path in paths)


def _meant(pattern: str) -> list[Path]:
    path = Path(pattern)
    if path.is_file() or (not path.is_dir() and not glob.has_magic(pattern)):
        return [path]
    if path.is_dir():
        found = sorted(_below(path))
        if not found:
            raise ContractBroken(f"no log below {pattern}; allowed are {', '.join(ALLOWED)}")
        return found
    found = [file for match in matching(pattern) for file in (sorted(_below(match)) if match.is_dir() else [match])]
    for file in found:
        if not is_log(file):
            raise ContractBroken(f"{file} matches {pattern} and is no log; allowed are {', '.join(ALLOWED)}")
    if not found:
        raise ContractBroken(f"no file matches {pattern}; quote the pattern, and give that of .parquet or .csv logs")
    return found


def matching(pattern: str) -> list[Path]:
    """Files and folders that a path with wildcards matches, in the order of their names; without any, itself."""
    if not glob.has_magic(pattern):
        return [Path(pattern)]
    root = Path(Path(pattern).anchor)
    return sorted(root.glob(str(Path(pattern).relative_to(root))))


def _below(folder: Path) -> Iterator[Path]:
    """The logs below a folder but for hidden ones and those that a writer has not finished; links are followed once."""
    seen = {os.path.realpath(folder)}
    for here, folders, names in os.walk(folder, followlinks=True):
        kept = [name for name in folders if name[0] not in "._" and os.path.realpath(Path(here, name)) not in seen]
        seen.update(os.path.realpath(Path(here, name)) for name in kept)
        folders[:] = kept
        yield from (Path(here, name) for name in names if name[0] not in "._" and is_log(Path(name)))


def _once(paths: Iterable[Path]) -> list[Path]:
    return list({os.path.realpath(path): path for path in reversed(list(paths))}.values())[::-1]


def _said_by_folders(path: Path, columns: Collection[str]) -> dict[str, str | None]:
    """Key -> value as a folder and those that it lies in write it.

    >>> _said_by_folders(Path("day=2024-01-01/shop=a%20b"), ["shop"])
    {'shop': 'a b'}
    """
    said: dict[str, str | None] = {}
    for part in path.parts:
        key, equals, value = part.partition("=")
        key, told = unquote(key), None if value == NOTHING else unquote(value)
        if equals and key in columns:
            if key in said and said[key] != told:
                raise ContractBroken(f"the folders {path} say {key} is {said[key]!r} and {told!r}; one is allowed")
            said[key] = told
    return said


def _file(path: Path, said: dict[str, str | None], whole: set[str]) -> LogFile:
    names = names_of(path)
    values = {key: int(text) if key in whole and text is not None else text for key, text in said.items()}
    given = {key: value for key, value in values.items() if key not in (names or ())}
    return LogFile(path, Folders(given, {key: values[key] for key in values.keys() - given.keys()}), names)


def names_of(path: Path) -> frozenset[str] | None:
    """The names of a file's columns; None where that is for the reader of the file to say."""
    try:
        if is_csv(path):
            return frozenset(csv_dialect(path).names)
        return frozenset(pa_parquet.read_schema(path).names) if path.suffix == ".parquet" else None
    except (pa.ArrowException, OSError, ContractBroken):
        return None


def _columns(file: LogFile) -> set[str]:
    return {*(file.names or ()), *file.folders.given}


def _told_apart(one: LogFile, other: LogFile) -> str:
    alone = [
        f"{', '.join(sorted(has))} in {file.path} alone"
        for file, has in ((one, _columns(one) - _columns(other)), (other, _columns(other) - _columns(one)))
        if has
    ]
    return f"{one.path} and {other.path} have different columns: {'; '.join(alone)}; the files of one log have the same"
