"""What can be learned from at a cutoff: matured impressions, read from the warehouse in batches and encoded."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import count, islice

import numpy as np
import pandas as pd
import pyarrow as pa

from components.coded import NOTHING, Coded, Codes
from components.domain import Bools, Doubles, Examples, Floats, Ints, Matured, Window
from components.feature_spec import FieldKind, FieldOf
from components.ingest.source import Source
from components.ranker.features import RECENT, Attributes, Encoder
from components.ranker.history import History, Likes, history_width
from flows.stages.window_columns import WindowColumns, gather
from warehouse import facts
from warehouse.connect import Warehouse

STRETCH = 1 << 20
"""Rows that are read at a time by who needs no whole window: what is asked once for each stretch costs seconds."""


@dataclass(frozen=True, eq=False)
class TrainingData:
    """n matured impressions in order of arrival, by column, and their examples; the one text per row is the request's.

    Attributes
    ----------
    request_id : (n,) texts, in chunks. user, item : (n,) raw ids.
    position : (n,) int32; generation : (n,) int32, `components.coded.NOTHING` where the log has none.
    propensity, logit, score : (n,) float64, as logged, nan where the log has none.
    reward : (n,) float32 in [0, 1]; grade : (n,) float32, nan where it is unknown.
    matured_at : (n,) int64, microseconds.
    examples : (n,) dated by the instant shown.
    recent : (n, width) raw ids of what the user liked last, newest first; None where the source has no such field.
    """

    request_id: pa.ChunkedArray
    user: Coded
    item: Coded
    position: Codes
    generation: Codes
    propensity: Doubles
    logit: Doubles
    score: Doubles
    reward: Floats
    grade: Floats
    matured_at: Ints
    examples: Examples
    recent: Coded | None = None

    def __len__(self) -> int:
        return len(self.reward)

    @property
    def nbytes(self) -> int:
        """Bytes of everything that is there per row; what is there per distinct id is not counted."""
        columns = [getattr(self, f.name) for f in fields(self) if f.name != "examples"]
        examples = (self.examples.keys, self.examples.numeric, self.examples.at)
        return sum(column.nbytes for column in (*columns, *examples) if column is not None)

    @property
    def matured(self) -> Matured:
        """What a ranker learns from; no copy. Without grades where no row has one."""
        return Matured(self.examples, self.reward, self.grade if np.isfinite(self.grade).any() else None)

    @property
    def arrived(self) -> Matured:
        """The same dated by the arrival of the outcome: what a memory learns from."""
        by_arrival = Examples(self.examples.keys, self.examples.numeric, self.matured_at)
        return replace(self.matured, examples=by_arrival)

    def take(self, rows: Bools | Ints) -> "TrainingData":
        """A copy of some rows, by mask or ascending index."""
        index = np.flatnonzero(rows) if rows.dtype == bool else rows
        return TrainingData(
            request_id=self.request_id.take(pa.array(index)),
            user=self.user.take(index),
            item=self.item.take(index),
            position=self.position[index],
            generation=self.generation[index],
            propensity=self.propensity[index],
            logit=self.logit[index],
            score=self.score[index],
            reward=self.reward[index],
            grade=self.grade[index],
            matured_at=self.matured_at[index],
            examples=self.examples.take(index),
            recent=None if self.recent is None else self.recent.take(index),
        )


@dataclass(frozen=True, eq=False)
class Arrivals:
    """What matured inside a window, and what decides when it may be learned: (n,) microseconds each.

    `settled_at` is when the whole slate of a row had matured.
    """

    rows: TrainingData
    requested_at: Ints
    settled_at: Ints


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
    return read_arrivals(w, source, encoder, window).rows


def read_arrivals(w: Warehouse, source: Source, encoder: Encoder, window: Window) -> Arrivals:
    """The same with the instants of their requests."""
    columns = gather(facts.matured(w, window, maturing(source)))
    return Arrivals(_encoded(w, source, encoder, columns), columns.requested_at, columns.settled_at)


def read_stretches(w: Warehouse, source: Source, encoder: Encoder, window: Window) -> Iterator[TrainingData]:
    """As `read_matured`, `STRETCH` rows at a time, for who needs little of each; one that is empty of no rows."""
    batches = facts.matured(w, window, maturing(source))
    for at in count():
        stretch = list(islice(batches, STRETCH // facts.ROWS_AT_ONCE))
        if stretch or not at:
            yield _encoded(w, source, encoder, gather(stretch))
        if not stretch:
            return


def read_replayed(w: Warehouse, source: Source, encoder: Encoder, draw: facts.Draw) -> TrainingData:
    """A sample of what matured before, likelier the newer; in order of the instant shown."""
    return _encoded(w, source, encoder, gather(facts.replayed(w, draw, maturing(source)).to_batches()))


def read_history(w: Warehouse, source: Source, cutoff: int) -> History | None:
    """What every user liked last, as known at `cutoff`; None where the source has no field for it."""
    width = history_width(source.spec)
    if not width:
        return None
    frame = facts.likes(w, cutoff, width, maturing(source))
    user, item = frame["user_id"].to_numpy(object), frame["item_id"].to_numpy(object)
    return History(width, Likes(user, item, frame["at"].to_numpy(np.int64)))


def context_arrays(texts: pd.Series) -> dict[str, np.ndarray]:
    """Context field -> (n,) raw values, from n JSON texts of which some or all may be missing."""
    if texts.isna().all():
        return {}
    rows = [json.loads(text) if isinstance(text, str) else {} for text in texts]
    names = sorted({name for row in rows for name in row})
    return {name: np.array([row.get(name) for row in rows] + [None], dtype=object)[:-1] for name in names}


def context_of(texts: Coded) -> dict[str, Coded]:
    """Context field -> (n,) raw values, from n JSON texts: each distinct one is read once."""
    told = context_arrays(pd.Series(texts.distinct, dtype=object))
    return {name: Coded(texts.codes, values) for name, values in told.items()}


def _encoded(w: Warehouse, source: Source, encoder: Encoder, columns: WindowColumns) -> TrainingData:
    context: Mapping[str, Coded] = context_of(columns.context)
    recent = _recent(w, source, columns, context.get(RECENT)) if history_width(source.spec) else None
    if recent is not None:
        context = {**context, RECENT: recent}
    return TrainingData(
        request_id=columns.request_id,
        user=columns.user,
        item=columns.item,
        position=columns.position,
        generation=columns.generation,
        propensity=columns.propensity,
        logit=columns.logit,
        score=columns.score,
        reward=columns.reward,
        grade=columns.grade,
        matured_at=columns.matured_at,
        examples=encoder.encode(columns.user, columns.item, columns.at, context),
        recent=recent,
    )


def _recent(w: Warehouse, source: Source, asked: WindowColumns, logged: Coded | None) -> Coded:
    """(n, width) raw ids of what the users of n rows liked last, newest first.

    A request that logged what the service knew of its user says it best; otherwise it is
    what had matured before the instant of the row.
    """
    width = history_width(source.spec)
    told = _lists(logged, width) if logged is not None else Coded(np.empty((0, width), np.int32), np.empty(0, object))
    spoke = np.zeros(len(asked.user), bool)
    codes = np.full((len(asked.user), width), NOTHING)
    if logged is not None:
        spoke = np.append([one is not None for one in logged.distinct], False)[logged.codes]
        codes[spoke] = told.codes[logged.codes[spoke]]
    questions = np.flatnonzero(~spoke)
    users = pa.array(asked.user.distinct, pa.string()).take(pa.array(asked.user.codes[questions]))
    table = pa.table({"number": questions, "user_id": users, "at": asked.at[questions]})
    found = facts.recent(w, table, width, maturing(source))
    item = Coded.of_arrow(found["item_id"])
    codes[found["question"].to_numpy(), found["age"].to_numpy()] = item.codes + np.int32(len(told.distinct))
    return Coded(codes, np.concatenate([told.distinct, item.distinct]))


def _lists(logged: Coded, width: int) -> Coded:
    """(d, width) raw ids of the d lists that a context has, the first `width` of each."""
    lists = np.full((len(logged.distinct), width), None, object)
    for row, items in enumerate(logged.distinct):
        kept = [] if items is None else items[:width]
        lists[row, : len(kept)] = kept
    return Coded.of(lists)


def _attribute_frame(entities: pd.DataFrame, source: Source, of: FieldOf) -> pd.DataFrame:
    rows = [json.loads(text) for text in entities["attributes"]]
    columns: dict[str, object] = {"id": entities["id"].astype(object)}
    for field in source.spec.fields:
        if field.of is of and not (field.kind is FieldKind.ID and field.name == of.value):
            columns[field.name] = pd.Series([row.get(field.name) for row in rows], dtype=object)
    return pd.DataFrame(columns)
