"""What the workers of a sharded update are given, and what they leave, in one folder that all of them see.

::

    asked.json               what to learn: cutoff, settings, seed, how many workers
    parent/                  the checkpoint to learn on, as `components.update.checkpoint` writes it
    fresh.*.npy replay.*.npy the examples, a file for each of their arrays
    part-K/                  what worker K made of it: the rows that are its own, as they are now
    part-0/dense.safetensors network, scaling, calibration and optimizer, which all workers have alike
    part-0/update.json       figures of the update; beside it admitted.*.npy, expired.*.npy, curve.npy

A part is there whole or not at all: its last file, done.json, names the workers it was made with. Rows are told by
their number in the whole table, so that what some workers wrote others read, whatever their number.
"""

import json
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from safetensors.torch import load_file, save_file

from components.domain import ContractBroken, Examples, Matured, Refused
from components.frozen import Frozen
from components.ranker.layer_files import save_array
from components.ranker.vocabulary import Seen, Vocabulary
from components.update.checkpoint import (
    Checkpoint,
    load_checkpoint,
    load_optimizer,
    load_weights,
    optimizer_tensors,
    save_checkpoint,
    weights_of,
)
from components.update.settings import UpdateSettings
from components.update.shard.group import Group
from components.update.shard.vocabulary import SharedOut
from components.update.train import Ids, Update
from components.whole_file import write_whole

ASKED, PARENT, DONE = "asked.json", "parent", "done.json"
SMALL = 4_096
"""Bytes up to which a file is read, not mapped: nothing can be mapped of an empty array."""
DENSE, FIGURES = "dense.safetensors", "update.json"


class Asked(Frozen):
    """The content of asked.json; `first`: to train a model that has learned nothing, else a warm start."""

    cutoff: int
    seed: int
    workers: int
    settings: UpdateSettings
    first: bool = False


class Done(Frozen):
    """The content of a part's done.json: rows of the whole table, and by how many workers the update was made."""

    rows: int
    workers: int


class Figures(Frozen):
    """The content of update.json, named as in `components.update.train.Update`."""

    grown: int
    rows: int
    replayed: int
    examples_processed: int
    train_before: float
    train_after: float
    holdout_before: float
    holdout_after: float
    diverged: tuple[str, float, float, str] | None


def ask(folder: Path, asked: Asked, parent: Checkpoint | None, fresh: Matured, replay: Matured | None) -> None:
    """Write what the workers need; asked.json is the last. `parent` is None where it lies in the folder already."""
    if parent is not None:
        save_checkpoint(parent, folder / PARENT)
    _save_matured(folder, "fresh", fresh)
    if replay is not None:
        _save_matured(folder, "replay", replay)
    write_whole(folder / ASKED, lambda path: path.write_text(asked.model_dump_json(indent=1)))


def read_asked(folder: Path) -> Asked:
    """What is to be learned; raises OSError or ValueError where nothing was asked."""
    return Asked.model_validate_json((folder / ASKED).read_bytes())


def read_examples(folder: Path, name: str) -> Matured | None:
    """The examples of a name, mapped, not read; None where there are none."""
    if not (folder / f"{name}.keys.npy").exists():
        return None
    keys, numeric, at, reward = (_map(folder / f"{name}.{part}.npy") for part in ("keys", "numeric", "at", "reward"))
    grade = folder / f"{name}.grade.npy"
    return Matured(Examples(keys, numeric, at), reward, _map(grade) if grade.exists() else None)


def read_parent(folder: Path) -> Checkpoint:
    """What is to be learned on."""
    return load_checkpoint(folder / PARENT, checked=False)


def begin_part(folder: Path, rank: int) -> None:
    """What was made before, by a try that did not come to its end or for something else, counts no more."""
    part = folder / f"part-{rank}"
    part.mkdir(exist_ok=True)
    (part / DONE).unlink(missing_ok=True)


def write_part(folder: Path, made: Update, group: Group) -> None:
    """What this worker has made: the rows that are its own; what all have alike is written by the first."""
    part, model = folder / f"part-{group.rank}", made.checkpoint.model
    rows = model.table.changed
    save_array(part / "rows.npy", rows)
    save_array(part / "table.npy", model.table.gather(torch.from_numpy(rows)).numpy())
    if isinstance(model.vocabulary, SharedOut):
        known = model.vocabulary.own()
        save_array(part / "known.npy", known)
        save_array(part / "vocabulary.npy", model.vocabulary.layers.take(known))
        save_array(part / "candidates.npy", model.vocabulary.candidates.numbers())
    if group.rank == 0:
        _write_alike(part, made)
    told = Done(rows=model.table.rows, workers=group.size)
    write_whole(part / DONE, lambda path: path.write_text(told.model_dump_json()))


def put_together(folder: Path, parent: Checkpoint, workers: int) -> Update:
    """The update that `workers` made on top of `parent`, which is not changed.

    Raises
    ------
    ContractBroken
        If a part is missing, or was made by another number of workers.
    """
    parts = [folder / f"part-{rank}" for rank in range(workers)]
    rows = {_done(part, workers).rows for part in parts}
    if len(rows) != 1:
        raise ContractBroken(f"the parts in {folder} are of tables of {sorted(rows)} rows; allowed is one table")
    first, child = parts[0], parent.copy()
    figures = Figures.model_validate_json((first / FIGURES).read_bytes())
    if figures.diverged is None:
        _take_rows(child, parts, rows.pop())
        dense = load_file(first / DENSE)
        load_weights(child.model, dense)
        load_optimizer(child.optimizer, dense)
    told = figures.model_dump(exclude={"diverged"})
    return Update(
        checkpoint=parent if figures.diverged else child,
        admitted=_ids(first, "admitted"),
        expired=_ids(first, "expired"),
        diverged=None if figures.diverged is None else Refused(*figures.diverged),
        curve=np.array(_map(first / "curve.npy")),
        **told,
    )


def _take_rows(child: Checkpoint, parts: Iterable[Path], rows: int) -> None:
    """Part after part: what the others hold is not in memory meanwhile."""
    table, vocabulary, waiting = child.model.table, child.model.vocabulary, [Seen.blank(0)]
    table.resize(rows)
    for part in parts:
        table.put(_map(part / "rows.npy"), _map(part / "table.npy"))
        if isinstance(vocabulary, Vocabulary):
            vocabulary.overwrite(_map(part / "known.npy"), Seen.of(_map(part / "vocabulary.npy")))
            waiting.append(Seen.of(_map(part / "candidates.npy")))
    if isinstance(vocabulary, Vocabulary):
        together = waiting[0]
        for some in waiting[1:]:
            together = Seen.merge(together, some)
        vocabulary.candidates = together


def _write_alike(part: Path, made: Update) -> None:
    checkpoint, refused = made.checkpoint, made.diverged
    tensors = weights_of(checkpoint.model) | optimizer_tensors(checkpoint.optimizer)
    write_whole(part / DENSE, partial(save_file, tensors))
    for name, ids in (("admitted", made.admitted), ("expired", made.expired)):
        save_array(part / f"{name}.keys.npy", ids.keys)
        save_array(part / f"{name}.last.npy", ids.last)
        save_array(part / f"{name}.field.npy", ids.field.astype("U"))
    save_array(part / "curve.npy", made.curve)
    said = None if refused is None else (refused.reason, refused.figure, refused.limit, refused.advice)
    told = {name: getattr(made, name) for name in Figures.model_fields if name != "diverged"} | {"diverged": said}
    write_whole(part / FIGURES, lambda path: path.write_text(json.dumps(told)))


def _ids(part: Path, name: str) -> Ids:
    field = _map(part / f"{name}.field.npy").astype(object)
    return Ids(field, _map(part / f"{name}.keys.npy"), _map(part / f"{name}.last.npy"))


def _done(part: Path, workers: int) -> Done:
    try:
        done = Done.model_validate_json((part / DONE).read_bytes())
    except FileNotFoundError:
        raise ContractBroken(
            f"no {part / DONE}: that worker did not come to its end; the update is made again"
        ) from None
    if done.workers != workers:
        raise ContractBroken(f"{part} was made by {done.workers} workers; allowed are the {workers} that were asked")
    return done


def _save_matured(folder: Path, name: str, data: Matured) -> None:
    arrays: dict[str, npt.NDArray[Any]] = {"keys": data.examples.keys, "at": data.examples.at}
    arrays["numeric"] = data.examples.numeric
    arrays |= {"reward": data.reward} | ({} if data.grade is None else {"grade": data.grade})
    for part, array in arrays.items():
        save_array(folder / f"{name}.{part}.npy", array)


def _map(path: Path) -> npt.NDArray[Any]:
    """The array of a file: mapped, privately, unless it is so small that it may be empty."""
    mode: Literal["c"] | None = "c" if path.stat().st_size > SMALL else None
    return np.asarray(np.load(path, mmap_mode=mode, allow_pickle=False))
