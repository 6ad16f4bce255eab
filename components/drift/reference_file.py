"""A reference as one file of arrays: its counts, the rows drawn of it, and in the metadata the rest, and a digest.

What is damaged, or of another layout, reads as if it had never been kept: it can be counted again.
"""

from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import ConfigDict
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from components.array_digest import array_digest
from components.domain import Doubles, Examples, Keys, Window
from components.drift.reference import Counts, Values
from components.frozen import Frozen
from components.whole_file import write_whole

HEAD, DIGEST = "reference", "digest"


@dataclass(frozen=True, eq=False)
class DrawnRows:
    """k rows of a reference as a model reads them; `score` (k,) are logits as logged when they were shown, or nan."""

    examples: Examples
    score: Doubles

    def __len__(self) -> int:
        return len(self.score)


@dataclass(frozen=True, eq=False)
class Kept:
    """A reference, and what it is of.

    Attributes
    ----------
    drawn : at most `size` rows. decisions : how many had been made about windows that nobody learns from.
    """

    counts: Counts
    drawn: DrawnRows
    size: int
    window: Window
    decisions: int


class _Head(Frozen):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    start: int
    cutoff: int
    decisions: int
    size: int
    rows: int
    matured: int
    reward: float
    busiest: float
    repeated: float
    missing: dict[str, float]
    ids: tuple[str, ...]
    amount: float
    parts: dict[str, int]


def write_reference(path: Path, kept: Kept) -> None:
    """Write it whole; its keyed fields are keys.

    Raises
    ------
    TypeError
        If a field has raw values.
    """
    values = kept.counts.fields
    if raw := [name for name, found in values.items() if found.value.dtype != np.uint64]:
        raise TypeError(f"fields {raw} have raw values; a reference is kept of keys")
    examples = kept.drawn.examples
    arrays: dict[str, npt.NDArray] = {
        "keys": examples.keys,
        "numeric": examples.numeric,
        "at": examples.at,
        "score": kept.drawn.score,
    }
    for name, found in values.items():
        arrays |= {f"value {name}": found.value, f"count {name}": found.count}
    arrays = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    head = _head(kept)
    told = {HEAD: head.model_dump_json(), DIGEST: array_digest(head.model_dump(), arrays)}
    write_whole(path, lambda part: save_file(arrays, part, told))


def read_reference(path: Path) -> Kept | None:
    """What was kept; None where nothing is, or not what was written."""
    try:
        with safe_open(path, "numpy") as file:
            told = file.metadata() or {}
            arrays: dict[str, npt.NDArray] = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        head = _Head.model_validate_json(told[HEAD])
        if told[DIGEST] != array_digest(head.model_dump(), arrays):
            return None
        counts = _counts(head, arrays)
        drawn = DrawnRows(Examples(arrays["keys"], arrays["numeric"], arrays["at"]), arrays["score"])
    except (OSError, KeyError, ValueError, SafetensorError):
        return None
    return Kept(counts, drawn, head.size, Window(head.start, head.cutoff), head.decisions)


def forget_in_references(folder: Path, keys: Keys) -> None:
    """Take the keys of some users out of every reference that is kept; what cannot be read as one goes."""
    for path in folder.glob("*"):
        kept = read_reference(path)
        if kept is None:
            path.unlink()
        else:
            write_reference(path, _without(kept, keys))


def _without(kept: Kept, keys: Keys) -> Kept:
    """The same as if they had never been met; how busy the busiest was names nobody."""
    values = {name: found.without(keys) for name, found in kept.counts.fields.items()}
    stay = np.flatnonzero(~np.isin(kept.drawn.examples.keys, keys).any(axis=1))
    drawn = DrawnRows(kept.drawn.examples.take(stay), kept.drawn.score[stay])
    return replace(kept, counts=replace(kept.counts, fields=values), drawn=drawn)


def _head(kept: Kept) -> _Head:
    told = {f.name: getattr(kept.counts, f.name) for f in fields(Counts) if f.name != "fields"}
    return _Head(
        start=kept.window.start,
        cutoff=kept.window.cutoff,
        decisions=kept.decisions,
        size=kept.size,
        parts={name: found.parts for name, found in kept.counts.fields.items()},
        **told,
    )


def _counts(head: _Head, arrays: dict[str, npt.NDArray]) -> Counts:
    values = {
        name: Values(arrays[f"value {name}"], arrays[f"count {name}"], parts) for name, parts in head.parts.items()
    }
    told = {f.name: getattr(head, f.name) for f in fields(Counts) if f.name != "fields"}
    return Counts(fields=values, **told)
