"""The warehouse's tables are the schema's."""

from pathlib import Path

import pyarrow as pa
import pytest

from components.schema import COLUMNS, TABLES
from warehouse.connect import connect

SQL_TYPES = {
    pa.string(): {"VARCHAR", "JSON"},
    pa.int64(): {"TIMESTAMP"},
    pa.int32(): {"INTEGER"},
    pa.float64(): {"DOUBLE"},
    pa.list_(pa.string()): {"VARCHAR[]"},
}
"""Arrow type -> how the warehouse keeps it; whole numbers of 64 bits are instants."""
INSTANTS = {"requests": "requested_at", "impressions": "shown_at", "outcomes": "outcome_at"}
"""What the row's own instant is called in SQL, where several tables meet."""


@pytest.mark.parametrize("table", TABLES)
def test_a_table_has_the_columns_of_the_schema_and_those_that_say_where_a_row_came_from(
    tmp_path: Path, table: str
) -> None:
    with connect(tmp_path / "w.duckdb") as connection:
        found = dict(
            connection.execute(
                "select column_name, data_type from information_schema.columns where table_name = ?", [table]
            ).fetchall()
        )
    declared = {INSTANTS[table] if c.name == "at" else c.name: c.type for c in COLUMNS[table]}
    late = set() if table == "requests" else {"known_from"}
    assert set(found) == set(declared) | {"source", "batch"} | late
    for name, kind in declared.items():
        assert found[name] in SQL_TYPES[kind], name
