"""Bring a day that left a warehouse into one: its files have the columns of the tables, and DuckDB takes them so."""

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow.parquet as pq

from components.domain import ContractBroken
from components.ingest.day_folders import CATALOGUES, REFERENCE
from components.schema import IMPRESSIONS, OUTCOMES, REQUESTS, TABLES, names
from warehouse import query
from warehouse.append import Batch, append_once, closed
from warehouse.connect import Warehouse, connect
from warehouse.sound_log import tell


def append_day(w: Warehouse, folder: Path, entities: Mapping[str, pd.DataFrame], *, digest: str) -> Batch:
    """As `warehouse.append.append_log`, of a day's folder.

    Raises
    ------
    ContractBroken
        If a file cannot be read, or has other columns; nothing is written then.
    """
    rows = {name: _checked(folder / f"{name}.parquet", name) for name in TABLES}[IMPRESSIONS]

    def bring(connection: duckdb.DuckDBPyConnection) -> None:
        tell(connection, {f"day_{name}": str(folder / f"{name}.parquet") for name in (*TABLES, CATALOGUES)})
        query.run_script(connection, "07_retention/day_tables")
        query.execute(connection, "01_ingest/append_catalogues", source=w.source)
        query.execute(connection, "07_retention/append_day_requests", source=w.source, digest=digest)
        before = closed(connection, w.source)
        for name in (IMPRESSIONS, OUTCOMES):
            query.execute(connection, f"01_ingest/append_{name}", source=w.source, digest=digest, closed=before)

    received = Batch(digest, rows, rows, False, read_as="Parquet, a day that left a warehouse")
    with connect(w.path) as connection:
        return append_once(connection, w.source, received, bring, entities, str(folder))


def _checked(path: Path, table: str) -> int:
    """How many rows a file has, whose columns are those of a table."""
    try:
        found = pq.read_metadata(path)
    except (OSError, ValueError) as error:
        reason = " ".join(str(error).split())[:160]
        raise ContractBroken(f"{path} is not a readable Parquet file ({reason}); bring it from a copy") from None
    columns = set(found.schema.to_arrow_schema().names)
    wanted = (*names(table), *([REFERENCE] if table == REQUESTS else []))
    if columns != set(wanted):
        raise ContractBroken(
            f"{path} has the columns {', '.join(sorted(columns))}; a day's {table} have {', '.join(wanted)}"
        )
    return int(found.num_rows)
