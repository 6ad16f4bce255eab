"""Load a query by name and bind its named parameters: SQL lives in ``sql/<nn_stage>/<noun>.sql``."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import duckdb
import pandas as pd
import pyarrow as pa

SQL = Path(__file__).parent / "sql"

Parameter = str | int | float | bool | None | list[str]


@cache
def text(name: str) -> str:
    """The text of a query, such as ``04_update/matured``."""
    return (SQL / f"{name}.sql").read_text()


def statements(name: str) -> list[str]:
    """The statements of a script, in order."""
    without_comments = re.sub(r"--.*", "", text(name))
    return [s.strip() for s in without_comments.split(";") if s.strip()]


MACROS = "00_schema/macros"


@cache
def _needs_macros(name: str) -> bool:
    """Whether a query says one of the words that `MACROS` explains."""
    words = re.findall(r"temp macro (\w+)\(", text(MACROS))
    return re.search(rf"\b({'|'.join(words)})\(", re.sub(r"--.*", "", text(name))) is not None


def _explained(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Tell a connection the macros of a query; they live as long as the connection, and cost more than most queries."""
    if _needs_macros(name):
        connection.execute(text(MACROS))


def frame(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    tables: dict[str, pa.Table] | None = None,
    /,
    **parameters: Parameter,
) -> pd.DataFrame:
    """The rows of a query; `tables` are Arrow tables it reads under their names."""
    _explained(connection, name)
    with registered(connection, tables or {}):
        return connection.execute(text(name), _bound(name, parameters)).df()


def batches(
    connection: duckdb.DuckDBPyConnection, name: str, rows_at_once: int, /, **parameters: Parameter
) -> pa.RecordBatchReader:
    """The rows of a query as Arrow, `rows_at_once` at most in each batch: they leave DuckDB as they are read.

    The connection must stay as it is until they are.
    """
    _explained(connection, name)
    return connection.sql(text(name), params=_bound(name, parameters) or None).to_arrow_reader(rows_at_once)


def table(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    tables: dict[str, pa.Table] | None = None,
    /,
    **parameters: Parameter,
) -> pa.Table:
    """The rows of a query as an Arrow table; `tables` as in `frame`."""
    _explained(connection, name)
    with registered(connection, tables or {}):
        return connection.sql(text(name), params=_bound(name, parameters) or None).to_arrow_table()


def rows(connection: duckdb.DuckDBPyConnection, name: str, **parameters: Parameter) -> list[dict[str, object]]:
    """The rows of a query as dictionaries, for the few that people look at."""
    _explained(connection, name)
    cursor = connection.execute(text(name), _bound(name, parameters))
    columns = [column[0] for column in cursor.description or ()]
    return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def execute(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    tables: dict[str, pa.Table] | None = None,
    /,
    **parameters: Parameter,
) -> None:
    """Run a query that writes; `tables` are Arrow tables it reads under their names."""
    _explained(connection, name)
    with registered(connection, tables or {}):
        connection.execute(text(name), _bound(name, parameters))


def fill(
    connection: duckdb.DuckDBPyConnection, name: str, slots: dict[str, str], **parameters: Parameter
) -> duckdb.DuckDBPyConnection:
    """Run a query about a log, whose shape its description decides; its slots in braces are filled.

    What fills them is made in `warehouse.log_cells` alone, of fixed expressions and quoted names of columns.
    """
    return connection.execute(text(name).format(**slots), parameters or None)


def run_script(connection: duckdb.DuckDBPyConnection, name: str) -> None:
    """Run the statements of a script, in order; they know no parameters."""
    for statement in statements(name):
        connection.execute(statement)


@contextmanager
def registered(connection: duckdb.DuckDBPyConnection, tables: dict[str, pa.Table]) -> Iterator[None]:
    """Let a connection read Arrow tables under their names inside the block."""
    for name, table in tables.items():
        connection.register(name, table)
    try:
        yield
    finally:
        for name in tables:
            connection.unregister(name)


@cache
def parameters_of(name: str) -> frozenset[str]:
    """The named parameters of a query, without their dollar."""
    return frozenset(re.findall(r"\$(\w+)", re.sub(r"--.*", "", text(name))))


def _bound(name: str, parameters: dict[str, Parameter]) -> dict[str, Parameter]:
    """The parameters, if they are just those that the query names.

    Raises
    ------
    TypeError
        If one is missing or unknown; a misspelt one is both.
    """
    wanted = parameters_of(name)
    if wanted != parameters.keys():
        missing, unknown = sorted(wanted - parameters.keys()), sorted(parameters.keys() - wanted)
        raise TypeError(
            f"query {name}: missing {missing}, unknown {unknown}; allowed are {sorted(wanted)}, see {SQL / name}.sql"
        )
    return parameters
