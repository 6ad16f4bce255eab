"""The rows of a log that can become impressions -> their cells, typed, a row each.

One place says what a cell means; `components.ingest.interactions` makes tables of the rows of a whole log, and the
warehouse takes those few of a large one that its own engine is not sure of.
"""

from dataclasses import dataclass

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
    numbers_of,
    texts_of,
    wholes_of,
)
from components.ingest.reward_rule import RewardRule
from components.ingest.set_aside import Excerpt, sound_rows
from components.ingest.source import FieldColumn, Source


@dataclass(frozen=True, slots=True)
class LogRows:
    """Sound rows of a log, and how many others there were among those looked at; `faults` says which and why.

    `cells` has a row for each, in their order: ``n``, its number in the log from 0; user_id, item_id, at,
    impression_id, request_id, position, propensity, generation, context, eligible, outcome_at; and ``reward_1``,
    ``grade_1``, ``reward_2`` ... of the outcome that is learned from and of those that are measured. Instants are
    microseconds.
    """

    cells: pd.DataFrame
    set_aside: int
    faults: tuple[str, ...]


def rows_of(log: Excerpt, source: Source, origin: str) -> LogRows:
    """The rows that are sound; `origin` names the log in messages.

    Raises
    ------
    ContractBroken
        As `sound_rows`; or for an outcome that the rule cannot judge; one line.
    """
    sound = sound_rows(log, source, origin)
    frame = sound.frame.reset_index(drop=True)
    cells = {"n": sound.numbers} | _identified(frame, source, origin) | _shown(frame, source)
    cells["outcome_at"] = _outcome_at(frame, source, cells["at"])
    for number, outcome in enumerate((source.outcome, *source.measured), 1):
        of_kind = source.model_copy(update={"outcome": outcome})
        cells[f"reward_{number}"] = reward_of(frame[outcome.column], of_kind, origin).to_numpy()
        cells[f"grade_{number}"] = grade_of(frame, of_kind, origin)
    return LogRows(pd.DataFrame(cells), sound.set_aside, sound.faults)


def _identified(frame: pd.DataFrame, source: Source, origin: str) -> dict[str, object]:
    """Who was shown what, when, and what the row is called."""
    columns = source.columns
    user_id, item_id = ids_of(frame[columns.user_id]), ids_of(frame[columns.item_id])
    at = instants(frame[source.time.column], source.time.unit, origin)
    if columns.impression_id:
        impression_id = ids_of(frame[columns.impression_id])
    else:
        impression_id = _part(user_id) + "|" + _part(item_id) + "|" + pd.Series(at).astype(str)
    request_id = ids_of(frame[columns.request_id]) if columns.request_id else impression_id
    named = {"user_id": user_id, "item_id": item_id, "impression_id": impression_id, "request_id": request_id}
    return {"at": at, **named}


def _part(ids: pd.Series) -> pd.Series:
    """Ids as parts of one that is joined by ``|``: escaped, so that (a|b, c) and (a, b|c) stay two."""
    escaped = ids.map(lambda i: i.replace("\\", "\\\\").replace("|", "\\|") if "|" in i or "\\" in i else i)
    return escaped.astype("str")


def _shown(frame: pd.DataFrame, source: Source) -> dict[str, object]:
    """How it was shown."""
    columns = source.columns
    return {
        "position": wholes_of(frame[columns.position]).typed.astype(np.int32) if columns.position else np.int32(0),
        "propensity": numbers_of(frame[columns.propensity]).typed if columns.propensity else np.nan,
        "generation": _generation(frame, columns.generation),
        "context": _context(frame, source),
        "eligible": lists_of(frame[columns.eligible]).typed if columns.eligible else None,
    }


def _generation(frame: pd.DataFrame, column: str | None) -> pd.Series | None:
    if column is None:
        return None
    cells = wholes_of(frame[column])
    return pd.Series(cells.typed).astype("Int64").mask(cells.missing)


def _context(frame: pd.DataFrame, source: Source) -> np.ndarray | None:
    fields = [f for f in source.fields if f.of is FieldOf.CONTEXT and (f.column or f.name) in frame]
    return json_rows(pd.DataFrame({f.name: field_values(frame, f) for f in fields})) if fields else None


def _outcome_at(frame: pd.DataFrame, source: Source, at: object) -> object:
    """When the outcomes came, missing where that column says nothing; without one, when they were shown."""
    column = source.columns.outcome_at
    if column is None:
        return at
    cells = instants_of(frame[column], source.time.unit)
    return pd.Series(cells.typed).astype("Int64").mask(cells.missing)


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
    """(n,) JSON object text of each row, missing values left out.

    Lines end at line feeds alone: other ends of lines that Unicode knows, such as U+2028, stand in JSON as they are.
    """
    lines = values.to_json(orient="records", lines=True, force_ascii=False).split("\n")
    return np.array(lines[: len(values)], dtype=object)


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


def _refuse_broken(cells: Cells, values: pd.Series, origin: str) -> None:
    if cells.broken.any():
        raise ContractBroken(
            f"{origin}, column {values.name}: received {cells.first_broken(values)}, allowed is {cells.allowed}"
        )
