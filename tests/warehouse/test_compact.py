"""The warehouse's file gives back what is free in it, whole or not at all, and nobody goes on with the old one."""

from pathlib import Path

import duckdb
import pytest

from components.domain import ContractBroken
from warehouse import compact as compacting
from warehouse import query
from warehouse.compact import compact
from warehouse.connect import _close_all, connect

TABLES = "select table_name, sql from duckdb_tables() where not internal order by all"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of which most is free, by a name that has to be quoted."""
    path = tmp_path / "it's a warehouse.duckdb"
    with connect(path) as connection:
        connection.execute(
            "insert into impressions by name select 'i' || i as impression_id, 'r' || i as request_id, 's' as source, "
            "md5(i::varchar) as item_id, 0 as position, make_timestamp(i * 1000000) as shown_at, 'b' as batch "
            "from range(600_000) as r(i)"
        )
        connection.execute("insert into users (source, user_id, attributes) values ('s', 'u', '{}')")
        connection.execute("checkpoint")
        connection.execute("delete from impressions where shown_at < make_timestamp(500_000_000_000)")
    return path


def content(path: Path) -> list[object]:
    with connect(path) as connection:
        asked = ("select * from impressions", "select * from users", "select * from migrations", TABLES)
        return [connection.execute(text).fetchall() for text in asked]


def test_the_file_is_smaller_and_holds_the_same_rows_in_the_same_order_under_the_same_keys(path: Path) -> None:
    before, size = content(path), path.stat().st_size
    given_back = compact(path)
    assert given_back > size / 2 and path.stat().st_size == size - given_back
    assert content(path) == before
    with connect(path) as connection, pytest.raises(duckdb.ConstraintException):
        connection.execute("insert into users (source, user_id, attributes) values ('s', 'u', '{}')")
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    assert compact(path) == 0, "little is free now"


def test_what_is_written_afterwards_is_in_the_new_file(path: Path) -> None:
    compact(path)
    with connect(path) as connection:
        connection.execute("insert into users (source, user_id, attributes) values ('s', 'v', '{}')")
    _close_all()
    with duckdb.connect(str(path)) as connection:
        assert connection.execute("select count(*) from users").fetchone() == (2,)


@pytest.mark.parametrize("name", ["fill", "rows"])
def test_killed_while_it_copies_the_old_file_is_there_and_the_rest_of_the_copy_goes(
    path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    before, whole = content(path), getattr(query, name)

    def killed(connection: object, text: str, *rest: object, **parameters: object) -> object:
        if text.endswith(("count_rows", "tables")):
            raise KeyboardInterrupt
        return whole(connection, text, *rest, **parameters)

    monkeypatch.setattr(query, name, killed)
    with pytest.raises(KeyboardInterrupt):
        compact(path)
    monkeypatch.undo()
    assert content(path) == before
    (path.parent / f".{path.name}.1.part").write_text("of a process that is gone")
    assert compact(path) > 0
    assert [p.name for p in path.parent.iterdir()] == [path.name]


def test_a_copy_that_lacks_a_row_is_not_taken(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before, whole = content(path), query.fill

    def short(connection: duckdb.DuckDBPyConnection, name: str, slots: dict[str, str]) -> duckdb.DuckDBPyConnection:
        done = whole(connection, name, slots)
        if name.endswith("copy_database"):
            connection.execute("delete from fresh.users")
        return done

    monkeypatch.setattr(query, "fill", short)
    with pytest.raises(ContractBroken, match="the copy of the warehouse has other rows"):
        compact(path)
    monkeypatch.undo()
    assert content(path) == before


def test_it_is_left_as_it_is_while_somebody_else_uses_it_and_where_there_is_no_room(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with connect(path):
        assert compact(path) == 0
    monkeypatch.setattr(compacting, "ROOM", 1e12)
    assert compact(path) == 0
    assert [p.name for p in path.parent.iterdir()] == [path.name]
