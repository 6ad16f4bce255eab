"""A checkpoint of so many ids, written as files: a hundred million do not fit into the process that makes them.

A small model is saved, and its layers are replaced, a stretch of rows at a time, by those of a model that has met
`rows` ids and learned nothing of them.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from numpy.lib.format import write_array_header_1_0

from benchmarks.generation_work import SPEC, at, key
from components.domain import Examples, Ints, Keys, Matured
from components.ranker.key_index import index_of
from components.ranker.layer_files import INDEX, TABLE, VOCABULARY, Told
from components.ranker.model import Model
from components.ranker.row_sums import sums_of
from components.ranker.settings import RankerSettings
from components.ranker.table import initial_rows
from components.update.checkpoint import Checkpoint, save_checkpoint, write_parts

RESERVED = 1 + len(SPEC.vocabularies)
STRETCH = 1 << 20


def make_table(folder: Path, rows: int) -> None:
    """A checkpoint at `folder` of `rows` ids, half of them users and half items."""
    settings = RankerSettings()
    save_checkpoint(Checkpoint.fresh(Model.fresh(SPEC, settings, 0)), folder)
    size, total, sums = settings.embedding_size, RESERVED + rows, np.zeros(2, np.uint64)
    _header(folder / TABLE, (total, size + 2), np.float32)
    with (folder / TABLE).open("ab") as file:
        np.zeros((RESERVED, size + 2), np.float32).tofile(file)
        sums += sums_of(np.arange(RESERVED), np.zeros((RESERVED, size + 2), np.float32), size + 1)
        for start in range(0, rows, STRETCH):
            ids = np.arange(start, min(start + STRETCH, rows))
            values = initial_rows(key_of(ids, rows), size, settings.init_scale, 0)
            sums += sums_of(RESERVED + ids, values, size + 1)
            values.tofile(file)
    keys = np.concatenate([np.zeros(RESERVED, np.uint64), key_of(np.arange(rows), rows)])
    _write_vocabulary(folder, keys, rows)
    about = json.loads((folder / "model.json").read_text())
    told = Told(rows=total, base=total, since=0, sums="-".join(f"{int(one):016x}" for one in sums))
    about["layers"] = told.model_dump()
    (folder / "model.json").write_text(json.dumps(about))
    write_parts(folder)


def window_of(rows: int, examples: int) -> Matured:
    """A day of users and items all over the table, one in ten of the users new."""
    rng, users = np.random.default_rng(1), rows // 2
    user = rng.integers(0, users, examples)
    item = users + rng.integers(0, rows - users, examples)
    keys = np.stack([key_of(user, rows), key_of(item, rows)], 1)
    keys[: examples // 10, 0] = key(4 * rows + np.arange(examples // 10))
    when = np.sort(rng.integers(at(0), at(1), examples))
    return Matured(Examples(keys, np.empty((examples, 0), np.float32), when), (user % 3 == 0).astype(np.float32))


def key_of(ids: Ints, rows: int) -> Keys:
    """Keys of ids: users first, then items."""
    return key(np.where(ids < rows // 2, ids, -1 - ids))


def _write_vocabulary(folder: Path, keys: Keys, rows: int) -> None:
    total, ids = len(keys), np.arange(len(keys)) - RESERVED
    met = ids >= 0
    _header(folder / VOCABULARY, (5, total), np.int64)
    with (folder / VOCABULARY).open("ab") as file:
        keys.view(np.int64).tofile(file)
        np.where(met & (ids >= rows // 2), 1, 0).tofile(file)
        met.astype(np.int64).tofile(file)
        for _ in ("first", "last"):
            np.where(met, at(0), 0).tofile(file)
    np.save(folder / INDEX, index_of(keys))


def _header(path: Path, shape: tuple[int, int], kind: npt.DTypeLike) -> None:
    about: dict[str, Any] = {"descr": np.dtype(kind).str, "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        write_array_header_1_0(file, about)
