"""A path with wildcards -> the files of one log, such as a folder for each day; a folder's name is no column."""

import glob
from pathlib import Path

import pyarrow as pa
import pyarrow.csv as pa_csv
import pyarrow.parquet as pa_parquet

from components.domain import ContractBroken


def log_files(pattern: str) -> list[Path]:
    """The files that a path means, in the order of their names; a path without wildcards means itself.

    Raises
    ------
    ContractBroken
        If wildcards match no file, or two of the files have different columns; one line.
    """
    if Path(pattern).is_file() or not glob.has_magic(pattern):
        return [Path(pattern)]
    files = [path for path in matching(pattern) if path.is_file()]
    if not files:
        raise ContractBroken(f"no file matches {pattern}; quote the pattern, and give that of .parquet or .csv logs")
    first = _columns(files[0])
    for file in files[1:]:
        other = _columns(file)
        if None not in (first, other) and first != other:
            raise ContractBroken(_told_apart(files[0], file, first or set(), other or set()))
    return files


def matching(pattern: str) -> list[Path]:
    """Files and folders that a path with wildcards matches, in the order of their names; without any, itself."""
    if not glob.has_magic(pattern):
        return [Path(pattern)]
    root = Path(Path(pattern).anchor)
    return sorted(root.glob(str(Path(pattern).relative_to(root))))


def _columns(path: Path) -> set[str] | None:
    """The names of a file's columns; None where that is for the reader of the file to say."""
    try:
        if path.suffix == ".parquet":
            return set(pa_parquet.read_schema(path).names)
        if path.suffix == ".csv":
            with pa_csv.open_csv(path) as blocks:
                return set(blocks.schema.names)
    except (pa.ArrowException, OSError):
        return None
    return None


def _told_apart(one: Path, other: Path, first: set[str], second: set[str]) -> str:
    alone = [
        f"{', '.join(sorted(has))} in {path} alone"
        for path, has in ((one, first - second), (other, second - first))
        if has
    ]
    return f"{one} and {other} have different columns: {'; '.join(alone)}; the files of one log have the same"
