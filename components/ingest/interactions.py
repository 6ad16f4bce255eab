"""A log as its source describes it -> requests, impressions, outcomes, users, items.

The same canonical tables come out of every log: rating files, impression logs with or
without propensities, Parquet or CSV. Reading is columnar; no row is touched in Python.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.domain import ContractBroken, Doubles, Ints
from components.feature_spec import FieldKind, FieldOf
from components.ingest.reward_rule import RewardRule
from components.ingest.set_aside import sound_rows
from components.ingest.source import FieldColumn, Source
from components.ranker.features import CLOCK_FIELDS, RECENT

UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}


@dataclass(frozen=True, slots=True)
class LogTables:
    """Canonical frames of one log, in the columns of `components.schema`; instants as int64 microseconds.

    `set_aside` rows of the log could not become any of them; `faults` says which and why.
    """

    requests: pd.DataFrame
    impressions: pd.DataFrame
    outcomes: pd.DataFrame
    set_aside: int = 0
    faults: tuple[str, ...] = ()

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
    columns = source.columns
    at = instants(frame[source.time.column], source.time.unit, origin)
    user_id, item_id = _ids(frame[columns.user_id]), _ids(frame[columns.item_id])
    impression_id = (
        _ids(frame[columns.impression_id])
        if columns.impression_id
        else user_id + "|" + item_id + "|" + pd.Series(at).astype(str)
    )
    request_id = _ids(frame[columns.request_id]) if columns.request_id else impression_id
    requests = pd.DataFrame(
        {
            "request_id": request_id,
            "user_id": user_id,
            "at": at,
            "generation": _integers(frame, columns.generation),
            "context": _context(frame, source),
            "eligible": frame[columns.eligible].map(_id_list) if columns.eligible else None,
        }
    ).drop_duplicates("request_id")
    impressions = pd.DataFrame(
        {
            "impression_id": impression_id,
            "request_id": request_id,
            "item_id": item_id,
            "position": frame[columns.position].astype("int32") if columns.position else np.int32(0),
            "propensity": _floats(frame, columns.propensity, origin),
            "score": np.nan,
            "logit": np.nan,
            "generation": _integers(frame, columns.generation),
            "logging_policy": "log",
            "at": at,
        }
    )
    outcomes = _outcomes(frame, source, impression_id, at, origin)
    return LogTables(requests, impressions, outcomes, sound.set_aside, sound.faults)


def attributes(frame: pd.DataFrame, source: Source, of: FieldOf, id_column: str) -> pd.DataFrame:
    """Entity attributes as one row per id: entity_id, attributes (JSON text of field -> value)."""
    fields = [f for f in source.fields if f.of is of and f.name != of.value and (f.column or f.name) in frame]
    if not fields:
        return pd.DataFrame({"entity_id": [], "attributes": []}, dtype="str")
    unique = frame[frame[id_column].notna()].drop_duplicates(id_column, keep="last")
    values = pd.DataFrame({f.name: field_values(unique, f) for f in fields})
    return pd.DataFrame({"entity_id": _ids(unique[id_column]).to_numpy(), "attributes": json_rows(values)})


def field_values(frame: pd.DataFrame, field: FieldColumn) -> pd.Series:
    """The raw values of a field: text, list of texts, or number; cut at its edges if it has any."""
    values = frame[field.column or field.name]
    if field.edges is not None:
        cut = np.searchsorted(np.asarray(field.edges), pd.to_numeric(values, errors="coerce").to_numpy(float), "right")
        return pd.Series(cut.astype(str), index=values.index).where(values.notna(), None)
    if field.kind is FieldKind.MULTI:
        return values.map(_id_list)
    if field.kind is FieldKind.NUMERIC:
        return pd.to_numeric(values, errors="coerce")
    return _ids(values)


def json_rows(values: pd.DataFrame) -> np.ndarray:
    """(n,) JSON object text of each row, missing values left out."""
    lines = values.to_json(orient="records", lines=True, force_ascii=False).splitlines()
    return np.array(lines, dtype=object)


def instants(values: pd.Series, unit: str, origin: str) -> Ints:
    """(n,) int64 microseconds UTC of a time column."""
    try:
        if unit == "iso":
            return np.asarray(pd.to_datetime(values, utc=True).dt.as_unit("us").astype("int64"), np.int64)
        numbers = pd.to_numeric(values)
        if numbers.isna().any():
            raise ValueError("missing values")
        if pd.api.types.is_integer_dtype(numbers):
            return numbers.to_numpy(np.int64) * np.int64(UNITS[unit])
        return np.asarray(np.round(numbers.to_numpy(float) * UNITS[unit]), np.int64)
    except (ValueError, TypeError) as error:
        reason = str(error).splitlines()[0][:120]
        raise ContractBroken(f"{origin}, column {values.name}: not times in unit {unit} ({reason})") from None


def reward_of(values: pd.Series, source: Source, origin: str) -> pd.Series:
    """(n,) reward of each outcome as the source's rule decides it, nan where the outcome is missing.

    Raises
    ------
    ContractBroken
        For a value that the rule cannot judge; names the column.
    """
    known = values[values.notna()]
    try:
        rewards = RewardRule.by(source.outcome).rewards(known.tolist())
    except ContractBroken as error:
        raise ContractBroken(f"{origin}, column {values.name}: {error}") from None
    return pd.Series(rewards, index=known.index, dtype=float).reindex(values.index)


def grade_of(frame: pd.DataFrame, source: Source, origin: str) -> Doubles:
    """(n,) how strong each outcome was, nan where that is unknown."""
    column = source.outcome.graded_by
    return np.full(len(frame), np.nan) if column is None else np.asarray(_numbers(frame, column, origin), float)


def _outcomes(frame: pd.DataFrame, source: Source, impression_id: pd.Series, at: Ints, origin: str) -> pd.DataFrame:
    reward = reward_of(frame[source.outcome.column], source, origin).to_numpy()
    column = source.columns.outcome_at
    known = ~np.isnan(reward)
    outcome_at = at
    if column:
        known &= frame[column].notna().to_numpy()
        outcome_at = at.copy()
        outcome_at[known] = instants(frame.loc[known, column], source.time.unit, origin)
    table = {
        "impression_id": impression_id,
        "kind": source.outcome.kind,
        "reward": reward,
        "grade": grade_of(frame, source, origin),
        "outcome_at": outcome_at,
    }
    return pd.DataFrame(table)[known]


def _require(frame: pd.DataFrame, source: Source, origin: str) -> None:
    columns = source.columns
    named = [v for v in columns.model_dump().values() if v is not None]
    named += [source.time.column, source.outcome.column]
    named += [source.outcome.grade] if source.outcome.grade else []
    for field in source.fields[2:]:
        beside = (field.of is FieldOf.ITEM and source.items) or (field.of is FieldOf.USER and source.users)
        if not beside and field.name not in (*CLOCK_FIELDS, RECENT):
            named.append(field.column or field.name)
    missing = sorted(set(named) - set(frame.columns))
    if missing:
        raise ContractBroken(
            f"{origin} lacks column {', '.join(missing)}; it has {', '.join(map(str, frame.columns))}; "
            f"source {source.name} describes what is needed"
        )


def _context(frame: pd.DataFrame, source: Source) -> np.ndarray | None:
    fields = [f for f in source.fields if f.of is FieldOf.CONTEXT and (f.column or f.name) in frame]
    return json_rows(pd.DataFrame({f.name: field_values(frame, f) for f in fields})) if fields else None


def _ids(values: pd.Series) -> pd.Series:
    """Ids as text; whole numbers without a fraction, however the file stored them."""
    if pd.api.types.is_float_dtype(values) and (values.dropna() % 1 == 0).all():
        values = values.astype("Int64")
    return values.astype(object).where(values.notna(), None).map(lambda v: v if v is None else str(v))


def _id_list(value: object) -> list[str] | None:
    if value is None or (isinstance(value, float) and np.isnan(value)):
        return None
    if isinstance(value, str):
        return value.split("|")
    return [str(v) for v in np.asarray(value).tolist()]


def _floats(frame: pd.DataFrame, column: str | None, origin: str) -> "pd.Series | float":
    return np.nan if column is None else _numbers(frame, column, origin)


def _numbers(frame: pd.DataFrame, column: str, origin: str) -> pd.Series:
    numbers = pd.to_numeric(frame[column], errors="coerce")
    if (numbers.isna() & frame[column].notna()).any():
        bad = frame.loc[numbers.isna() & frame[column].notna(), column].iloc[0]
        raise ContractBroken(f"{origin}, column {column}: received {bad!r}, a number is allowed")
    return numbers


def _integers(frame: pd.DataFrame, column: str | None) -> "pd.Series | None":
    return frame[column].astype("Int64") if column else None
