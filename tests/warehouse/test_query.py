"""Queries and their parameters; nobody else names SQL."""

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT
from warehouse import query
from warehouse.connect import connect


@pytest.mark.parametrize(
    ("parameters", "told"),
    [
        ({"sorce": "s", "cutoff": 0}, r"missing \['source'\], unknown \['sorce'\]; allowed are \['cutoff', 'source'\]"),
        ({"source": "s"}, r"missing \['cutoff'\], unknown \[\]"),
        ({"source": "s", "cutoff": 0, "start": 0}, r"missing \[\], unknown \['start'\]"),
    ],
)
def test_a_misspelt_or_missing_parameter_is_refused(
    tmp_path: Path, parameters: dict[str, query.Parameter], told: str
) -> None:
    with connect(tmp_path / "w.duckdb") as connection, pytest.raises(TypeError, match=told):
        query.rows(connection, "06_ledger/turn", **parameters)


def test_every_query_is_named_by_the_warehouse_and_by_nobody_else() -> None:
    named = "\n".join(path.read_text() for path in (ROOT / "warehouse").glob("*.py"))
    for path in query.SQL.rglob("*.sql"):
        by_kind = path.stem.startswith(("append_", "distinct_", "upsert_")) or path.parent.name == "migrations"
        assert path.stem in named or by_kind, f"nothing reads {path}"
    for path in (ROOT / "flows").rglob("*.py"):
        imported = {
            f"{node.module}.{name.name}"
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.ImportFrom) and node.module
            for name in node.names
        }
        assert not imported & {"warehouse.query", "warehouse.connect.connect", "warehouse.connect.transaction"}, path
