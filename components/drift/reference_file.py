"""A reference's figures as one Parquet file: field, value, count; the rest in its metadata, with a digest of all.

What is damaged, or of another layout, reads as if it had never been kept: its figures can be counted again.
"""

import hashlib
from dataclasses import dataclass, fields, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ConfigDict

from components.domain import Keys, Window
from components.drift.reference import Reference, Values
from components.frozen import Frozen
from components.whole_file import write_whole

HEAD, DIGEST = b"reference", b"digest"


@dataclass(frozen=True, slots=True)
class Kept:
    """A reference, and what it is of: a window, after so many `decisions` about windows that nobody learns from."""

    reference: Reference
    window: Window
    decisions: int


class _Head(Frozen):
    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="constants")

    start: int
    cutoff: int
    decisions: int
    rows: int
    matured: int
    reward: float
    score_spread: float
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
    values = kept.reference.fields
    if raw := [name for name, found in values.items() if found.value.dtype != np.uint64]:
        raise TypeError(f"fields {raw} have raw values; a reference is kept of keys")
    names = np.repeat(list(values), [len(found.value) for found in values.values()])
    columns = [np.concatenate([getattr(v, name) for v in values.values()]) for name in ("value", "count")]
    table = pa.table(
        {"field": pa.array(names, pa.string()).dictionary_encode(), "value": columns[0], "count": columns[1]}
    )
    head = _head(kept).model_dump_json().encode()
    table = table.replace_schema_metadata({HEAD: head, DIGEST: _digest(head, table)})
    write_whole(path, lambda part: pq.write_table(table, part, compression="zstd"))


def read_reference(path: Path) -> Kept | None:
    """What was kept; None where nothing is, or not what was written."""
    try:
        table = pq.read_table(path)
        told = table.schema.metadata or {}
        if told.get(DIGEST) != _digest(told[HEAD], table):
            return None
        head = _Head.model_validate_json(told[HEAD])
    except (pa.ArrowException, OSError, KeyError, ValueError):
        return None
    return Kept(_reference(head, table), Window(head.start, head.cutoff), head.decisions)


def forget_in_references(folder: Path, keys: Keys) -> None:
    """Take the keys of some users out of every reference that is kept; one that cannot be read goes."""
    for path in folder.glob("*.parquet"):
        kept = read_reference(path)
        if kept is None:
            path.unlink()
        else:
            write_reference(path, _without(kept, keys))


def _without(kept: Kept, keys: Keys) -> Kept:
    """The same as if they had never been met; how busy the busiest was names nobody."""
    values = {name: found.without(keys) for name, found in kept.reference.fields.items()}
    return replace(kept, reference=replace(kept.reference, fields=values))


def _head(kept: Kept) -> _Head:
    told = {f.name: getattr(kept.reference, f.name) for f in fields(Reference) if f.name != "fields"}
    return _Head(
        start=kept.window.start,
        cutoff=kept.window.cutoff,
        decisions=kept.decisions,
        parts={name: found.parts for name, found in kept.reference.fields.items()},
        **told,
    )


def _reference(head: _Head, table: pa.Table) -> Reference:
    field = np.asarray(table["field"].cast(pa.string()).to_numpy(), object)
    value, count = (table[name].to_numpy() for name in ("value", "count"))
    values = {name: Values(value[field == name], count[field == name], parts) for name, parts in head.parts.items()}
    told = {f.name: getattr(head, f.name) for f in fields(Reference) if f.name != "fields"}
    return Reference(fields=values, **told)


def _digest(head: bytes, table: pa.Table) -> bytes:
    """SHA-256 over the head and all columns, hexadecimal."""
    digest = hashlib.sha256(head)
    field = table["field"].combine_chunks()
    digest.update("|".join(field.dictionary.to_pylist()).encode())
    for column in (field.indices, table["value"], table["count"]):
        digest.update(np.ascontiguousarray(column.to_numpy()).tobytes())
    return digest.hexdigest().encode()
