"""Bring a sound log into the warehouse without leaving DuckDB: it reads the file as often as there are tables to fill.

The log is laid out as views under the names by which `warehouse.append` hands tables over, so that the same queries
append it. Where a log names each request and each impression once, which was counted, nothing is compared within it.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import duckdb
import pandas as pd

from components.ingest.lake import LakeFile
from components.schema import IMPRESSIONS, OUTCOMES
from warehouse import query
from warehouse.append import Batch, append_once, closed
from warehouse.connect import CONFIG, Warehouse, connect
from warehouse.sound_log import MEMORY, SoundLog, lay_out_cells, tell


def append_file(
    w: Warehouse,
    found: SoundLog,
    entities: Mapping[str, pd.DataFrame],
    *,
    digest: str,
    path: str,
    of_lake: LakeFile | None = None,
) -> Batch:
    """As `warehouse.append.append_log`, of a log that DuckDB reads itself."""
    received = Batch(digest, found.rows, found.rows, False, found.doubted.set_aside, found.doubted.faults)

    def bring(connection: duckdb.DuckDBPyConnection) -> None:
        _lay_out(connection, found)
        query.execute(connection, "01_ingest/append_requests", source=w.source, digest=digest)
        before = closed(connection, w.source)
        for name in (IMPRESSIONS, OUTCOMES):
            query.execute(connection, f"01_ingest/append_{name}", source=w.source, digest=digest, closed=before)

    with connect(w.path) as connection, _modest(connection):
        return append_once(connection, w.source, received, bring, entities, path, of_lake)


def _lay_out(connection: duckdb.DuckDBPyConnection, found: SoundLog) -> None:
    tell(connection, found.compiled.variables)
    lay_out_cells(connection, found.compiled, found.doubted)
    query.execute(connection, "01_ingest/log_requests" if found.requests_once else "01_ingest/log_first_requests")
    named = "batch" if found.impressions_once else "received"
    query.fill(connection, "01_ingest/log_impressions", {"view": f"{named}_impressions"})
    kinds = range(1, len(found.compiled.outcomes) // 2 + 1)
    outcomes = " union all ".join(query.text("01_ingest/log_outcome").format(number=number) for number in kinds)
    query.fill(connection, "01_ingest/log_outcomes", {"view": f"{named}_outcomes", "outcomes": outcomes})
    if not found.impressions_once:
        query.execute(connection, "01_ingest/distinct_impressions")
        query.execute(connection, "01_ingest/distinct_outcomes")


@contextmanager
def _modest(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Less memory than the warehouse has otherwise: what does not fit goes beside it on the disk."""
    connection.execute("set timezone = 'UTC'")
    connection.execute(f"set memory_limit = '{MEMORY}'")
    try:
        yield
    finally:
        connection.execute(f"set memory_limit = '{CONFIG['memory_limit']}'")
