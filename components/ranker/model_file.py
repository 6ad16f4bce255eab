"""A model on disk, read without torch: what it is made of, and what predicts with it.

<folder>/model.json            what the model is: feature spec, settings, seed, scores of outcomes
<folder>/model.safetensors     table, network, scaling, calibration
<folder>/vocabulary.parquet    row -> key, vocabulary, count, first, last
<folder>/candidates.parquet    ids that wait for admission
"""

import json
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from safetensors import SafetensorError
from safetensors.numpy import load_file

from components.compiled import plain
from components.domain import ContractBroken
from components.feature_spec import FeatureSpec, Field, FieldKind, FieldOf
from components.ranker.forward import Forward, fresh_calibration
from components.ranker.graded_labels import GradedLabels
from components.ranker.hashing import AnyVocabulary, empty_vocabulary
from components.ranker.scaling import Scaling
from components.ranker.settings import RankerSettings
from components.ranker.vocabulary import Seen, Vocabulary

TABLE = "table"
UNREADABLE = (OSError, ValueError, KeyError, TypeError, IndexError, SafetensorError, pa.ArrowException)
"""What a file that is missing, damaged or of another kind raises."""


@dataclass(frozen=True, slots=True)
class Described:
    """A model but for its weights."""

    spec: FeatureSpec
    settings: RankerSettings
    seed: int
    graded_labels: GradedLabels
    vocabulary: AnyVocabulary


def describe(folder: Path) -> Described:
    """What the model in `folder` is made of; raises one of `UNREADABLE`."""
    about = json.loads((folder / "model.json").read_text())
    by_row, candidates = (_read_seen(folder / f"{name}.parquet") for name in ("vocabulary", "candidates"))
    spec = FeatureSpec(tuple(_field(item) for item in about["spec"]))
    settings = RankerSettings.model_validate(about["settings"])
    vocabulary = empty_vocabulary(spec, settings)
    if isinstance(vocabulary, Vocabulary):
        vocabulary = Vocabulary.restore(len(spec.vocabularies), by_row, candidates)
    return Described(spec, settings, about["seed"], GradedLabels.of(about["graded_labels"]), vocabulary)


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
        if len(arrays[TABLE]) != told.vocabulary.rows:
            raise ValueError(f"a table of {len(arrays[TABLE])} rows for a vocabulary of {told.vocabulary.rows}")
        made = Forward(
            spec=told.spec,
            vocabulary=told.vocabulary,
            size=told.settings.embedding_size,
            table=plain(arrays[TABLE]),
            dense=dense,
            scaling=Scaling(arrays["scaling.mean"], arrays["scaling.scale"]),
            calibration=calibration,
        )
        made.prepare()
    except UNREADABLE as error:
        raise unreadable(folder, error) from None
    return made


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
