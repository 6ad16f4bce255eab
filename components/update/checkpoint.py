"""A generation's weights on disk: enough to serve, or enough to continue.

    <folder>/model.json            what the model is: feature spec, settings, seed, scores of outcomes, layers
    <folder>/model.safetensors     network, scaling, calibration
    <folder>/candidates.parquet    ids that wait for admission
    <folder>/...npy                table and vocabulary, see `components.ranker.layer_files`
    <folder>/optimizer.safetensors only in a checkpoint; the table's part of the optimizer lies in its rows
    <folder>/parts.json            only in a checkpoint, last: SHA-256 of every file above

A checkpoint whose files are not those that were written, or whose optimizer does not fit its weights key by key, is
refused: continuing with another table's history is silent damage.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from components.domain import ContractBroken
from components.frozen import Frozen
from components.parts import Part, differing, list_parts
from components.ranker.layer_files import FULL_EVERY, Told, write_layers
from components.ranker.model import Model
from components.ranker.model_file import TABLE, UNREADABLE, Described, describe, unreadable
from components.ranker.scaling import Scaling
from components.ranker.table import EmbeddingTable
from components.ranker.vocabulary import Seen
from components.update.optimizer import DenseAdam
from components.whole_file import write_whole

PARTS, OPTIMIZER = "parts.json", "optimizer.safetensors"


class Parts(Frozen):
    """The content of parts.json."""

    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A model and the state of its optimizer: what a warm start continues from.

    The table's part of that state lives in the table's rows.
    """

    model: Model
    optimizer: DenseAdam

    @classmethod
    def fresh(cls, model: Model) -> "Checkpoint":
        """A model nobody has trained yet."""
        return cls(model, DenseAdam(model.dense))

    def copy(self) -> "Checkpoint":
        """An independent copy."""
        return Checkpoint(self.model.copy(), self.optimizer.copy())


def save_model(model: Model, folder: Path, full_every: int = FULL_EVERY) -> Told:
    """Write what serving needs into `folder`, each file atomically; what model.json says of the layers.

    A model that was read from files is written as changes against their base, see `components.ranker.layer_files`;
    of `full_every` generations in a row at least one is whole.
    """
    folder.mkdir(parents=True, exist_ok=True)
    layers = write_layers(folder, model.table.layers, model.vocabulary, model.base, full_every)
    about = {
        "spec": [asdict(field) for field in model.spec.fields],
        "settings": model.settings.model_dump(mode="json"),
        "seed": model.seed,
        "graded_labels": model.graded_labels.lists(),
        "layers": layers.model_dump(),
    }
    write_whole(folder / "model.json", lambda path: path.write_text(json.dumps(about, indent=1)))
    write_whole(folder / "model.safetensors", lambda path: save_file(weights_of(model), path))
    waiting = pa.table({f.name: getattr(model.vocabulary.candidates, f.name) for f in fields(Seen)})
    write_whole(folder / "candidates.parquet", partial(pq.write_table, waiting))
    return layers


def save_checkpoint(checkpoint: Checkpoint, folder: Path, full_every: int = FULL_EVERY) -> None:
    """Write what continuing needs into `folder`."""
    layers = save_model(checkpoint.model, folder, full_every)
    write_whole(folder / OPTIMIZER, lambda path: save_file(optimizer_tensors(checkpoint.optimizer), path))
    base = checkpoint.model.base
    write_parts(folder, base.parts if base is not None and layers.since else {})


def optimizer_tensors(optimizer: DenseAdam) -> dict[str, torch.Tensor]:
    """Its state by name."""
    tensors = {"steps": torch.tensor(optimizer.steps)}
    for name, (first, second) in optimizer.moments.items():
        tensors[f"first.{name}"], tensors[f"second.{name}"] = first, second
    return tensors


def write_parts(folder: Path, known: Mapping[str, Part] | None = None) -> None:
    """Write down the digest of every file of a checkpoint; what is `known`, because it is the parent's, is not read."""
    parts = Parts(parts=list_parts(folder, (PARTS,), known))
    write_whole(folder / PARTS, lambda path: path.write_text(parts.model_dump_json(indent=1)))


def read_parts(folder: Path) -> tuple[Part, ...]:
    """What the files of a checkpoint should be; none of one that was written before there were layers.

    Raises
    ------
    ContractBroken
        If it is half-written; one line.
    """
    try:
        return Parts.model_validate_json((folder / PARTS).read_bytes()).parts
    except FileNotFoundError:
        if (folder / "vocabulary.parquet").exists():
            return ()
        raise ContractBroken(f"no whole checkpoint in {folder}: there is no {PARTS}; run the loop again") from None
    except (OSError, ValidationError) as error:
        raise ContractBroken(f"no readable {folder / PARTS}: {_one_line(error)}") from None


def load_model(folder: Path) -> Model:
    """The model in `folder`.

    Raises
    ------
    ContractBroken
        If a file is missing or broken, or the parts do not fit each other; one line.
    """
    return _load_model(folder, ())


def load_checkpoint(folder: Path, *, checked: bool = True) -> Checkpoint:
    """The checkpoint in `folder`, after every digest was checked; table and vocabulary are mapped, not read.

    Parameters
    ----------
    checked : False where whoever asks has just written it.

    Raises
    ------
    ContractBroken
        As `load_model`, if a file is not what was written, and if the optimizer's key set or shapes are not those of
        the weights.
    """
    parts = read_parts(folder)
    wrong = differing(parts, list_parts(folder, (PARTS,))) if parts and checked else None
    if wrong is not None:
        raise ContractBroken(f"checkpoint {folder}, {wrong}; restore it from a copy, or roll back and run the loop")
    model = _load_model(folder, parts)
    try:
        saved = load_file(folder / OPTIMIZER)
    except (OSError, SafetensorError) as error:
        raise ContractBroken(f"no readable optimizer in {folder}: {_one_line(error)}") from None
    optimizer = DenseAdam(model.dense)
    wanted = {"steps": torch.Size([])} if parts else {TABLE: torch.Size([model.table.rows]), "steps": torch.Size([])}
    for name, (first, second) in optimizer.moments.items():
        wanted[f"first.{name}"], wanted[f"second.{name}"] = first.shape, second.shape
    _same_keys(wanted, {name: tensor.shape for name, tensor in saved.items()}, folder)
    if TABLE in saved:
        model.table.block[:, -1].copy_(saved[TABLE])
    load_optimizer(optimizer, saved)
    return Checkpoint(model, optimizer)


def load_optimizer(optimizer: DenseAdam, tensors: Mapping[str, torch.Tensor]) -> None:
    """The state that `optimizer_tensors` named."""
    optimizer.steps = int(tensors["steps"])
    optimizer.moments = {name: (tensors[f"first.{name}"], tensors[f"second.{name}"]) for name in optimizer.moments}


def _load_model(folder: Path, parts: tuple[Part, ...]) -> Model:
    try:
        told = describe(folder, {part.path: part for part in parts})
        return _assemble(told, load_file(folder / "model.safetensors"))
    except UNREADABLE as error:
        raise unreadable(folder, error) from None


def weights_of(model: Model) -> dict[str, torch.Tensor]:
    """All but the table by name: network, scaling, calibration."""
    named = {f"dense.{name}": tensor.detach().clone() for name, tensor in model.dense.state_dict().items()}
    return named | {
        "scaling.mean": torch.from_numpy(model.scaling.mean.copy()),
        "scaling.scale": torch.from_numpy(model.scaling.scale.copy()),
        **{f"calibration.{name}": torch.from_numpy(array) for name, array in model.calibration.state().items()},
    }


def load_weights(model: Model, weights: Mapping[str, torch.Tensor]) -> None:
    """The parts that `weights_of` named."""
    model.scaling = Scaling(weights["scaling.mean"].numpy(), weights["scaling.scale"].numpy())
    model.calibration.load({name: weights[f"calibration.{name}"].numpy() for name in model.calibration.state()})
    model.dense.load_state_dict({name: weights[f"dense.{name}"] for name in model.dense.state_dict()})


def _assemble(told: Described, weights: dict[str, torch.Tensor]) -> Model:
    if told.layers is None:
        table = EmbeddingTable.empty(told.vocabulary.rows, told.settings.embedding_size)
        table.block[:, :-1].copy_(torch.from_numpy(told.table({TABLE: weights.pop(TABLE).numpy()}).block()))
    else:
        table = EmbeddingTable(told.table({}))
    model = Model(told.spec, told.settings, told.seed, told.vocabulary, table)
    model.base = None if told.layers is None else told.layers.base
    model.graded_labels = told.graded_labels
    _same_keys(
        {k: v.shape for k, v in weights_of(model).items()}, {k: v.shape for k, v in weights.items()}, Path("model")
    )
    load_weights(model, weights)
    return model


def _same_keys(wanted: dict[str, torch.Size], found: dict[str, torch.Size], where: Path) -> None:
    if wanted != found:
        off = sorted(k for k in wanted.keys() | found.keys() if wanted.get(k) != found.get(k))
        raise ContractBroken(
            f"{where}: weights and optimizer do not fit: {off[0]} is {_shape(found.get(off[0]))}, "
            f"allowed is {_shape(wanted.get(off[0]))} ({len(off)} of {len(wanted)} keys differ)"
        )


def _shape(shape: torch.Size | None) -> str:
    return "absent" if shape is None else str(tuple(shape))


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0]
