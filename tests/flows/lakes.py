"""A small log cut into pieces, written as others write a lake; what a home has of it."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pa_parquet

from flows.workspace import Workspace
from tests.conftest import ROOT
from warehouse.connect import connect

START = 1_700_000_000
KILLED = """
import os, signal, sys
from pathlib import Path
import warehouse.append as append
from flows.stages.lake import take_lake
from flows.workspace import enter
real, calls = append.enter_file, []
def enter_file(*of):
    real(*of)
    calls.append(of)
    if len(calls) == 3 and sys.argv[3] == "inside":
        os.kill(os.getpid(), signal.SIGKILL)
append.enter_file = enter_file
import flows.stages.lake as lake
bring = lake.bring_file
def brought(*of):
    if len(calls) == 3 and sys.argv[3] == "between":
        os.kill(os.getpid(), signal.SIGKILL)
    return bring(*of)
lake.bring_file = brought
take_lake(enter(Path(sys.argv[1])), Path(sys.argv[2]))
"""
DESCRIPTION = """
name = "tiny"
title = "A tiny log"

[columns]
user_id = "who"
item_id = "what"

[time]
column = "when"
unit = "s"

[outcome]
column = "liked"
kind = "like"
equals = 1

[[fields]]
name = "user"
kind = "id"
of = "user"

[[fields]]
name = "item"
kind = "id"
of = "item"

[[fields]]
name = "shop"
kind = "categorical"
of = "context"
"""


def described(root: Path) -> Path:
    """The description, in a file."""
    path = root / "tiny.toml"
    path.write_text(DESCRIPTION)
    return path


def piece(number: int, rows: int = 20) -> pa.Table:
    """Rows that no other piece has."""
    ids = range(number * rows, number * rows + rows)
    return pa.table(
        {
            "who": [f"u{n % 7}" for n in ids],
            "what": [f"i{n}" for n in ids],
            "when": [START + n for n in ids],
            "liked": [n % 2 for n in ids],
            "shop": pa.array([f"s{number % 3}"] * rows),
        }
    )


def write_piece(lake: Path, name: str, table: pa.Table) -> Path:
    """A piece as Hive writes it: the shop is the folder's, and the file appears whole."""
    folder = lake / f"shop={table['shop'][0].as_py()}"
    folder.mkdir(parents=True, exist_ok=True)
    unfinished, path = folder / f"_{name}.inprogress", folder / f"{name}.parquet"
    pa_parquet.write_table(table.drop_columns(["shop"]), unfinished)
    unfinished.replace(path)
    return path


def name_lake(home: Path, lake: Path, more: str = "") -> None:
    """Let the settings of a home name its lake."""
    home.mkdir(parents=True, exist_ok=True)
    (home / "evercurrent.toml").write_text(f'[lake]\npath = "{lake}"\n{more}')


def rows_of(home: Workspace) -> list[tuple[object, ...]]:
    """Every impression with its request and outcome, in order."""
    asked = (
        "select i.item_id, r.user_id, r.context::varchar, epoch_us(i.shown_at), o.reward from impressions i "
        "join requests r using (request_id) left join outcomes o using (impression_id) order by all"
    )
    with connect(home.database) as connection:
        return connection.execute(asked).fetchall()


def look_and_be_killed(home: Workspace, root: Path, where: str) -> None:
    """A look at the lake of a home in a process that is killed at its third file: `inside` the transaction that enters
    it, or `between` it and the next one's."""
    words = [sys.executable, "-c", KILLED, str(home.root), str(described(root)), where]
    done = subprocess.run(words, check=False, env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert done.returncode == -signal.SIGKILL
