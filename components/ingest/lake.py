"""A lake: a folder of logs that many write and one reads. What lies there now, against what was taken.

A name, a size and an instant tell whether a file is as it was: no file is opened to find out what is new. So a file
has to appear whole, by rename; one that is being written has a name that begins with ``_`` or ``.``, or says tmp or
inprogress.
"""

import glob
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from components.domain import ContractBroken
from components.ingest.log_files import ALLOWED, matching

UNFINISHED = frozenset({"tmp", "inprogress"})
"""Parts of a name, between dots, that say a writer is not done."""


@dataclass(frozen=True, slots=True)
class Stamp:
    """What a file system says of a file: `size` in bytes, and when it was written, in ns since 1970."""

    size: int
    written_ns: int


@dataclass(frozen=True, slots=True)
class LakeFile:
    """A file of a lake as it was taken. `columns`: those of the description that it has; `digest`: of its batch.

    `fault`: why it could not be taken, if so; `name` is relative to the lake.
    """

    lake: str
    name: str
    stamp: Stamp
    columns: frozenset[str] = frozenset()
    digest: str = ""
    fault: str | None = None


@dataclass(frozen=True, slots=True)
class News:
    """What is to be looked at: files that were not taken (`new`), or were and are different (`touched`), how many
    are gone."""

    new: tuple[str, ...]
    touched: tuple[str, ...]
    gone: int


def lake_root(lake: str) -> Path:
    """The folder that names of a lake's files are relative to.

    >>> lake_root("/data/day=*/*.parquet").as_posix()
    '/data'
    """
    parts = Path(lake).parts
    plain = next((n for n, part in enumerate(parts) if glob.has_magic(part)), len(parts))
    return Path(*parts[:plain])


def is_finished(name: str) -> bool:
    """Whether a file's name is that of a log whose writer is done.

    >>> [is_finished(name) for name in ("a.parquet", "_a.parquet", "a.tmp.parquet", "a.parquet.inprogress", ".a.csv")]
    [True, False, False, False, False]
    """
    lower = name.lower()
    return name[0] not in "._" and lower.endswith(ALLOWED) and UNFINISHED.isdisjoint(lower.split("."))


def listing(lake: str) -> dict[str, Stamp]:
    """Name -> stamp of every finished log of a lake, in order of the names; no file is opened.

    Raises
    ------
    ContractBroken
        If there is no such folder.
    """
    root = lake_root(lake)
    if not root.is_dir():
        raise ContractBroken(f"no lake at {root}; allowed is a folder, a pattern or a Delta table: [lake] path")
    found = dict(_matched(lake, root) if glob.has_magic(lake) else _below(str(root), "", set()))
    return dict(sorted(found.items()))


def _matched(lake: str, root: Path) -> Iterator[tuple[str, Stamp]]:
    for path in matching(lake):
        inner = path.relative_to(root).as_posix()
        if any(part[0] in "._" for part in Path(inner).parts):
            continue
        if path.is_dir():
            yield from _below(str(path), f"{inner}/", set())
        elif is_finished(path.name) and (stamp := stamp_of(path)):
            yield inner, stamp


def _below(folder: str, inner: str, above: set[str]) -> Iterator[tuple[str, Stamp]]:
    """As `listing`; a link to a folder that it lies in is not followed."""
    real = os.path.realpath(folder)
    if real in above:
        return
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.name[0] in "._":
                    continue
                if entry.is_dir():
                    yield from _below(entry.path, f"{inner}{entry.name}/", above | {real})
                elif is_finished(entry.name) and (stamp := stamp_of(entry)):
                    yield f"{inner}{entry.name}", stamp
    except FileNotFoundError:
        return  # the lake's retention took the folder meanwhile


def stamp_of(path: "Path | os.DirEntry[str]") -> Stamp | None:
    """What the file system says of a file; None if it is gone."""
    try:
        state = path.stat()
    except FileNotFoundError:
        return None
    return Stamp(state.st_size, state.st_mtime_ns)


def news(listed: Mapping[str, Stamp], known: Mapping[str, LakeFile]) -> News:
    """What is to be looked at; a file that could not be taken is new again once it is different.

    >>> known = {name: LakeFile("lake", name, Stamp(1, 1)) for name in "abc"}
    >>> news({"a": Stamp(1, 1), "b": Stamp(2, 1), "d": Stamp(1, 1)}, known)
    News(new=('d',), touched=('b',), gone=1)
    """
    different = [name for name, stamp in listed.items() if name in known and known[name].stamp != stamp]
    again = {name for name in different if known[name].fault is not None and not known[name].digest}
    new = tuple(name for name in listed if name not in known or name in again)
    return News(new, tuple(name for name in different if name not in again), len(known.keys() - listed.keys()))
