"""Table and vocabulary on disk: a base, which generations share, and what changed since.

::

    table.npy        (b, D + 2) float32    embeddings, first-order weight, learning history: the base
    vocabulary.npy   (5, b) int64          key, vocabulary, count, first, last, each in one piece
    index.npy        (slots,) uint32       the base's keys to rows
    changed.npy      (m,) int64            rows that are not as in the base, ascending; absent with a whole base
    table.changes.npy, vocabulary.changes.npy   (m, D + 2) and (m, 5): what those rows hold

A generation's changes are against its base, not against its parent's changes: two layers, however many generations.
The three files of the base are links to the parent's, so that a folder is whole by itself and the disk holds
them once; where a file system has no links they are copies. Files are mapped, and never written to again: who
has them mapped goes on reading them after their folder is gone.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.format import write_array_header_1_0

from components.domain import Floats, Ints
from components.frozen import Frozen
from components.parts import Part
from components.ranker.hashing import AnyVocabulary
from components.ranker.key_index import Slots, index_of
from components.ranker.layered import Layered, Number, Scalar
from components.ranker.row_sums import Sums, base_sums
from components.ranker.vocabulary import Vocabulary
from components.whole_file import link_or_copy, write_whole

TABLE, VOCABULARY, INDEX = "table.npy", "vocabulary.npy", "index.npy"
CHANGED, TABLE_CHANGES, VOCABULARY_CHANGES = "changed.npy", "table.changes.npy", "vocabulary.changes.npy"
BASE_FILES, CHANGE_FILES = (TABLE, VOCABULARY, INDEX), (CHANGED, TABLE_CHANGES, VOCABULARY_CHANGES)
FULL_EVERY = 10
"""Generations of which at least one is written whole, where nobody says otherwise: setting `publish.full_every`."""
WORTH_IT = 0.5
"""Changes are written where they are at most this share of all rows."""
AT_ONCE = 1 << 16
"""Rows written at a time."""


class Told(Frozen):
    """What model.json says of the layers: rows of table and base, generations since the base, and its row sums."""

    rows: int
    base: int
    since: int
    sums: str


@dataclass(frozen=True, slots=True)
class Base:
    """The base of a model that was read from `folder`: how many generations ago it was written, and its row sums.

    `files` tells its files apart from others that may have come in their place; `parts` are their digests, where
    somebody checked them.
    """

    folder: Path
    since: int
    sums: Sums
    table: Floats
    files: Mapping[str, tuple[int, ...]]
    parts: Mapping[str, Part] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Layers:
    """What is read: the table, the vocabulary's rows and the index of their base (an exact table's), and the base."""

    table: Layered[np.float32]
    vocabulary: Layered[np.int64] | None
    slots: Slots
    base: Base


def write_layers(
    folder: Path, table: Layered[np.float32], vocabulary: AnyVocabulary, base: Base | None, full_every: int
) -> Told:
    """Write both: as changes where they are few and the base is at hand and not too old, else whole.

    Parameters
    ----------
    full_every : generations of which at least one is whole.
    """
    there = base if base is not None and table.base is base.table else None
    if there is not None and there.since + 1 < full_every:
        changed = _changed(table, vocabulary)
        if len(changed) <= WORTH_IT * table.rows and _linked(there, folder):
            _write_changes(folder, changed, table, vocabulary)
            return _told(table, len(table.base), there.since + 1, there.sums)
    _write_whole(folder, table, vocabulary)
    for name in CHANGE_FILES:
        (folder / name).unlink(missing_ok=True)
    written = _map(folder / TABLE, np.float32, 2)
    return _told(table, table.rows, 0, base_sums(written, written.shape[1] - 1))


def read_layers(folder: Path, told: Told, parts: Mapping[str, Part]) -> Layers:
    """Map what `write_layers` wrote; raises OSError, EOFError or ValueError where files are not what they should be.

    Nothing is read but what is asked for; the digests are somebody else's to check.
    """
    table, changed = _map(folder / TABLE, np.float32, 2), np.empty(0, np.int64)
    if (folder / CHANGED).exists():
        changed = _map(folder / CHANGED, np.int64, 1)
    exact = (folder / VOCABULARY).exists()
    slots: Slots = _map(folder / INDEX, np.uint32, 1) if exact else np.empty(0, np.uint32)
    if exact and len(slots).bit_count() != 1:
        raise ValueError(f"{INDEX} has {len(slots)} slots, which is no power of two")
    sums = np.array([int(text, 16) for text in told.sums.split("-")], np.uint64)
    files = {name: _file(folder / name) for name in (BASE_FILES if exact else (TABLE,))}
    base = Base(folder, told.since, sums, table, files, {n: parts[n] for n in files if n in parts})
    return Layers(
        _layered(table, changed, folder / TABLE_CHANGES, told),
        _layered(_map(folder / VOCABULARY, np.int64, 2).T, changed, folder / VOCABULARY_CHANGES, told)
        if exact
        else None,
        slots,
        base,
    )


def _layered(base: npt.NDArray[Number], changed: Ints, changes: Path, told: Told) -> Layered[Number]:
    width = base.shape[1]
    own = _map(changes, base.dtype.type, 2) if changes.exists() else np.empty((0, width), base.dtype)
    if len(base) != told.base or own.shape != (len(changed), width):
        raise ValueError(f"a base of {base.shape} and changes of {own.shape}, where {told.base} rows are told of")
    ascends = not len(changed) or (changed[0] >= 0 and changed[-1] < told.rows and bool((np.diff(changed) > 0).all()))
    if not ascends or np.count_nonzero(changed >= told.base) != told.rows - told.base:
        raise ValueError(f"changed rows that are not those of a table of {told.rows} rows on a base of {told.base}")
    return Layered(base, changed, own, told.rows)


def _map(path: Path, kind: type[Scalar], dimensions: int) -> npt.NDArray[Scalar]:
    """The array of a file, mapped privately: whoever writes to it, by mistake, does not reach the file."""
    found = np.asarray(np.load(path, mmap_mode="c", allow_pickle=False))
    if found.dtype != kind or found.ndim != dimensions or not found.flags.c_contiguous:
        raise ValueError(f"{path.name} holds {found.dtype} in {found.ndim} dimensions")
    return found


def _told(table: Layered[np.float32], base: int, since: int, sums: Sums) -> Told:
    return Told(rows=table.rows, base=base, since=since, sums="-".join(f"{int(one):016x}" for one in sums))


def _changed(table: Layered[np.float32], vocabulary: AnyVocabulary) -> Ints:
    rows = table.changed
    return np.union1d(rows, vocabulary.layers.changed) if isinstance(vocabulary, Vocabulary) else rows


def _linked(base: Base, folder: Path) -> bool:
    """Whether the base's files lie in `folder` now; they may be gone, or be others, where they were read."""
    try:
        for name, file in base.files.items():
            if _file(base.folder / name) != file:
                return False
            link_or_copy(base.folder / name, folder / name)
    except FileNotFoundError:
        return False
    return True


def _file(path: Path) -> tuple[int, ...]:
    stat = path.stat()
    return stat.st_dev, stat.st_ino, stat.st_size, stat.st_mtime_ns


def _write_changes(folder: Path, changed: Ints, table: Layered[np.float32], vocabulary: AnyVocabulary) -> None:
    save_array(folder / CHANGED, changed)
    save_array(folder / TABLE_CHANGES, table.take(changed))
    if isinstance(vocabulary, Vocabulary):
        save_array(folder / VOCABULARY_CHANGES, vocabulary.layers.take(changed))


def _write_whole(folder: Path, table: Layered[np.float32], vocabulary: AnyVocabulary) -> None:
    write_whole(folder / TABLE, partial(_write_rows, table))
    if isinstance(vocabulary, Vocabulary):
        write_whole(folder / VOCABULARY, partial(_write_columns, vocabulary.layers))
        save_array(folder / INDEX, index_of(vocabulary.keys))


def _write_rows(table: Layered[np.float32], path: Path) -> None:
    """Row after row, in pieces: a table on a base is never in memory in one piece."""
    shape = (table.rows, table.own.shape[1])
    with path.open("wb") as file:
        about = {"descr": table.own.dtype.str, "fortran_order": False, "shape": shape}
        write_array_header_1_0(file, about)
        for piece in _pieces(table):
            piece.tofile(file)


def _write_columns(rows: Layered[np.int64], path: Path) -> None:
    width = rows.own.shape[1]
    with path.open("wb") as file:
        write_array_header_1_0(file, {"descr": "<i8", "fortran_order": False, "shape": (width, rows.rows)})
        for number in range(width):
            rows.column(number).tofile(file)


def _pieces(table: Layered[np.float32]) -> Iterator[Floats]:
    for at in range(0, table.rows, AT_ONCE):
        yield table.take(np.arange(at, min(at + AT_ONCE, table.rows)))


def save_array(path: Path, array: npt.NDArray[Any]) -> None:
    """An array as a file, whole or not at all."""

    def write(unfinished: Path) -> None:
        with unfinished.open("wb") as file:
            np.save(file, array, allow_pickle=False)

    write_whole(path, write)
