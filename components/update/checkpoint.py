"""A generation's weights on disk: enough to serve, or enough to continue.

    <folder>/model.json            what the model is: feature spec, settings, seed, scores of outcomes
    <folder>/model.safetensors     table, network, scaling, calibration
    <folder>/vocabulary.parquet    row -> key, vocabulary, count, first, last
    <folder>/candidates.parquet    ids that wait for admission
    <folder>/optimizer.safetensors only in a checkpoint

A checkpoint whose optimizer does not fit its weights key by key and row by row is
refused: continuing with another table's history is silent damage.
"""

import json
from dataclasses import asdict, dataclass, fields
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from components.domain import ContractBroken
from components.ranker.model import Model
from components.ranker.model_file import TABLE, UNREADABLE, Described, describe, unreadable
from components.ranker.scaling import Scaling
from components.ranker.table import EmbeddingTable
from components.ranker.vocabulary import Seen
from components.update.optimizer import DenseAdam
from components.whole_file import write_whole


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


def save_model(model: Model, folder: Path) -> None:
    """Write what serving needs into `folder`, each file atomically."""
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "spec": [asdict(field) for field in model.spec.fields],
        "settings": model.settings.model_dump(mode="json"),
        "seed": model.seed,
        "graded_labels": model.graded_labels.lists(),
    }
    write_whole(folder / "model.json", lambda path: path.write_text(json.dumps(about, indent=1)))
    write_whole(folder / "model.safetensors", lambda path: save_file(_weights(model), path))
    for name, seen in (("vocabulary", model.vocabulary.by_row), ("candidates", model.vocabulary.candidates)):
        table = pa.table({f.name: getattr(seen, f.name) for f in fields(Seen)})
        write_whole(folder / f"{name}.parquet", partial(pq.write_table, table))


def save_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    """Write what continuing needs into `folder`."""
    save_model(checkpoint.model, folder)
    tensors = {TABLE: checkpoint.model.table.history.contiguous(), "steps": torch.tensor(checkpoint.optimizer.steps)}
    for name, (first, second) in checkpoint.optimizer.moments.items():
        tensors[f"first.{name}"], tensors[f"second.{name}"] = first, second
    write_whole(folder / "optimizer.safetensors", lambda path: save_file(tensors, path))


def load_model(folder: Path) -> Model:
    """The model in `folder`.

    Raises
    ------
    ContractBroken
        If a file is missing or broken, or the parts do not fit each other; one line.
    """
    try:
        told, weights = describe(folder), load_file(folder / "model.safetensors")
        return _assemble(told, weights)
    except UNREADABLE as error:
        raise unreadable(folder, error) from None


def load_checkpoint(folder: Path) -> Checkpoint:
    """The checkpoint in `folder`.

    Raises
    ------
    ContractBroken
        As `load_model`, and if the optimizer's key set or shapes are not those of the weights.
    """
    model = load_model(folder)
    try:
        saved = load_file(folder / "optimizer.safetensors")
    except (OSError, SafetensorError) as error:
        raise ContractBroken(f"no readable optimizer in {folder}: {_one_line(error)}") from None
    optimizer = DenseAdam(model.dense)
    wanted = {TABLE: model.table.history.shape, "steps": torch.Size([])}
    for name, (first, second) in optimizer.moments.items():
        wanted[f"first.{name}"], wanted[f"second.{name}"] = first.shape, second.shape
    _same_keys(wanted, {name: tensor.shape for name, tensor in saved.items()}, folder)
    model.table.history.copy_(saved[TABLE])
    optimizer.steps = int(saved["steps"])
    optimizer.moments = {name: (saved[f"first.{name}"], saved[f"second.{name}"]) for name in optimizer.moments}
    return Checkpoint(model, optimizer)


def _weights(model: Model) -> dict[str, torch.Tensor]:
    named = {f"dense.{name}": tensor.detach().clone() for name, tensor in model.dense.state_dict().items()}
    return named | {
        TABLE: model.table.weight.contiguous(),
        "scaling.mean": torch.from_numpy(model.scaling.mean.copy()),
        "scaling.scale": torch.from_numpy(model.scaling.scale.copy()),
        **{f"calibration.{name}": torch.from_numpy(array) for name, array in model.calibration.state().items()},
    }


def _assemble(told: Described, weights: dict[str, torch.Tensor]) -> Model:
    table = EmbeddingTable.empty(told.vocabulary.rows, told.settings.embedding_size)
    model = Model(told.spec, told.settings, told.seed, told.vocabulary, table)
    model.graded_labels = told.graded_labels
    _same_keys(
        {k: v.shape for k, v in _weights(model).items()}, {k: v.shape for k, v in weights.items()}, Path("model")
    )
    model.table.weight.copy_(weights[TABLE])
    model.scaling = Scaling(weights["scaling.mean"].numpy(), weights["scaling.scale"].numpy())
    model.calibration.load({name: weights[f"calibration.{name}"].numpy() for name in model.calibration.state()})
    model.dense.load_state_dict({name: weights[f"dense.{name}"] for name in model.dense.state_dict()})
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
