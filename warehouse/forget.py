"""Users who are to be forgotten: taken out of the facts, and out of whatever is ingested later of the time before."""

from collections.abc import Mapping

import duckdb
import numpy as np

from components.domain import Keys
from components.ingest.log_lines import user_digest
from warehouse import query
from warehouse.connect import Warehouse, connect, transaction

QUERIES = {
    "outcomes": "01_ingest/forget_outcomes",
    "quarantine": "01_ingest/forget_quarantine",
    "impressions": "01_ingest/forget_impressions",
    "requests": "01_ingest/forget_requests",
    "users": "01_ingest/forget_users",
    "likes": "07_retention/forget_likes",
}
"""What clears which table, in order: what finds the others comes last."""


def forget_users(w: Warehouse, forgotten: Mapping[str, tuple[int, int]]) -> dict[str, int]:
    """Take users out who are to be forgotten: raw id -> (instant until which, key). Rows that went, by table."""
    with connect(w.path) as connection, transaction(connection):
        for user, (at, key) in forgotten.items():
            query.execute(
                connection,
                "01_ingest/remember_forgotten",
                source=w.source,
                digest=user_digest(user),
                key=key,
                at=at,
            )
        return take_out(connection, w.source, None)


def take_out(connection: duckdb.DuckDBPyConnection, source: str, batch: str | None) -> dict[str, int]:
    """Rows of forgotten users, of one batch or of all, that went, by table."""
    gone = dict.fromkeys(QUERIES, 0)
    if not query.rows(connection, "01_ingest/any_forgotten", source=source)[0]["any_forgotten"]:
        return gone
    for table, name in QUERIES.items():
        of = {"batch": batch} if "batch" in query.parameters_of(name) else {}
        (row,) = query.rows(connection, name, source=source, **of)
        gone[table] = int(str(next(iter(row.values()))))
    return gone


def forgotten_since(w: Warehouse, since: int) -> Keys:
    """(f,) keys of users who were forgotten at an instant or later."""
    with connect(w.path) as connection:
        rows = query.rows(connection, "01_ingest/forgotten", source=w.source, since=since)
    return np.array([row["user_key"] for row in rows], np.uint64)
