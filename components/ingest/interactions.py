"""A log as its source describes it -> requests, impressions, outcomes, users, items.

The same canonical tables come out of every log: rating files, impression logs with or without propensities, Parquet or
CSV. This is the careful way: a frame of the whole log, of which every bad cell can be named. A sound log is read by the
warehouse's own engine, to the same rows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from components.domain import ContractBroken, Doubles, Ints
from components.feature_spec import FieldKind, FieldOf
from components.ingest.cells import (
    Cells,
    amounts_of,
    ids_of,
    instants_of,
    items_of,
    lists_of,
    missing_in,
    numbers_of,
    texts_of,
    wholes_of,
)
from components.ingest.reward_rule import RewardRule
from components.ingest.set_aside import sound_rows
from components.ingest.source import FieldColumn, Source
from components.ranker.features import CLOCK_FIELDS, RECENT


@dataclass(frozen=True, slots=True)
class LogTables:
    """Canonical frames of one log, in the columns of `components.schema`; instants as int64 microseconds.

    `set_aside` rows of the log could not become any of them; `faults` says which and why. `entities` are the users and
    items that a service was told of.
    """

    requests: pd.DataFrame
    impressions: pd.DataFrame
    outcomes: pd.DataFrame
    set_aside: int = 0
    faults: tuple[str, ...] = ()
    entities: Mapping[str, pd.DataFrame] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.impressions)


def canonical(frame: pd.DataFrame, source: Source, origin: str) -> LogTables:
    """The canonical tables of a log; `origin` names it in messages.

    Raises
    ------
    ContractBroken
        If a described column is missing or holds something else; one line.
    """
    _require(frame, source, origin)
    sound = sound_rows(frame.reset_index(drop=True), source, origin)
    frame = sound.frame.reset_index(drop=True)
    ids = _identified(frame, source, origin)
    kinds = [source, *(source.model_copy(update={"outcome": other}) for other in source.measured)]
    outcomes = pd.concat([_outcomes(frame, of_kind, ids, origin) for of_kind in kinds], ignore_index=True)
    return LogTables(
        _requests(frame, source, ids), _impressions(frame, source, ids), outcomes, sound.set_aside, sound.faults
    )


@dataclass(frozen=True, slots=True)
class _Identified:
    """Who was shown what, when, and what the row is called: n rows of sound cells."""

    user_id: pd.Series
    item_id: pd.Series
    at: Ints
    impression_id: pd.Series
    request_id: pd.Series


def _identified(frame: pd.DataFrame, source: Source, origin: str) -> _Identified:
    columns = source.columns
    user_id, item_id = ids_of(frame[columns.user_id]), ids_of(frame[columns.item_id])
    at = instants(frame[source.time.column], source.time.unit, origin)
    if columns.impression_id:
        impression_id = ids_of(frame[columns.impression_id])
    else:
        impression_id = _part(user_id) + "|" + _part(item_id) + "|" + pd.Series(at).astype(str)
    request_id = ids_of(frame[columns.request_id]) if columns.request_id else impression_id
    return _Identified(user_id, item_id, at, impression_id, request_id)


def _part(ids: pd.Series) -> pd.Series:
    """Ids as parts of one that is joined by ``|``: escaped, so that (a|b, c) and (a, b|c) stay two."""
    return ids.map(lambda i: i.replace("\\", "\\\\").replace("|", "\\|") if "|" in i or "\\" in i else i)


def _requests(frame: pd.DataFrame, source: Source, ids: _Identified) -> pd.DataFrame:
    columns = source.columns
    table = {
        "request_id": ids.request_id,
        "user_id": ids.user_id,
        "at": ids.at,
        "generation": _generation(frame, columns.generation),
        "context": _context(frame, source),
        "eligible": lists_of(frame[columns.eligible]).typed if columns.eligible else None,
    }
    return pd.DataFrame(table).drop_duplicates("request_id")


def _impressions(frame: pd.DataFrame, source: Source, ids: _Identified) -> pd.DataFrame:
    columns = source.columns
    return pd.DataFrame(
        {
            "impression_id": ids.impression_id,
            "request_id": ids.request_id,
            "item_id": ids.item_id,
            "position": wholes_of(frame[columns.position]).typed.astype(np.int32) if columns.position else np.int32(0),
            "propensity": numbers_of(frame[columns.propensity]).typed if columns.propensity else np.nan,
            "score": np.nan,
            "logit": np.nan,
            "generation": _generation(frame, columns.generation),
            "logging_policy": "log",
            "at": ids.at,
        }
    )


def attributes(frame: pd.DataFrame, source: Source, of: FieldOf, id_column: str) -> pd.DataFrame:
    """Entity attributes as one row per id: entity_id, attributes (JSON text of field -> value)."""
    fields = [f for f in source.fields if f.of is of and f.name != of.value and (f.column or f.name) in frame]
    if not fields:
        return pd.DataFrame({"entity_id": [], "attributes": []}, dtype="str")
    unique = frame[~missing_in(frame[id_column])].drop_duplicates(id_column, keep="last")
    values = pd.DataFrame({f.name: field_values(unique, f) for f in fields})
    return pd.DataFrame({"entity_id": ids_of(unique[id_column]).to_numpy(), "attributes": json_rows(values)})


def field_values(frame: pd.DataFrame, field: FieldColumn) -> pd.Series:
    """The raw values of a field: text, list of texts, or number; cut at its edges if it has any."""
    values = frame[field.column or field.name]
    if field.edges is not None:
        cut = np.searchsorted(np.asarray(field.edges), pd.to_numeric(values, errors="coerce").to_numpy(float), "right")
        return pd.Series(cut.astype(str), index=values.index).where(values.notna(), None)
    if field.kind is FieldKind.MULTI:
        return values.map(items_of)
    if field.kind is FieldKind.NUMERIC:
        return pd.to_numeric(values, errors="coerce")
    return texts_of(values)


def json_rows(values: pd.DataFrame) -> np.ndarray:
    """(n,) JSON object text of each row, missing values left out."""
    lines = values.to_json(orient="records", lines=True, force_ascii=False).splitlines()
    return np.array(lines, dtype=object)


def instants(values: pd.Series, unit: str, origin: str) -> Ints:
    """(n,) int64 microseconds UTC of a time column.

    Raises
    ------
    ContractBroken
        If a cell holds no time, or the column none of the unit.
    """
    cells = instants_of(values, unit)
    if cells.missing.any():
        raise ContractBroken(f"{origin}, column {values.name}: {int(cells.missing.sum())} rows without a time")
    _refuse_broken(cells, values, origin)
    return np.asarray(cells.typed, np.int64)


def reward_of(values: pd.Series, source: Source, origin: str) -> pd.Series:
    """(n,) reward of each outcome as the source's rule decides it, nan where the outcome is missing.

    Raises
    ------
    ContractBroken
        For a value that the rule cannot judge; names the column.
    """
    if source.outcome.amounts is not None:
        amounts = grade_of(values.to_frame(), source, origin)
        return pd.Series(np.where(np.isnan(amounts), np.nan, amounts > 0), values.index)
    known = values[values.notna()]
    try:
        rewards = RewardRule.by(source.outcome).rewards(known.tolist())
    except ContractBroken as error:
        raise ContractBroken(f"{origin}, column {values.name}: {error}") from None
    return pd.Series(rewards, index=known.index, dtype=float).reindex(values.index)


def grade_of(frame: pd.DataFrame, source: Source, origin: str) -> Doubles:
    """(n,) how strong each outcome was, or its amount; nan where that is unknown."""
    column, scale = source.outcome.graded_by, source.outcome.amounts
    if column is None:
        return np.full(len(frame), np.nan)
    cells = numbers_of(frame[column]) if scale is None else amounts_of(frame[column], scale)
    _refuse_broken(cells, frame[column], origin)
    return np.asarray(cells.typed, np.float64)


def _outcomes(frame: pd.DataFrame, source: Source, ids: _Identified, origin: str) -> pd.DataFrame:
    reward = reward_of(frame[source.outcome.column], source, origin).to_numpy()
    column = source.columns.outcome_at
    known = ~np.isnan(reward)
    outcome_at = ids.at
    if column:
        known &= ~missing_in(frame[column])
        outcome_at = ids.at.copy()
        outcome_at[known] = instants(frame.loc[known, column], source.time.unit, origin)
    table = {
        "impression_id": ids.impression_id,
        "kind": source.outcome.kind,
        "reward": reward,
        "grade": grade_of(frame, source, origin),
        "outcome_at": outcome_at,
    }
    return pd.DataFrame(table)[known]


def _require(frame: pd.DataFrame, source: Source, origin: str) -> None:
    missing = lacking(frame.columns, source)
    if missing:
        raise ContractBroken(
            f"{origin} lacks column {', '.join(missing)}; it has {', '.join(map(str, frame.columns))}; "
            f"source {source.name} describes what is needed"
        )


def lacking(names: Iterable[str], source: Source) -> list[str]:
    """The columns that a source describes and a log of these columns lacks, in order."""
    return sorted(set(described(source)) - set(names))


def described(source: Source) -> list[str]:
    """The columns of a log that its source describes and every log must have."""
    columns = source.columns
    named = [v for v in columns.model_dump().values() if v is not None]
    named += [source.time.column, source.outcome.column]
    named += [source.outcome.grade] if source.outcome.grade else []
    named += [m.column for m in source.measured] + [m.grade for m in source.measured if m.grade]
    for one in source.fields[2:]:
        beside = (one.of is FieldOf.ITEM and source.items) or (one.of is FieldOf.USER and source.users)
        if not beside and one.name not in (*CLOCK_FIELDS, RECENT):
            named.append(one.column or one.name)
    return named


def _context(frame: pd.DataFrame, source: Source) -> np.ndarray | None:
    fields = [f for f in source.fields if f.of is FieldOf.CONTEXT and (f.column or f.name) in frame]
    return json_rows(pd.DataFrame({f.name: field_values(frame, f) for f in fields})) if fields else None


def _generation(frame: pd.DataFrame, column: str | None) -> pd.Series | None:
    if column is None:
        return None
    cells = wholes_of(frame[column])
    return pd.Series(cells.typed).astype("Int64").mask(cells.missing)


def _refuse_broken(cells: Cells, values: pd.Series, origin: str) -> None:
    if cells.broken.any():
        raise ContractBroken(
            f"{origin}, column {values.name}: received {cells.first_broken(values)}, allowed is {cells.allowed}"
        )
