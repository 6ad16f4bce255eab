"""Opening the warehouse while somebody else has it."""

import subprocess
import sys
from pathlib import Path

import pytest

from components.domain import Transient
from warehouse.connect import connect, transaction

HOLD = """
import sys
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
