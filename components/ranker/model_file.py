"""A model on disk, read without torch: what it is made of, and what predicts with it.

<folder>/model.json            what the model is: feature spec, settings, seed, scores of outcomes, layers
<folder>/model.safetensors     network, scaling, calibration
<folder>/candidates.parquet    ids that wait for admission
<folder>/...npy                table and vocabulary, see `components.ranker.layer_files`

Until 0.3 there were no layers: model.safetensors held the table, vocabulary.parquet the vocabulary. Both are read.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError
from safetensors.numpy import load_file

from components.compiled import plain
from components.domain import ContractBroken, Floats
from components.feature_spec import FeatureSpec, Field, FieldKind, FieldOf
from components.parts import Part
from components.ranker.forward import Forward, fresh_calibration
from components.ranker.graded_labels import GradedLabels
from components.ranker.hashing import AnyVocabulary, empty_vocabulary
from components.ranker.layer_files import Layers, Told, read_layers
from components.ranker.layered import Layered
from components.ranker.scaling import Scaling
from components.ranker.settings import RankerSettings
from components.ranker.vocabulary import Seen, Vocabulary

TABLE = "table"
UNREADABLE = (OSError, EOFError, ValueError, KeyError, TypeError, IndexError, SafetensorError, pa.ArrowException)
"""What a file that is missing, damaged or of another kind raises."""


@dataclass(frozen=True, slots=True)
class Described:
    """A model but for its dense part; `layers` is None where the table is still in model.safetensors."""

    spec: FeatureSpec
    settings: RankerSettings
    seed: int
    graded_labels: GradedLabels
    vocabulary: AnyVocabulary
    layers: Layers | None

    def table(self, arrays: Mapping[str, Floats]) -> Layered[np.float32]:
        """(rows, D + 1 or more); `arrays` are those of model.safetensors. Raises ValueError if they do not fit."""
        table = Layered.whole(plain(arrays[TABLE])) if self.layers is None else self.layers.table
        width = self.settings.embedding_size + (1 if self.layers is None else 2)
        if table.rows != self.vocabulary.rows or table.own.shape[1] != width:
            raise ValueError(
                f"a table of {table.rows} rows of {table.own.shape[1]} for a vocabulary of {self.vocabulary.rows} and "
                f"rows of {width}"
            )
        return table


def describe(folder: Path, parts: Mapping[str, Part] | None = None) -> Described:
    """What the model in `folder` is made of; raises one of `UNREADABLE`.

    Parameters
    ----------
    parts : digests of its files, by name, where they were checked.
    """
    about = json.loads((folder / "model.json").read_text())
    spec = FeatureSpec(tuple(_field(item) for item in about["spec"]))
    settings = RankerSettings.model_validate(about["settings"])
    candidates = _read_seen(folder / "candidates.parquet")
    told = about.get("layers")
    layers = None if told is None else read_layers(folder, Told.model_validate(told), parts or {})
    vocabulary = empty_vocabulary(spec, settings)
    if isinstance(vocabulary, Vocabulary):
        count = len(spec.vocabularies)
        if layers is None:
            vocabulary = Vocabulary.restore(count, _read_seen(folder / "vocabulary.parquet"), candidates)
        else:
            if layers.vocabulary is None:
                raise ValueError("a table of ids without their vocabulary")
            vocabulary = Vocabulary.on_base(count, layers.vocabulary, layers.slots, candidates)
    return Described(spec, settings, about["seed"], GradedLabels.of(about["graded_labels"]), vocabulary, layers)


def load_forward(folder: Path) -> Forward:
    """What predicts with the model in `folder`.

    Raises
    ------
    ContractBroken
        If a file is missing or broken, or the parts do not fit each other; one line.
    """
    try:
        told, arrays = describe(folder), load_file(folder / "model.safetensors")
        calibration = fresh_calibration()
        calibration.load({name: arrays[f"calibration.{name}"].copy() for name in calibration.state()})
        dense = {name[len("dense.") :]: plain(array) for name, array in arrays.items() if name.startswith("dense.")}
        made = Forward(
            spec=told.spec,
            vocabulary=told.vocabulary,
            size=told.settings.embedding_size,
            table=told.table(arrays),
            dense=dense,
            scaling=Scaling(arrays["scaling.mean"], arrays["scaling.scale"]),
            calibration=calibration,
            sums=None if told.layers is None else told.layers.base.sums,
        )
        made.prepare()
    except UNREADABLE as error:
        raise unreadable(folder, error) from None
    return made


def digest_before_layers(forward: Forward) -> str:
    """What a memory of a model that was written without layers knows it by: SHA-256 of all its weights."""
    sha = hashlib.sha256(np.ascontiguousarray(forward.table.own[:, : forward.size + 1]).tobytes())
    for _, array in sorted((dict(forward.dense) | dict(forward.calibration.state())).items()):
        sha.update(array.tobytes())
    return sha.hexdigest()


def unreadable(folder: Path, error: BaseException) -> ContractBroken:
    """One line about a model that cannot be read."""
    return ContractBroken(f"no readable model in {folder}: {f'{type(error).__name__}: {error}'.splitlines()[0]}")


def _field(item: dict[str, str]) -> Field:
    kind, of = FieldKind(item["kind"]), FieldOf(item["of"])
    return Field(item["name"], kind, of, int(item["width"]), item["shares"])


def _read_seen(path: Path) -> Seen:
    table = pq.read_table(path)
    keys, *rest = (table.column(f.name).to_numpy() for f in fields(Seen))
    return Seen(keys.astype(np.uint64), *(array.astype(np.int64) for array in rest))
