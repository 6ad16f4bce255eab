"""What is known at a cutoff: matured impressions and eligible sets, read from the warehouse and encoded."""

import json
from dataclasses import dataclass

import duckdb
import numpy as np
import pandas as pd

from components.domain import Bools, Examples, FieldKind, FieldOf, Ints, Matured
from components.ingest.source import Source
from components.ranker.features import Attributes, Encoder
from warehouse import query


@dataclass(frozen=True)
class Known:
    """Matured impressions in order of arrival: `frame` as in ``04_update/matured.sql``, and their examples."""

    frame: pd.DataFrame
    examples: Examples

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def matured(self) -> Matured:
        """What a ranker learns from."""
        return Matured(self.examples, self.frame["reward"].to_numpy(np.float32))

    @property
    def arrived(self) -> Examples:
        """The examples dated by the arrival of their outcome: what the memory learns from."""
        return Examples(self.examples.keys, self.examples.numeric, self.frame["matured_at"].to_numpy(np.int64))

    def take(self, mask: Bools) -> "Known":
        """The rows where `mask` holds."""
        return Known(self.frame[mask].reset_index(drop=True), self.examples.take(mask))


@dataclass(frozen=True)
class EligibleSets:
    """Eligible entries of r requests, CSR: `frame` of requests; per entry `item_id`, `examples`; `offsets` (r + 1,)."""

    frame: pd.DataFrame
    item_id: np.ndarray
    examples: Examples
    offsets: Ints


def read_encoder(connection: duckdb.DuckDBPyConnection, source: Source) -> Encoder:
    """The encoder with all users and items known so far."""
    users = query.frame(connection, "04_update/users", source=source.name)
    items = query.frame(connection, "04_update/items", source=source.name)
    return Encoder(
        source.spec,
        Attributes.build(_attribute_frame(users, source, FieldOf.USER), "id", source.spec, FieldOf.USER),
        Attributes.build(_attribute_frame(items, source, FieldOf.ITEM), "id", source.spec, FieldOf.ITEM),
    )


def read_matured(
    connection: duckdb.DuckDBPyConnection, source: Source, encoder: Encoder, start: int, cutoff: int
) -> Known:
    """Accepted impressions whose reward became known in ``[start, cutoff)``."""
    frame = query.frame(
        connection,
        "04_update/matured",
        source=source.name,
        start=start,
        cutoff=cutoff,
        attribution=source.attribution,
    )
    examples = encoder.encode(
        frame["user_id"].to_numpy(object),
        frame["item_id"].to_numpy(object),
        frame["at"].to_numpy(np.int64),
        context_arrays(frame["context"]),
    )
    return Known(frame, examples)


def encode_eligible(requests: pd.DataFrame, encoder: Encoder) -> EligibleSets:
    """The eligible sets of requests that recorded one."""
    lengths = requests["eligible"].map(len).to_numpy(np.int64)
    row = np.repeat(np.arange(len(requests)), lengths)
    item_id = (
        np.concatenate([np.asarray(e, object) for e in requests["eligible"]]) if len(requests) else np.empty(0, object)
    )
    context = {name: values[row] for name, values in context_arrays(requests["context"]).items()}
    examples = encoder.encode(
        requests["user_id"].to_numpy(object)[row], item_id, requests["at"].to_numpy(np.int64)[row], context
    )
    return EligibleSets(requests, item_id, examples, np.append(0, np.cumsum(lengths)))


def context_arrays(texts: pd.Series) -> dict[str, np.ndarray]:
    """Context field -> (n,) raw values, from n JSON texts of which some or all may be missing."""
    if texts.isna().all():
        return {}
    rows = [json.loads(text) if isinstance(text, str) else {} for text in texts]
    names = sorted({name for row in rows for name in row})
    return {name: np.array([row.get(name) for row in rows] + [None], dtype=object)[:-1] for name in names}


def _attribute_frame(entities: pd.DataFrame, source: Source, of: FieldOf) -> pd.DataFrame:
    rows = [json.loads(text) for text in entities["attributes"]]
    columns: dict[str, object] = {"id": entities["id"].astype(object)}
    for field in source.spec.fields:
        if field.of is of and not (field.kind is FieldKind.ID and field.name == of.value):
            columns[field.name] = pd.Series([row.get(field.name) for row in rows], dtype=object)
    return pd.DataFrame(columns)
