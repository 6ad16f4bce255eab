"""What can be learned from at a cutoff: matured impressions and eligible sets, read from the warehouse and encoded."""

import json
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from components.domain import Bools, Examples, Ints, Matured, Window
from components.feature_spec import FieldKind, FieldOf
from components.ingest.source import Source
from components.ranker.features import RECENT, Attributes, Encoder
from components.ranker.history import History, Likes, history_width
from warehouse import facts
from warehouse.connect import Warehouse


@dataclass(frozen=True)
class TrainingData:
    """Matured impressions in order of arrival: `frame` as in ``04_update/matured.sql``, and their examples.

    Where the source has the field `recent`, `frame` has it too: (width,) raw ids per row, None where there are none.
    """

    frame: pd.DataFrame
    examples: Examples

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def matured(self) -> Matured:
        """What a ranker learns from."""
        reward, grade = (self.frame[name].to_numpy(np.float32) for name in ("reward", "grade"))
        return Matured(self.examples, reward, grade if np.isfinite(grade).any() else None)

    @property
    def arrived(self) -> Examples:
        """The examples dated by the arrival of their outcome: what the memory learns from."""
        return Examples(self.examples.keys, self.examples.numeric, self.frame["matured_at"].to_numpy(np.int64))

    def take(self, mask: Bools) -> "TrainingData":
        """The rows where `mask` holds."""
        return TrainingData(self.frame[mask].reset_index(drop=True), self.examples.take(mask))


@dataclass(frozen=True)
class EligibleSets:
    """Eligible entries of r requests, CSR: `frame` of requests; per entry `item_id`, `examples`; `offsets` (r + 1,)."""

    frame: pd.DataFrame
    item_id: np.ndarray
    examples: Examples
    offsets: Ints


def among(ids: pd.Series, wanted: pd.Series | np.ndarray) -> Bools:
    """(n,) which of n texts are wanted; Arrow's look-up, because pandas' own goes through Python's texts one by one."""
    found = pc.is_in(pa.array(ids, pa.string()), pa.array(wanted, pa.string()))
    return np.asarray(found.to_numpy(zero_copy_only=False), bool)


def maturing(source: Source) -> facts.Maturing:
    """When the reward that a source is learned from is known."""
    return facts.Maturing(source.outcome.kind, source.attribution)


def read_encoder(w: Warehouse, source: Source) -> Encoder:
    """The encoder with all users and items known so far."""
    users, items = facts.users(w), facts.items(w)
    return Encoder(
        source.spec,
        Attributes.build(_attribute_frame(users, source, FieldOf.USER), "id", source.spec, FieldOf.USER),
        Attributes.build(_attribute_frame(items, source, FieldOf.ITEM), "id", source.spec, FieldOf.ITEM),
    )


def read_matured(w: Warehouse, source: Source, encoder: Encoder, window: Window) -> TrainingData:
    """Accepted impressions whose reward became known inside `window`, in order of arrival."""
    return _encoded(w, source, encoder, facts.matured(w, window, maturing(source)))


def read_replayed(w: Warehouse, source: Source, encoder: Encoder, draw: facts.Draw) -> TrainingData:
    """A sample of what matured before, likelier the newer; in order of the instant shown."""
    return _encoded(w, source, encoder, facts.replayed(w, draw, maturing(source)))


def read_history(w: Warehouse, source: Source, cutoff: int) -> History | None:
    """What every user liked last, as known at `cutoff`; None where the source has no field for it."""
    width = history_width(source.spec)
    if not width:
        return None
    frame = facts.likes(w, cutoff, width, maturing(source))
    user, item = frame["user_id"].to_numpy(object), frame["item_id"].to_numpy(object)
    return History(width, Likes(user, item, frame["at"].to_numpy(np.int64)))


def encode_eligible(requests: pd.DataFrame, encoder: Encoder) -> EligibleSets:
    """The eligible sets of requests that recorded one; a column `recent` is as in `TrainingData`."""
    lengths = requests["eligible"].map(len).to_numpy(np.int64)
    row = np.repeat(np.arange(len(requests)), lengths)
    item_id = (
        np.concatenate([np.asarray(e, object) for e in requests["eligible"]]) if len(requests) else np.empty(0, object)
    )
    context = context_arrays(requests["context"])
    if RECENT in requests and len(requests):
        context[RECENT] = np.stack(requests[RECENT].tolist())
    user, at = requests["user_id"].to_numpy(object), requests["at"].to_numpy(np.int64)
    examples = encoder.encode(user, item_id, at, context, row)
    return EligibleSets(requests, item_id, examples, np.append(0, np.cumsum(lengths)))


def context_arrays(texts: pd.Series) -> dict[str, np.ndarray]:
    """Context field -> (n,) raw values, from n JSON texts of which some or all may be missing."""
    if texts.isna().all():
        return {}
    rows = [json.loads(text) if isinstance(text, str) else {} for text in texts]
    names = sorted({name for row in rows for name in row})
    return {name: np.array([row.get(name) for row in rows] + [None], dtype=object)[:-1] for name in names}


def _encoded(w: Warehouse, source: Source, encoder: Encoder, frame: pd.DataFrame) -> TrainingData:
    context = context_arrays(frame["context"])
    if history_width(source.spec):
        context[RECENT] = _recent(w, source, frame, context.get(RECENT))
        frame[RECENT] = list(context[RECENT])
    user, item = frame["user_id"].to_numpy(object), frame["item_id"].to_numpy(object)
    return TrainingData(frame, encoder.encode(user, item, frame["at"].to_numpy(np.int64), context))


def _recent(w: Warehouse, source: Source, asked: pd.DataFrame, logged: np.ndarray | None) -> np.ndarray:
    """(n, width) raw ids of what the users of n rows liked last, newest first.

    A request that logged what the service knew of its user says it best; otherwise it is
    what had matured before the instant of the row.
    """
    width = history_width(source.spec)
    recent = np.full((len(asked), width), None, object)
    silent = np.ones(len(asked), bool)
    for row, items in enumerate([] if logged is None else logged):
        if items is not None:
            silent[row] = False
            recent[row, : len(items[:width])] = items[:width]
    questions = np.flatnonzero(silent)
    rows = asked.iloc[questions]
    table = pa.table({"number": questions, "user_id": pa.array(rows["user_id"], pa.string()), "at": rows["at"]})
    found = facts.recent(w, table, width, maturing(source))
    recent[found["question"].to_numpy(np.int64), found["age"].to_numpy(np.int64)] = found["item_id"].to_numpy(object)
    return recent


def _attribute_frame(entities: pd.DataFrame, source: Source, of: FieldOf) -> pd.DataFrame:
    rows = [json.loads(text) for text in entities["attributes"]]
    columns: dict[str, object] = {"id": entities["id"].astype(object)}
    for field in source.spec.fields:
        if field.of is of and not (field.kind is FieldKind.ID and field.name == of.value):
            columns[field.name] = pd.Series([row.get(field.name) for row in rows], dtype=object)
    return pd.DataFrame(columns)
