"""A warehouse of an earlier release is brought to this one's tables, one of a newer is left alone."""

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from components.domain import ContractBroken, Transient
from warehouse import migrate
from warehouse.connect import _close_all, connect
from warehouse.query import statements

EARLIER = Path(__file__).with_name("earlier")
RELEASES = ("0.1", "0.2", "0.3", "unnumbered")
"""Whose tables are written down in `EARLIER`, as those releases laid them out."""
COLUMNS = """
select table_name, column_name, data_type, is_nullable, column_default
from duckdb_columns() where not internal order by all
"""
KEYS = """
select table_name, constraint_type, constraint_column_names
from duckdb_constraints() where constraint_type in ('PRIMARY KEY', 'UNIQUE') order by all
"""


def made_by(release: str, path: Path) -> Path:
    """A file as a release left it, with an outcome, a user and a turn."""
    script = (EARLIER / f"{release}.sql").read_text()
    reward = "reward" if "reward double" in script else "value"
    with duckdb.connect(str(path)) as connection:
        connection.execute(script)
        connection.execute(
            f"insert into outcomes (impression_id, source, kind, {reward}, outcome_at, batch) "
            "values ('i', 's', 'click', 0.5, '2024-01-01', 'b')"
        )
        connection.execute("insert into users (source, user_id, attributes) values ('s', 'u', '{}')")
        connection.execute("insert into windows (source, cutoff, start) values ('s', '2024-01-02', '2024-01-01')")
    return path


@pytest.mark.parametrize("release", RELEASES)
def test_a_file_of_an_earlier_release_has_the_tables_of_a_new_one_and_its_rows(tmp_path: Path, release: str) -> None:
    path = made_by(release, tmp_path / "w.duckdb")
    with connect(path) as old, connect(tmp_path / "new.duckdb") as new:
        for asked in (COLUMNS, KEYS, "select * from migrations order by all"):
            assert old.execute(asked).fetchall() == new.execute(asked).fetchall()
        assert old.execute("select impression_id, reward, grade from outcomes").fetchall() == [("i", 0.5, None)]
        assert old.execute("select user_id, changed_at from users").fetchall() == [("u", None)]
        assert old.execute("select finished from windows").fetchall() == [(False,)]


@pytest.mark.parametrize("release", RELEASES)
def test_what_it_was_is_kept_beside_it_under_its_number(tmp_path: Path, release: str) -> None:
    path = made_by(release, tmp_path / "w.duckdb")
    before = path.read_bytes()
    with connect(path):
        pass
    kept = [file.name for file in tmp_path.glob("w.*.duckdb")]
    assert kept == [f"w.{0 if release in ('0.1', '0.2') else 1:04d}.duckdb"]
    assert (tmp_path / kept[0]).read_bytes() == before


def test_a_file_of_this_release_is_neither_migrated_nor_copied(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    with connect(path):
        pass
    _close_all()
    before = path.read_bytes()
    with connect(path) as connection:
        assert migrate.layout(connection) == migrate.newest()
    _close_all()
    assert path.read_bytes() == before
    assert sorted(file.name for file in tmp_path.iterdir()) == ["w.duckdb"]


def test_a_file_of_a_newer_release_is_refused_in_one_line_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    with connect(path) as connection:
        connection.execute("insert into migrations values (9999, '9999_tomorrow')")
    _close_all()
    before = path.read_bytes()
    with pytest.raises(ContractBroken, match="newer Evercurrent: its layout is 9999, known") as told, connect(path):
        pass
    assert "\n" not in str(told.value)
    assert path.read_bytes() == before


def test_a_migration_that_breaks_leaves_the_file_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made_by("0.2", tmp_path / "w.duckdb")
    ran: list[str] = []

    def broken(name: str) -> list[str]:
        ran.append(name)
        return ["select broken from nowhere"] if name.endswith("0002_operations") else statements(name)

    monkeypatch.setattr("warehouse.migrate.query.statements", broken)
    with pytest.raises(duckdb.CatalogException, match="nowhere"), connect(path):
        pass
    assert ran[-1] == "migrations/0002_operations"
    with duckdb.connect(str(path), read_only=True) as connection:
        assert connection.execute("select value from outcomes").fetchall() == [(0.5,)]
        assert migrate.layout(connection) == 0
    monkeypatch.undo()
    with connect(path) as connection:
        assert connection.execute("select reward from outcomes").fetchall() == [(0.5,)]


def test_a_process_killed_while_it_migrates_leaves_a_file_that_the_next_one_migrates(tmp_path: Path) -> None:
    path = made_by("0.2", tmp_path / "w.duckdb")
    killed = f"""
import os
from pathlib import Path
import warehouse.migrate as m
from warehouse.connect import connect
m._record = lambda *_: os.kill(os.getpid(), 9)
with connect(Path({str(path)!r})): pass
"""
    assert subprocess.run([sys.executable, "-c", killed], check=False).returncode == -9
    with connect(path) as connection:
        assert connection.execute("select reward from outcomes").fetchall() == [(0.5,)]
        assert migrate.layout(connection) == migrate.newest()


def test_a_disk_without_room_for_the_copy_changes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = made_by("0.3", tmp_path / "w.duckdb")
    before = path.read_bytes()

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("warehouse.migrate.shutil.copyfile", full)
    with (
        pytest.raises(Transient, match=r"cannot back up warehouse .*No space left.*nothing was"),
        connect(path),
    ):
        pass
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["w.duckdb"]


def test_migrations_are_numbered_without_a_gap() -> None:
    assert list(migrate.scripts()) == list(range(1, migrate.newest() + 1))
