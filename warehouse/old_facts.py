"""Facts that are old: which days of them there are, and how a day leaves the warehouse.

A day is whole, in UTC: the requests whose last impression was shown on it, with all their impressions, outcomes and
quarantined rows. It leaves in one transaction, after its files were written and held to what is deleted; what later
turns still ask of it (who liked what last, when an item was shown first) stays behind in a row each.
"""

import logging
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import duckdb

from components.domain import DAY, Window
from components.frozen import Frozen
from components.publish.retention import day_start
from warehouse import query
from warehouse.connect import Warehouse, connect, transaction
from warehouse.day_files import write_day
from warehouse.facts import Maturing
from warehouse.sound_log import tell

log = logging.getLogger("evercurrent")

SUMMARIES = ("keep_likes", "keep_items")
DELETIONS = ("delete_quarantine", "delete_outcomes", "delete_impressions", "delete_requests")
"""In this order: what the others are found by goes last."""


class OldDay(Frozen):
    """A day of facts that are in the warehouse; `needed` says why it must stay, None where it need not."""

    day: date
    requests: int
    impressions: int
    outcomes: int
    needed: str | None = None

    @property
    def rows(self) -> int:
        """Of all three tables."""
        return self.requests + self.impressions + self.outcomes

    @property
    def window(self) -> Window:
        """From midnight to midnight, UTC."""
        start = day_start(self.day)
        return Window(start, start + DAY)


class PrunedDay(Frozen):
    """A day that is in the warehouse no more; `archived`: its files were kept."""

    day: date
    requests: int
    impressions: int
    outcomes: int
    archived: bool


@dataclass(frozen=True, slots=True)
class Reach:
    """How far back facts are needed: none of a day that ends after `before`, none that matured at `since` or later."""

    before: int
    since: int
    maturing: Maturing


def old_days(w: Warehouse, reach: Reach) -> tuple[OldDay, ...]:
    """The days before `reach.before` of which there are facts, in order."""
    asked: dict[str, query.Parameter] = {"before": reach.before, "since": reach.since, **reach.maturing.parameters}
    with connect(w.path) as connection:
        found = query.rows(connection, "07_retention/days", source=w.source, **asked)
    return tuple(OldDay.model_validate(row) for row in found)


def pruned_days(w: Warehouse) -> tuple[PrunedDay, ...]:
    """The days that were taken out, in order."""
    with connect(w.path) as connection:
        found = query.rows(connection, "07_retention/pruned_days", source=w.source)
    return tuple(PrunedDay.model_validate(row) for row in found)


def take_out(w: Warehouse, old: OldDay, maturing: Maturing, width: int, archive: Path | None) -> None:
    """Take a day out of the warehouse, after it was written to its folder in `archive`, if it is to be kept.

    Killed at any point, the rows are in the warehouse, in the archive, or in both, and the next call goes on.

    Parameters
    ----------
    width : items that a request asks for of what its user liked last; 0: none does.

    Raises
    ------
    ContractBroken
        If the files do not say what the warehouse says; nothing is deleted then.
    Transient
        If the disk refuses.
    """
    ends = {"start": old.window.start, "cutoff": old.window.cutoff}
    with connect(w.path) as connection:
        query.execute(connection, "07_retention/going", source=w.source, **ends)
        tell(connection, {"going_source": w.source, "going_before": str(old.window.cutoff)})
        query.run_script(connection, "07_retention/going_facts")
        if archive is not None:
            write_day(connection, archive, old.day)
        with transaction(connection):
            _delete(connection, w.source, old, maturing, width)
            query.execute(
                connection,
                "07_retention/record_day",
                source=w.source,
                archived=archive is not None,
                **old.model_dump(mode="json", exclude={"needed"}),
            )
    log.info("stage=prune event=day_out day=%s rows=%d archived=%s", old.day, old.rows, archive is not None)


def _delete(connection: duckdb.DuckDBPyConnection, source: str, old: OldDay, maturing: Maturing, width: int) -> None:
    known: dict[str, query.Parameter] = {"source": source, "cutoff": old.window.cutoff, **maturing.parameters}
    for name in (*SUMMARIES[0 if width else 1 :], *DELETIONS):
        name = f"07_retention/{name}"
        asked = {parameter: known[parameter] for parameter in query.parameters_of(name)}
        query.execute(connection, name, **asked)
    if width:
        query.execute(connection, "07_retention/drop_likes", source=source, width=width)


def fact_rows(w: Warehouse) -> int:
    """Rows of facts, of all sources; an estimate of the engine's."""
    with connect(w.path) as connection:
        (row,) = query.rows(connection, "07_retention/fact_rows")
    return int(str(row["rows"] or 0))
