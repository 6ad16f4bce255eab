"""The contracts of a window as Great Expectations suites in code.

Two kinds. **Structural** contracts are about the window as a whole (columns, types, emptiness,
time); one broken means that nothing can be trusted and the turn stops. **Row** contracts are
about single rows; a row that breaks one is set aside with the reason and the rest goes on.

Structure is checked on a small frame of facts about the three tables (`facts`), because Great
Expectations' own type expectations know numpy's types only: on pandas 3 they reject ``str``
and ``Int64`` columns that are sound. Contracts between tables are checked on columns joined
beforehand (`joined`), because an expectation sees one table.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from components.domain import Window, iso
from components.schema import (
    ABSENT,
    OUTCOMES,
    TABLES,
    TEXT,
    UNKNOWN,
    WHOLE,
    checked_kinds,
)

if TYPE_CHECKING:
    from great_expectations.expectations.expectation import Expectation


@dataclass(frozen=True, slots=True)
class Frames:
    """The three tables of a window, as the warehouse gives them (columns: see `components.schema`; more are allowed).

    Instants are int64 microseconds UTC; `propensity` is nan for logs without; `eligible` is a
    list of item ids, or None where the log did not record it; `impressions` may carry `at`,
    the instant shown, otherwise its request's instant counts.
    """

    requests: pd.DataFrame
    impressions: pd.DataFrame
    outcomes: pd.DataFrame

    def __iter__(self) -> Iterator[pd.DataFrame]:
        return iter((self.requests, self.impressions, self.outcomes))

    def of(self, table: str) -> pd.DataFrame:
        """The table of that name."""
        return dict(zip(TABLES, self, strict=True))[table]


@dataclass(frozen=True, slots=True)
class Totals:
    """Rows of a whole window, where `Frames` has only what may break a contract and what belongs to it.

    `answered` counts requests with an impression inside the window.
    """

    requests: int
    impressions: int
    outcomes: int
    answered: int

    @classmethod
    def of(cls, frames: Frames) -> "Totals":
        """Of frames that are the whole window."""
        known = set(frames.requests["request_id"].dropna()) & set(frames.impressions["request_id"].dropna())
        return cls(len(frames.requests), len(frames.impressions), len(frames.outcomes), len(known))

    def rows(self, table: str) -> int:
        """Rows of the table of that name."""
        return dict(zip(TABLES, (self.requests, self.impressions, self.outcomes), strict=True))[table]


@dataclass(frozen=True, slots=True)
class Contract:
    """One contract: `reason` is what is said of what breaks it, `make` builds its expectation."""

    reason: str
    make: "Callable[[], Expectation]"


def expectations() -> ModuleType:
    """Great Expectations' expectations, imported on first use (3 to 5 s)."""
    return import_module("great_expectations.expectations")


def facts(frames: Frames) -> pd.DataFrame:
    """What is true of the tables: one row per column (`kind`), per table (`rows`), per end of time (`at`).

    Columns `fact`, `kind`, `rows`, `at`; what a row does not say is missing.
    """
    made: list[dict[str, object]] = []
    for table, frame in zip(TABLES, frames, strict=True):
        made.append({"fact": table, "rows": len(frame) if table != OUTCOMES else None})
        for column in checked_kinds(table):
            made.append({"fact": f"{table}.{column}", "kind": _kind(frame, column)})
        if len(frame) and _kind(frame, "at") in WHOLE:
            made += [{"fact": f"{table}.at", "at": int(frame["at"].agg(end))} for end in ("min", "max")]
    return pd.DataFrame(made, columns=["fact", "kind", "rows", "at"]).astype({"rows": float, "at": float})


def _kind(frame: pd.DataFrame, column: str) -> str:
    if column not in frame:
        return ABSENT
    kind = str(pd.api.types.infer_dtype(frame[column], skipna=True))
    return UNKNOWN if kind == "floating" and frame[column].isna().all() else kind


def structure_contracts(window: Window, outcomes: int) -> tuple[Contract, ...]:
    """Contracts on `facts`, the more fundamental first; a window without outcomes has no kinds to check there."""
    gxe = expectations()

    pairs = [
        (f"{table}.{column}", kind)
        for table in TABLES
        for column, kinds in checked_kinds(table).items()
        for kind in (*kinds, *((UNKNOWN,) if table == OUTCOMES and outcomes == 0 else ()))
    ]
    return (
        Contract("rows", lambda: gxe.ExpectColumnValuesToBeBetween(column="rows", min_value=1)),
        Contract(
            "kind",
            lambda: gxe.ExpectColumnPairValuesToBeInSet(
                column_A="fact", column_B="kind", value_pairs_set=pairs, ignore_row_if="either_value_is_missing"
            ),
        ),
        Contract(
            "at",
            lambda: gxe.ExpectColumnValuesToBeBetween(
                column="at", min_value=window.start, max_value=window.cutoff, strict_max=True
            ),
        ),
    )


def structure_message(window: Window, fact: pd.Series, contract: Contract) -> str:
    """One line about the fact that breaks a structural contract: received, allowed, where to look."""
    where = "see components/schema.py"
    if contract.reason == "rows":
        return f"window {window} has 0 {fact['fact']}; allowed is at least one; see the source's path and time unit"
    if contract.reason == "at":
        seen = iso(int(fact["at"]))
        return f"{fact['fact']} reaches {seen}; allowed is the window {window}; see the source's time unit"
    table, column = str(fact["fact"]).split(".")
    allowed = " or ".join(checked_kinds(table)[column])
    return f"column {column} of {table} is {fact['kind']}; allowed is {allowed}; {where}"


def joined(frames: Frames) -> Frames:
    """The tables with what their row contracts need of each other.

    Impressions get `shown_at` (nan: request unknown) and `is_eligible` (None: eligible set
    unknown), outcomes get `shown_at` (nan: impression unknown). Instants are doubles here,
    exact below 2^53 microseconds, the year 2255.
    """
    frames = _as_objects(frames)
    requests = _by_id(frames.requests, "request_id")
    impressions = frames.impressions
    requested_at = impressions["request_id"].map(requests["at"]).astype(float)
    own = impressions["at"].astype(float).where(requested_at.notna()) if "at" in impressions else requested_at
    impressions = impressions.assign(
        shown_at=own, is_eligible=_is_eligible(impressions, impressions["request_id"].map(requests["eligible"]))
    )
    shown_at = _by_id(impressions, "impression_id")["shown_at"]
    outcomes = frames.outcomes
    known = outcomes["impression_id"].isin(shown_at.index)
    shown = outcomes["impression_id"].map(shown_at).astype(float)
    outcomes = outcomes.assign(shown_at=shown, is_known=known, outcome_at=outcomes["outcome_at"].astype(float))
    return Frames(frames.requests[["request_id", "user_id"]], impressions[_IMPRESSION_COLUMNS], outcomes)


_IMPRESSION_COLUMNS = ["impression_id", "request_id", "item_id", "position", "propensity", "shown_at", "is_eligible"]


def _by_id(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    """The first row of every id; rows without one are left out, or "no id" would match "no id"."""
    return frame.dropna(subset=[column]).drop_duplicates(column).set_index(column)


def _as_objects(frames: Frames) -> Frames:
    """The columns that are checked, texts as objects: `isin` and `map` on pandas' ``str`` cost ten times more."""
    tables = []
    for table, frame in zip(TABLES, frames, strict=True):
        columns = [column for column in checked_kinds(table) if column in frame]
        texts = {column: object for column, kinds in checked_kinds(table).items() if kinds == TEXT}
        tables.append(frame[columns].reset_index(drop=True).astype(texts))
    return Frames(*tables)


def _is_eligible(impressions: pd.DataFrame, eligible: pd.Series) -> pd.Series:
    sets = {id(items): frozenset(items) for items in eligible if _is_list(items)}
    inside = [
        item in sets[id(items)] if _is_list(items) else None
        for item, items in zip(impressions["item_id"], eligible, strict=True)
    ]
    return pd.Series(inside, index=impressions.index, dtype=object)


def _is_list(items: object) -> bool:
    return isinstance(items, list | tuple | np.ndarray)
