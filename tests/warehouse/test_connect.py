"""Opening the warehouse while somebody else has it."""

import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.domain import Transient
from warehouse.connect import connect, transaction

HOLD = """
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from warehouse.connect import connect
with connect(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_process_waits_and_then_fails_as_transient_naming_the_file(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(Transient, match=r"held by another process after 0\.3 s"), connect(path, patience=0.3):
            pass
    finally:
        holder.communicate("")
    with connect(path, patience=5) as connection:
        assert connection.execute("select count(*) from requests").fetchone() == (0,)


def test_a_transaction_that_breaks_leaves_nothing(tmp_path: Path) -> None:
    with connect(tmp_path / "w.duckdb") as connection:
        with pytest.raises(RuntimeError, match="half-way"), transaction(connection):
            connection.execute("insert into users (source, user_id) values ('s', 'u')")
            raise RuntimeError("half-way")
        assert connection.execute("select count(*) from users").fetchone() == (0,)


def test_what_was_written_is_in_the_file_itself_when_the_block_ends(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    with connect(path) as connection:
        connection.execute("insert into users (source, user_id) values ('s', 'u')")
    assert not path.with_name("w.duckdb.wal").exists()
    copy = tmp_path / "copy.duckdb"
    shutil.copy(path, copy)
    with connect(copy) as connection:
        assert connection.execute("select user_id from users").fetchall() == [("u",)]


def test_another_process_gets_the_file_a_moment_after_its_last_question(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    with connect(path):
        pass
    said = subprocess.run(
        [sys.executable, "-c", HOLD, str(path)], capture_output=True, text=True, check=True, stdin=subprocess.DEVNULL
    )
    assert said.stdout == "held\n"


def test_a_file_that_was_exchanged_is_the_one_that_is_asked(tmp_path: Path) -> None:
    path, other = tmp_path / "w.duckdb", tmp_path / "other.duckdb"
    for name, user in ((path, "old"), (other, "new")):
        with connect(name) as connection:
            connection.execute("insert into users (source, user_id) values ('s', ?)", [user])
    shutil.copy(other, tmp_path / "copy.duckdb")
    (tmp_path / "copy.duckdb").replace(path)
    with connect(path) as connection:
        assert connection.execute("select user_id from users").fetchall() == [("new",)]


def test_a_question_within_a_question_and_one_beside_it_see_the_same_file(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    with connect(path) as outer:
        outer.execute("insert into users (source, user_id) values ('s', 'u')")
        with connect(path) as inner, ThreadPoolExecutor() as beside:
            count = "select count(*) from users"
            assert inner.execute(count).fetchone() == (1,)
            assert beside.submit(_asked, path, count).result() == (1,)


def _asked(path: Path, question: str) -> object:
    with connect(path) as connection:
        return connection.execute(question).fetchone()


def test_a_process_that_ends_while_the_file_is_still_open_ends_well(tmp_path: Path) -> None:
    path = tmp_path / "w.duckdb"
    write = "import sys, time; from pathlib import Path; from warehouse.connect import connect\n"
    write += (
        "with connect(Path(sys.argv[1])) as c: c.execute('create table big as select range as i from range(3000000)')\n"
    )
    for wait in (0.0, 0.19, 0.2, 0.21):
        said = subprocess.run(
            [sys.executable, "-c", f"{write}time.sleep({wait})", str(path)], capture_output=True, text=True, check=False
        )
        assert (said.returncode, said.stderr) == (0, "")
        with connect(path, patience=5) as connection:
            assert connection.execute("select count(*) from big").fetchone() == (3_000_000,)
        path.unlink()
