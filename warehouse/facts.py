"""What was logged: typed functions over the queries that read requests, impressions, outcomes and entities.

Frames, tables and batches have the columns that their query selects; instants are int64 microseconds UTC.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from components.domain import Window
from warehouse import query
from warehouse.catalogues import with_eligible
from warehouse.connect import Warehouse, connect
from warehouse.reach import Draw as Draw
from warehouse.reach import Maturing as Maturing
from warehouse.reach import asked_since, reach, read_draw

ROWS_AT_ONCE = 1 << 17
"""Rows of a window in one batch: a few megabytes, and few enough calls."""


STEPS_BACK = 8
"""How often requests that began before what is looked at make it longer, before the whole open window is looked at."""


@dataclass(frozen=True, slots=True)
class Suspects:
    """What may break a contract inside a window, with all that belongs to it, as logged; and the whole in numbers.

    `answered` requests have an impression inside the window.
    """

    requests: pd.DataFrame
    impressions: pd.DataFrame
    outcomes: pd.DataFrame
    all_requests: int
    all_impressions: int
    all_outcomes: int
    answered: int


def suspects(w: Warehouse, window: Window, kinds: list[str], sample: int) -> Suspects:
    """Requests of a window of which a row may break a contract, with impressions and outcomes.

    Parameters
    ----------
    kinds : of outcomes that the source has.
    sample : requests that are there in any case, the earliest.
    """
    ends = {"start": window.start, "cutoff": window.cutoff}
    with connect(w.path) as connection:
        (whole,) = query.rows(connection, "02_validate/totals", source=w.source, **ends)
        found = query.frame(connection, "02_validate/suspects", source=w.source, kinds=kinds, sample=sample, **ends)
        asked = {"suspects": pa.table({"request_id": pa.array(found["request_id"], pa.string())})}
        requests, impressions, outcomes = (
            query.table(connection, f"02_validate/{name}", asked, source=w.source, **ends)
            for name in ("suspect_requests", "suspect_impressions", "suspect_outcomes")
        )
        requests = with_eligible(connection, w.source, requests)
    counts = {name: int(str(count)) for name, count in whole.items()}
    return Suspects(
        requests.to_pandas(),
        impressions.to_pandas(),
        outcomes.to_pandas(),
        counts["requests"],
        counts["impressions"],
        counts["outcomes"],
        counts["answered"],
    )


def window_requests(w: Warehouse, window: Window) -> pd.DataFrame:
    """The requests of a window, as logged: nothing is rejected yet."""
    ends = {"start": window.start, "cutoff": window.cutoff}
    with connect(w.path) as connection:
        found = query.table(connection, "02_validate/window_requests", source=w.source, **ends)
        return with_eligible(connection, w.source, found).to_pandas()


def look_back(w: Warehouse, window: Window, known: int, rows: int, maturing: Maturing) -> int:
    """From when on an open window is looked at again by who has learned what was known before `known`.

    What was shown since belongs to requests that were made since: contracts hold the two together.

    Parameters
    ----------
    rows : impressions, the latest, that are looked at in any case.
    """
    ends = {"start": window.start, "cutoff": window.cutoff}
    asked: dict[str, query.Parameter] = {"attribution": maturing.attribution, "known": known, "rows": rows, **ends}
    with connect(w.path) as connection:
        (row,) = query.rows(connection, "02_validate/look_back", source=w.source, **asked)
        since = int(str(row["since"]))
        for _ in range(STEPS_BACK):
            (row,) = query.rows(connection, "02_validate/whole_since", source=w.source, since=since, **ends)
            if row["since"] is None or int(str(row["since"])) >= since:
                return since
            since = int(str(row["since"]))
    return window.start


def requests_in(w: Warehouse, window: Window) -> int:
    """How many requests were made inside a window."""
    with connect(w.path) as connection:
        ends = {"start": window.start, "cutoff": window.cutoff}
        (row,) = query.rows(connection, "02_validate/count_requests", source=w.source, **ends)
    return int(str(row["requests"]))


@dataclass(frozen=True, slots=True)
class Late:
    """What came of a window after it was closed, as counts of impressions and outcomes."""

    window: Window
    impressions: int
    outcomes: int


def late(w: Warehouse, start: int) -> tuple[Late, ...]:
    """What came since the turn that ended at `start` and belongs to windows before that, in order of those.

    What is older than every window is told of as one that ends where they begin.
    """
    with connect(w.path) as connection:
        found = query.rows(connection, "02_validate/late", source=w.source, start=start)
    named = ("start", "cutoff", "impressions", "outcomes")
    spans = [[int(str(row[name])) for name in named] for row in found]
    return tuple(Late(Window(begin, end), impressions, outcomes) for begin, end, impressions, outcomes in spans)


@dataclass(frozen=True, slots=True)
class Ahead:
    """How many impressions were shown after an instant, and when the last of them, None where there is none."""

    impressions: int
    latest: int | None


def ahead(w: Warehouse, instant: int) -> Ahead:
    """What was logged as shown after an instant."""
    with connect(w.path) as connection:
        (row,) = query.rows(connection, "02_validate/ahead", source=w.source, instant=instant)
    latest = row["latest"]
    return Ahead(int(str(row["impressions"])), None if latest is None else int(str(latest)))


def unsettled(w: Warehouse, window: Window, maturing: Maturing) -> pd.DataFrame:
    """Accepted requests of a window that have not matured as a whole by its end: request_id, user_id, requested_at."""
    with connect(w.path) as connection:
        start = window.start
        if maturing.attribution is not None and not query.rows(connection, "06_ledger/set_asides", source=w.source):
            start = max(start, reach(connection, w.source, window.cutoff, maturing))  # what is older has matured
        ends = {"start": start, "cutoff": window.cutoff, "asked": asked_since(connection, w.source, start)}
        return query.frame(connection, "05_evaluate/unsettled", source=w.source, **ends, **maturing.parameters)


def requests(w: Warehouse, request_ids: pa.Array, since: int) -> pa.Table:
    """Accepted requests by id: request_id, user_id, at, generation, context, eligible, positions, broken.

    `eligible` is a list of ids, null where the log has none. Nothing was shown in any of them before `since`.
    """
    requested = {"requested": pa.table({"request_id": request_ids})}
    with connect(w.path) as connection:
        asked = asked_since(connection, w.source, since)
        found = query.table(connection, "05_evaluate/requests", requested, source=w.source, asked=asked)
        return with_eligible(connection, w.source, found)


def matured(
    w: Warehouse, window: Window, maturing: Maturing, rows_at_once: int = ROWS_AT_ONCE
) -> Iterator[pa.RecordBatch]:
    """Accepted impressions whose reward became known inside a window, in order of arrival, batch by batch.

    The warehouse is open until the last one is read.
    """
    ends = {"start": window.start, "cutoff": window.cutoff}
    with connect(w.path) as connection:
        since = reach(connection, w.source, window.start, maturing)
        asked = {"source": w.source, "since": since, **ends, **maturing.parameters}
        asked["asked"] = asked_since(connection, w.source, since)
        yield from query.batches(connection, "04_update/matured", rows_at_once, **asked)


def replayed(w: Warehouse, draw: Draw, maturing: Maturing) -> pa.Table:
    """A sample of the past, in order of the instant shown; columns as of `matured`, but when requests were made."""
    with connect(w.path) as connection:
        return read_draw(connection, w.source, draw, maturing)


def recent(w: Warehouse, asked: pa.Table, width: int, maturing: Maturing) -> pa.Table:
    """What users liked last, as it was known when they were asked about: question, age (0 is the newest), item_id.

    `asked` has a row per question: number, user_id, at.
    """
    with connect(w.path) as connection:
        return query.table(
            connection, "04_update/recent", {"asked": asked}, source=w.source, width=width, **maturing.parameters
        )


def likes(w: Warehouse, cutoff: int, width: int, maturing: Maturing) -> pd.DataFrame:
    """The latest `width` items that every user liked, as known at a cutoff: user_id, item_id, at."""
    return _frame(w, "04_update/likes", cutoff=cutoff, width=width, **maturing.parameters)


def users(w: Warehouse) -> pd.DataFrame:
    """Users with attributes: id, attributes (JSON text)."""
    return _frame(w, "04_update/users")


def items(w: Warehouse) -> pd.DataFrame:
    """Items with attributes: id, attributes (JSON text)."""
    return _frame(w, "04_update/items")


def servable(w: Warehouse, cutoff: int) -> np.ndarray:
    """(k,) ids of the items that can be shown at a cutoff."""
    return _frame(w, "04_update/servable", cutoff=cutoff)["item_id"].to_numpy(object)


def hidden(w: Warehouse) -> np.ndarray:
    """(h,) ids of the items that are not served any more."""
    return _frame(w, "04_update/hidden")["item_id"].to_numpy(object)


def first_shown(w: Warehouse) -> pd.DataFrame:
    """The first impression of every item that was ever shown: item_id, first_at."""
    return _frame(w, "05_evaluate/first_shown")


def measured(w: Warehouse, request_ids: np.ndarray, since: int, maturing: Maturing) -> pd.DataFrame:
    """What shown positions of some requests earned of a kind of outcome: request_id, position, reward, grade.

    None of the requests was made before `since`.
    """
    table = {"asked": pa.table({"request_id": pa.array(request_ids, pa.string())})}
    with connect(w.path) as connection:
        asked = asked_since(connection, w.source, since)
        return query.frame(
            connection, "05_evaluate/measured", table, source=w.source, asked=asked, **maturing.parameters
        )


def logged_by(w: Warehouse, generation: int, cutoff: int, maturing: Maturing) -> pd.DataFrame:
    """What one generation showed in requests that have matured as a whole before `cutoff`.

    Columns request_id, user_id, at, position, reward, grade.
    """
    with connect(w.path) as connection:
        of: dict[str, query.Parameter] = {"source": w.source, "generation": generation}
        (row,) = query.rows(connection, "05_evaluate/first_logged", **of)
        ends = {"since": cutoff if row["first_at"] is None else int(str(row["first_at"])), "cutoff": cutoff}
        ends["asked"] = asked_since(connection, w.source, ends["since"])
        return query.frame(connection, "05_evaluate/logged_by", **of, **ends, **maturing.parameters)


def answered(w: Warehouse, window: Window, maturing: Maturing) -> pd.DataFrame:
    """What was shown in requests of a window that have matured as a whole by its end, by all generations.

    Columns request_id, user_id, generation, at, position, reward, grade.
    """
    with connect(w.path) as connection:
        ends = {"start": window.start, "cutoff": window.cutoff}
        ends["asked"] = asked_since(connection, w.source, window.start)
        return query.frame(connection, "05_evaluate/answered", source=w.source, **ends, **maturing.parameters)


def named_ids(w: Warehouse, since: int, until: int) -> pd.DataFrame:
    """Raw values of keyed fields, wherever the log named them in what was shown in ``[since, until)``: field, id."""
    ends = {"since": since, "until": until}
    with connect(w.path) as connection:
        asked = asked_since(connection, w.source, since)
        return query.frame(connection, "04_update/ids", source=w.source, asked=asked, **ends)


def content_digest(w: Warehouse) -> str:
    """SHA-256 over the digests of all that was ingested: the same content gives the same text, in any order."""
    return hashlib.sha256("\n".join(_frame(w, "01_ingest/batches")["digest"]).encode()).hexdigest()


def _frame(w: Warehouse, name: str, **parameters: query.Parameter) -> pd.DataFrame:
    with connect(w.path) as connection:
        return query.frame(connection, name, source=w.source, **parameters)
