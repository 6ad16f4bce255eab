"""Models and checkpoints as 0.3 wrote them: the table in model.safetensors, the vocabulary in one Parquet file."""

import hashlib
import json
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import save_file

from components.ranker.model import Model
from components.ranker.vocabulary import Seen
from components.update.checkpoint import Checkpoint


def write_model(model: Model, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    about = {
        "spec": [asdict(field) for field in model.spec.fields],
        "settings": model.settings.model_dump(mode="json"),
        "seed": model.seed,
        "graded_labels": model.graded_labels.lists(),
    }
    (folder / "model.json").write_text(json.dumps(about, indent=1))
    weights = {f"dense.{name}": tensor.detach().clone() for name, tensor in model.dense.state_dict().items()} | {
        "table": torch.from_numpy(whole(model)[:, :-1].copy()),
        "scaling.mean": torch.from_numpy(model.scaling.mean.copy()),
        "scaling.scale": torch.from_numpy(model.scaling.scale.copy()),
        **{f"calibration.{name}": torch.from_numpy(array) for name, array in model.calibration.state().items()},
    }
    save_file(weights, folder / "model.safetensors")
    for name, seen in (("vocabulary", model.vocabulary.by_row), ("candidates", model.vocabulary.candidates)):
        pq.write_table(pa.table({f.name: getattr(seen, f.name) for f in fields(Seen)}), folder / f"{name}.parquet")


def write_checkpoint(checkpoint: Checkpoint, folder: Path) -> None:
    write_model(checkpoint.model, folder)
    tensors = {
        "table": torch.from_numpy(whole(checkpoint.model)[:, -1].copy()),
        "steps": torch.tensor(checkpoint.optimizer.steps),
    }
    for name, (first, second) in checkpoint.optimizer.moments.items():
        tensors[f"first.{name}"], tensors[f"second.{name}"] = first, second
    save_file(tensors, folder / "optimizer.safetensors")


def digest(model: Model) -> str:
    """What a memory of 0.3 names its model by."""
    forward = model.forward()
    sha = hashlib.sha256(np.ascontiguousarray(whole(model)[:, :-1]).tobytes())
    for _, array in sorted((dict(forward.dense) | dict(forward.calibration.state())).items()):
        sha.update(array.tobytes())
    return sha.hexdigest()


def whole(model: Model) -> np.ndarray:
    """(rows, D + 2)."""
    return np.asarray(model.table.layers.take(np.arange(model.table.rows)))
