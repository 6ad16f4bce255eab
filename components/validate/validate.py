"""Is the window sound, and which of its rows are not?

A row that breaks a contract is set aside together with what becomes meaningless without it:
an impression whose request is unsound, and an impression one of whose outcomes is unsound,
because its reward is then unknown, and unknown is not 0. So every accepted impression has a
sound request and only sound outcomes.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import pandas as pd
from pydantic import Field

from components.domain import ContractBroken, Window, iso
from components.frozen import Frozen
from components.schema import IMPRESSIONS, OUTCOMES, REQUESTS, TABLES
from components.validate.contracts import Frames, Totals, facts, joined, structure_contracts, structure_message
from components.validate.row_contracts import row_contracts
from components.validate.suite import Checker, ContractResult

REQUEST_SET_ASIDE = "its request was set aside"
OUTCOME_SET_ASIDE = "its outcome was set aside, so its reward is unknown"


class ValidateSettings(Frozen):
    """What the contracts allow."""

    max_set_aside: float = Field(default=0.05, ge=0, le=1)
    """Share of impressions that may be set aside before the window fails: with more, what is left is no longer
    the traffic that was served. Own choice; a sound log sets aside none."""
    examples: int = Field(default=20, ge=0)
    """Rows of the quarantine named in the JSON and on the page."""


@dataclass(frozen=True, slots=True)
class Statistics:
    """Counts of rows; `set_aside` counts impressions, `quarantined` rows of all tables.

    `whole_requests` are accepted, and so is every impression of theirs, of which there is at least one: a slate with a
    hole can be learned from, but its conditional propensities no longer belong to its prefix.
    """

    requests: int
    impressions: int
    outcomes: int
    accepted: int
    set_aside: int
    quarantined: int
    contracts: int
    contracts_broken: int
    whole_requests: int

    @property
    def share_set_aside(self) -> float:
        """Share of impressions set aside."""
        return self.set_aside / self.impressions


@dataclass(frozen=True, slots=True)
class Validation:
    """What validation found.

    Attributes
    ----------
    success : the share of impressions set aside is within the limit.
    results : one per row contract.
    quarantined : columns `table_name`, `row_id`, `reason`, one row per rejected row, with the
        first contract it broke. A row's id is its own id; for outcomes ``impression_id/kind``. All outcomes of an
        impression that is not named are sound.
    """

    window: Window
    settings: ValidateSettings
    success: bool
    statistics: Statistics
    results: tuple[ContractResult, ...]
    quarantined: pd.DataFrame

    def to_json(self) -> str:
        """The findings; the same validation gives the same text."""
        return json.dumps(
            {
                "window": {"start": iso(self.window.start), "cutoff": iso(self.window.cutoff)},
                "success": self.success,
                "statistics": asdict(self.statistics) | {"share_set_aside": self.statistics.share_set_aside},
                "limit": self.settings.max_set_aside,
                "contracts": [
                    {"table": r.table, "reason": r.reason, "checked": r.checked, "broken": len(r.rows)}
                    for r in self.results
                ],
                "quarantined": self.quarantined.head(self.settings.examples).to_dict("records"),
            },
            indent=1,
        )


def validate(
    window: Window,
    frames: Frames,
    outcome_kinds: Sequence[str],
    settings: ValidateSettings,
    whole: Totals | None = None,
) -> Validation:
    """Check one window.

    Parameters
    ----------
    window : every request, and every impression that has an instant, lies inside it.
    frames : the window, or every request of it of which a row may break a contract, with all that belongs to it.
    outcome_kinds : kinds of outcomes that the source has.
    whole : rows of the whole window; None: `frames` is the whole window.

    Raises
    ------
    ContractBroken
        If a structural contract does not hold: one line with what was received, what is allowed, where to look.
    """
    checker, whole = Checker.make(), whole or Totals.of(frames)
    _check_structure(window, frames, checker)
    tables = joined(frames)
    results = tuple(
        replace(result, checked=whole.rows(table))
        for table in TABLES
        for result in checker.run(table, tables.of(table), row_contracts(table, outcome_kinds))
    )
    quarantined = _quarantine(tables, results)
    statistics = _count(tables, results, quarantined, whole)
    success = statistics.share_set_aside <= settings.max_set_aside
    return Validation(window, settings, success, statistics, results, quarantined)


def _check_structure(window: Window, frames: Frames, checker: Checker) -> None:
    known = facts(frames)
    contracts = structure_contracts(window, len(frames.outcomes))
    for contract, result in zip(contracts, checker.run("structure", known, contracts), strict=True):
        if result.rows:
            raise ContractBroken(structure_message(window, known.iloc[result.rows[0]], contract))


def _quarantine(frames: Frames, results: Sequence[ContractResult]) -> pd.DataFrame:
    """Rejected rows of `joined` tables: those that break a contract, and impressions that fall with another's."""
    broken = {table: _first_reasons(table, results) for table in TABLES}
    impressions = frames.impressions
    fallen = {
        REQUEST_SET_ASIDE: impressions["request_id"].isin(_at(frames.requests, "request_id", broken[REQUESTS])),
        OUTCOME_SET_ASIDE: impressions["impression_id"].isin(_at(frames.outcomes, "impression_id", broken[OUTCOMES])),
    }
    for reason, falls in fallen.items():
        for row in impressions.index[falls]:
            broken[IMPRESSIONS].setdefault(int(row), reason)
    rows = [
        (table, _row_id(table, frames.of(table).iloc[row], row), reason)
        for table in TABLES
        for row, reason in sorted(broken[table].items())
    ]
    return pd.DataFrame(rows, columns=["table_name", "row_id", "reason"], dtype=object)


def _first_reasons(table: str, results: Sequence[ContractResult]) -> dict[int, str]:
    reasons: dict[int, str] = {}
    for result in results:
        if result.table == table:
            for row in result.rows:
                reasons.setdefault(row, result.reason)
    return reasons


def _at(frame: pd.DataFrame, column: str, rows: dict[int, str]) -> pd.Series:
    return frame[column].iloc[sorted(rows)].dropna()


def _row_id(table: str, row: pd.Series, position: int) -> str:
    if table == OUTCOMES:
        return f"{row['impression_id']}/{row['kind']}"
    own = row["request_id" if table == REQUESTS else "impression_id"]
    return f"row {position}" if pd.isna(own) else str(own)


def _count(
    looked_at: Frames, results: tuple[ContractResult, ...], quarantined: pd.DataFrame, whole: Totals
) -> Statistics:
    """What was found in the rows that were looked at, out of the whole; what was not looked at is sound."""
    rejected = {table: set(rows) for table, rows in quarantined.groupby("table_name")["row_id"]}
    requests = set(looked_at.requests["request_id"].dropna()) - rejected.get(REQUESTS, set())
    accepted = set(looked_at.impressions["impression_id"].dropna()) - rejected.get(IMPRESSIONS, set())
    kept = looked_at.impressions["impression_id"].isin(accepted)
    holed = set(looked_at.impressions["request_id"][~kept])
    served = set(looked_at.impressions["request_id"][kept])
    set_aside, answered = int((~kept).sum()), Totals.of(looked_at).answered
    return Statistics(
        requests=whole.requests,
        impressions=whole.impressions,
        outcomes=whole.outcomes,
        accepted=whole.impressions - set_aside,
        set_aside=set_aside,
        quarantined=len(quarantined),
        contracts=len(results),
        contracts_broken=sum(not result.holds for result in results),
        whole_requests=whole.answered - answered + len((requests & served) - holed),
    )
