"""A log as its source describes it -> requests, impressions, outcomes, users, items.

The same canonical tables come out of every log: rating files, impression logs with or without propensities, Parquet or
CSV. This is the careful way: a frame of the whole log, of which every bad cell can be named. A sound log is read by the
warehouse's own engine, to the same rows.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from components.domain import ContractBroken
from components.feature_spec import FieldOf
from components.ingest.cells import ids_of, missing_in
from components.ingest.log_rows import field_values, json_rows, rows_of
from components.ingest.set_aside import Excerpt
from components.ingest.source import Source
from components.ranker.features import CLOCK_FIELDS, RECENT
from components.schema import IMPRESSIONS, OUTCOMES, REQUESTS, names


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
    rows = rows_of(Excerpt.whole(frame), source, origin)
    cells = rows.cells.assign(score=np.nan, logit=np.nan, logging_policy="log")
    kinds = [outcome.kind for outcome in (source.outcome, *source.measured)]
    outcomes = pd.concat([_outcomes(cells, number, kind) for number, kind in enumerate(kinds, 1)], ignore_index=True)
    requests = cells[list(names(REQUESTS))].drop_duplicates("request_id")
    return LogTables(requests, cells[list(names(IMPRESSIONS))], outcomes, rows.set_aside, rows.faults)


def _outcomes(cells: pd.DataFrame, number: int, kind: str) -> pd.DataFrame:
    """The outcomes of one kind: those that came, and of which it is known when."""
    known = cells[cells[f"reward_{number}"].notna() & cells["outcome_at"].notna()]
    named = known.rename(columns={f"reward_{number}": "reward", f"grade_{number}": "grade"})
    return named.assign(kind=kind, outcome_at=known["outcome_at"].astype(np.int64))[list(names(OUTCOMES))]


def attributes(frame: pd.DataFrame, source: Source, of: FieldOf, id_column: str) -> pd.DataFrame:
    """Entity attributes as one row per id: entity_id, attributes (JSON text of field -> value)."""
    fields = [f for f in source.fields if f.of is of and f.name != of.value and (f.column or f.name) in frame]
    if not fields:
        return pd.DataFrame({"entity_id": [], "attributes": []}, dtype="str")
    unique = frame[~missing_in(frame[id_column])].drop_duplicates(id_column, keep="last")
    values = pd.DataFrame({f.name: field_values(unique, f) for f in fields})
    return pd.DataFrame({"entity_id": ids_of(unique[id_column]).to_numpy(), "attributes": json_rows(values)})


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


def column_names(source: Source) -> list[str]:
    """All columns of a log that its source knows of, those that a log may do without among them."""
    return [*described(source), *(f.column or f.name for f in source.fields[2:])]


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
