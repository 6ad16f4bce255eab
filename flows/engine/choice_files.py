"""What the tasks that work out choices are given, and what they leave, in one folder that all of them see.

::

    feature_spec.json users.parquet items.parquet     the encoder
    raters.json                                       who is asked: where the model lies, and its policy
    RATER/memory/ RATER/model/                        its memory; its model, where that lies nowhere else
    share-K.arrow                                     some of the requests, with what was shown in them
    share-K.RATER.probability.npy share-K.RATER.expected.npy   what a rater would have done in them
    share-K.json                                      the last: that share is done

A share is done or not at all, and done again it comes to the same: a task that was cut off is begun anew.
"""

import json
from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import cast

import numpy as np
import pyarrow as pa

from components.coded import Coded
from components.domain import ContractBroken
from components.frozen import Frozen
from components.memory.memory import ErrorMemory
from components.memory.settings import MemorySettings
from components.policy.plackett_luce import PlackettLuce
from components.policy.settings import PolicySettings
from components.policy.slates import Shown
from components.publish.encoder_files import read_encoder, write_encoder
from components.publish.read_bundle import MEMORY, MODEL
from components.ranker.features import Encoder
from components.ranker.layer_files import save_array
from components.ranker.model import Model
from components.ranker.model_file import load_forward
from components.update.checkpoint import save_model
from components.whole_file import write_whole
from flows.stages.choices import Asked, Choices, Rater, choices
from flows.stages.eligible_sets import Requests

ENTRIES = 1 << 20
"""Eligible entries of a share: seconds of work."""
RATERS = "raters.json"


class Told(Frozen):
    """One rater, as raters.json has it; `model` is a folder that every node sees."""

    model: str
    memory: MemorySettings
    policy: PolicySettings
    expects: bool


class Done(Frozen):
    """The content of share-K.json: rater -> how many entries it could not rate; and how many there are."""

    unrated: dict[str, int]
    entries: int


def ask(folder: Path, asked: Asked, encoder: Encoder, raters: Mapping[str, Rater]) -> int:
    """Write what the tasks need; returns the number of shares."""
    write_encoder(folder, encoder)
    told = {name: _tell(folder / name, rater).model_dump(mode="json") for name, rater in raters.items()}
    write_whole(folder / RATERS, lambda path: path.write_text(json.dumps(told, indent=1)))
    shares = 0
    for part in asked.stretches(ENTRIES):
        _write_asked(folder / f"share-{shares}.arrow", part)
        shares += 1
    return shares


def answer(folder: str, share: int) -> None:
    """What one task does: a share, unless it is done."""
    where = Path(folder)
    done = where / f"share-{share}.json"
    if done.exists():
        return
    encoder, raters = _read(where, (where / RATERS).stat().st_mtime_ns)
    made = choices(_read_asked(where / f"share-{share}.arrow"), encoder, raters)
    for name, said in made.items():
        save_array(_part(where, share, name, "probability"), said.probability)
        if said.expected is not None:
            save_array(_part(where, share, name, "expected"), said.expected)
    told = Done(unrated={name: said.unrated for name, said in made.items()}, entries=said.entries)
    write_whole(done, lambda path: path.write_text(told.model_dump_json()))


def put_together(folder: Path, shares: int, raters: Iterable[str]) -> dict[str, Choices]:
    """Rater -> what it would have done in all shares.

    Raises
    ------
    ContractBroken
        If a share is missing.
    """
    made: dict[str, list[Choices]] = {name: [] for name in raters}
    for share in range(shares):
        path = folder / f"share-{share}.json"
        if not path.exists():
            raise ContractBroken(f"no {path}: its task did not come to its end; the stage is made again")
        done = Done.model_validate_json(path.read_bytes())
        for name, parts in made.items():
            parts.append(_said(folder, share, name, done))
    return {name: Choices.together(made.pop(name)) for name in list(made)}


def _tell(folder: Path, rater: Rater) -> Told:
    rater.memory.save(folder / MEMORY)
    where = rater.folder or folder / MODEL
    if rater.folder is None:
        save_model(cast(Model, rater.model), where)
    return Told(
        model=str(where.resolve()),
        memory=rater.memory.settings,
        policy=rater.policy.settings,
        expects=rater.expects,
    )


@lru_cache(1)
def _read(folder: Path, _written: int) -> tuple[Encoder, dict[str, Rater]]:
    """Encoder and raters of a folder; a process that does several shares reads them once."""
    encoder, told = read_encoder(folder), json.loads((folder / RATERS).read_text())
    return encoder, {name: _rater(folder / name, Told.model_validate(one), encoder) for name, one in told.items()}


def _rater(folder: Path, told: Told, encoder: Encoder) -> Rater:
    model = load_forward(Path(told.model))
    memory = ErrorMemory.load(folder / MEMORY, encoder.spec, told.memory)
    return Rater(model, memory, PlackettLuce(told.policy), Path(told.model), told.expects)


def _write_asked(path: Path, asked: Asked) -> None:
    requests, shown = asked.requests, asked.shown
    columns = {
        "request_id": pa.array(requests.request_id, pa.string()),
        "user_id": _dictionary(requests.user),
        "context": _dictionary(requests.context),
        "at": pa.array(requests.at),
        "eligible": pa.LargeListArray.from_arrays(pa.array(requests.offsets), _dictionary(requests.item)),
        "shown": pa.LargeListArray.from_arrays(pa.array(shown.offsets), pa.array(shown.entry)),
    }
    if asked.recent is not None:
        width = asked.recent.codes.shape[1]
        flat = Coded(asked.recent.codes.ravel(), asked.recent.distinct)
        columns["recent"] = pa.FixedSizeListArray.from_arrays(_dictionary(flat), width)
    table = pa.table(columns)

    def write(unfinished: Path) -> None:
        with pa.OSFile(str(unfinished), "wb") as file, pa.ipc.new_file(file, table.schema) as out:
            out.write_table(table)

    write_whole(path, write)


def _read_asked(path: Path) -> Asked:
    with pa.memory_map(str(path)) as file:
        table = pa.ipc.open_file(file).read_all()
    recent, shown = None, table["shown"].combine_chunks()
    if "recent" in table.column_names:
        column = table["recent"].combine_chunks()
        flat = Coded.of_arrow(column.flatten())
        recent = Coded(flat.codes.reshape(len(table), column.type.list_size), flat.distinct)
    bounds = np.asarray(shown.offsets)
    return Asked(Requests.of(table), recent, Shown(shown.flatten().to_numpy(), bounds - bounds[0]))


def _dictionary(column: Coded) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(
        pa.array(column.codes, mask=column.codes < 0), pa.array(column.distinct, pa.string())
    )


def _said(folder: Path, share: int, name: str, done: Done) -> Choices:
    expected = _part(folder, share, name, "expected")
    return Choices(
        np.load(_part(folder, share, name, "probability"), allow_pickle=False),
        np.load(expected, allow_pickle=False) if expected.exists() else None,
        done.unrated[name],
        done.entries,
    )


def _part(folder: Path, share: int, name: str, what: str) -> Path:
    return folder / f"share-{share}.{name}.{what}.npy"
