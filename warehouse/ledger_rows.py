"""Rows of the ledger by the name of their query: read as types, written from types."""

from typing import TypeVar

from components.frozen import Frozen
from warehouse import query
from warehouse.connect import Warehouse, connect

Record = TypeVar("Record", bound=Frozen)


def rows(w: Warehouse, name: str, **parameters: query.Parameter) -> list[dict[str, object]]:
    """The rows of a query of ``sql/06_ledger``."""
    name = f"06_ledger/{name}"
    with connect(w.path) as connection:
        return query.rows(connection, name, **of_source(w, name), **parameters)


def records(w: Warehouse, name: str, kind: type[Record], **parameters: query.Parameter) -> tuple[Record, ...]:
    """The same as types."""
    return tuple(kind.model_validate(row) for row in rows(w, name, **parameters))


def write(w: Warehouse, name: str, **parameters: query.Parameter) -> None:
    """Run a query of ``sql/06_ledger`` that writes."""
    name = f"06_ledger/{name}"
    with connect(w.path) as connection:
        query.execute(connection, name, **of_source(w, name), **parameters)


def of_source(w: Warehouse, name: str) -> dict[str, query.Parameter]:
    """Generations are numbered across sources: queries by their number need no source."""
    return {"source": w.source} if "source" in query.parameters_of(name) else {}


def parameters(record: Frozen) -> dict[str, query.Parameter]:
    """The fields of a record as a query names them."""
    return {name: list(v) if isinstance(v, tuple) else v for name, v in record.model_dump().items()}


def whole(value: object) -> int:
    """A whole number that a query selects."""
    assert isinstance(value, int), "the query selects a whole number"
    return value
