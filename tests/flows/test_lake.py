"""A lake grows, and every look takes what is new, each file once, whoever writes and whatever breaks."""

import json
import multiprocessing
import os
import shutil
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest
from typer.testing import CliRunner

from components.domain import ContractBroken
from flows.cli.commands import app
from flows.cli.exit_codes import BROKEN, explain
from flows.stages.ingest import ingest_file
from flows.stages.lake import LakeTaken, take_lake, take_new
from flows.workspace import Workspace, enter
from tests.flows.lakes import described, look_and_be_killed, name_lake, piece, rows_of, write_piece


@pytest.fixture
def home(tmp_path: Path) -> Workspace:
    name_lake(tmp_path / "home", tmp_path / "lake")
    (tmp_path / "lake").mkdir()
    return enter(tmp_path / "home")


def look(home: Workspace) -> LakeTaken:
    return take_lake(home, described(home.root.parent))


def as_one_file(root: Path, numbers: range) -> list[tuple[object, ...]]:
    path = root / "whole.parquet"
    pa_parquet.write_table(pa.concat_tables([piece(n) for n in numbers]), path)
    home = enter(root / "one")
    ingest_file(home, path, described(root))
    return rows_of(home)


def test_an_empty_lake_brings_nothing_and_is_no_fault(home: Workspace) -> None:
    assert look(home) == LakeTaken()


def test_every_look_takes_what_is_new_and_the_rows_are_those_of_one_file(home: Workspace, tmp_path: Path) -> None:
    taken = []
    for number in (3, 0, 1, 2):  # a partition of long ago may come last
        write_piece(tmp_path / "lake", f"part-{number}", piece(number))
        taken.append([batch.rows for batch in look(home).batches])
    assert taken == [[20]] * 4
    assert look(home).batches == []
    assert rows_of(home) == as_one_file(tmp_path, range(4))


def test_a_pattern_is_a_lake_as_well_as_a_folder(home: Workspace, tmp_path: Path) -> None:
    name_lake(home.root, tmp_path / "lake" / "shop=*" / "*.parquet")
    for number in range(2):
        write_piece(tmp_path / "lake", f"part-{number}", piece(number))
    assert len(look(home).batches) == 2
    assert rows_of(home) == as_one_file(tmp_path, range(2))


@pytest.mark.parametrize("name", ["_part.parquet", ".part.parquet", "part.parquet.tmp", "part.tmp.parquet", "_SUCCESS"])
def test_what_a_writer_has_not_finished_is_passed_over(home: Workspace, tmp_path: Path, name: str) -> None:
    (tmp_path / "lake" / name).write_bytes(b"half")
    assert look(home) == LakeTaken()


def test_a_broken_file_is_named_once_the_others_are_taken_and_it_is_tried_again_when_different(
    home: Workspace, tmp_path: Path
) -> None:
    paths = [write_piece(tmp_path / "lake", f"part-{number}", piece(3 * number)) for number in range(3)]
    whole = paths[1].read_bytes()
    paths[1].write_bytes(whole[:100])
    first = look(home)
    assert len(first.batches) == 2
    assert [line.split(" ")[0] for line in first.refused] == [f"{paths[1]}"]
    assert look(home) == LakeTaken()
    paths[1].write_bytes(whole)
    assert len(look(home).batches) == 1
    assert len(rows_of(home)) == 60


def test_a_file_that_changed_after_it_was_taken_is_refused_in_one_line_and_told_once(
    home: Workspace, tmp_path: Path
) -> None:
    path = write_piece(tmp_path / "lake", "part-0", piece(0))
    look(home)
    before = rows_of(home)
    write_piece(tmp_path / "lake", "part-0", piece(3))
    (line,) = look(home).refused
    assert "was taken and has changed since" in line
    assert f"evercurrent ingest {path}" in line
    assert "\n" not in line
    assert look(home) == LakeTaken()
    assert rows_of(home) == before


def test_the_command_says_by_its_exit_code_that_a_file_was_refused_as_it_does_of_a_file_by_name(
    home: Workspace, tmp_path: Path
) -> None:
    paths = [write_piece(tmp_path / "lake", f"part-{number}", piece(number)) for number in range(2)]
    whole = paths[1].read_bytes()
    paths[1].write_bytes(whole[:100])
    words = ["ingest", "--source", str(described(tmp_path)), "--home", str(home.root)]
    ended = CliRunner().invoke(app, words)
    told = ended.stdout.splitlines()
    assert told[0] == "20 rows received, 20 new, 0 here already, 0 set aside"
    assert told[1].startswith(f"  refused: {paths[1]} ")
    by_name = CliRunner().invoke(app, [*words, str(paths[1])]).exception
    assert by_name and ended.exit_code == explain(by_name).code == BROKEN
    assert CliRunner().invoke(app, words).exit_code == 0  # it was told, and is set aside until it is different
    paths[1].write_bytes(whole[:200])
    again = CliRunner().invoke(app, [*words, "--json"])
    assert again.exit_code == BROKEN and list(json.loads(again.stdout)) == ["refused"]
    paths[1].write_bytes(whole)
    assert CliRunner().invoke(app, words).exit_code == 0
    assert len(rows_of(home)) == 40


def test_a_file_that_was_only_touched_is_none_that_changed(home: Workspace, tmp_path: Path) -> None:
    path = write_piece(tmp_path / "lake", "part-0", piece(0))
    look(home)
    os.utime(path, (1, 1))
    assert look(home) == LakeTaken()


def test_a_file_that_is_gone_or_moved_takes_nothing_away_and_brings_nothing_again(
    home: Workspace, tmp_path: Path
) -> None:
    path = write_piece(tmp_path / "lake", "part-0", piece(0))
    look(home)
    path.rename(path.with_name("elsewhere.parquet"))
    (batch,) = look(home).batches
    assert not batch.new
    shutil.rmtree(path.parent)
    assert look(home) == LakeTaken()
    assert len(rows_of(home)) == 20


def test_a_file_whose_columns_differ_is_named_with_them(home: Workspace, tmp_path: Path) -> None:
    write_piece(tmp_path / "lake", "part-0", piece(0))
    odd = piece(1).rename_columns(["who", "what", "when", "liked", "shop"]).drop_columns(["shop"])
    pa_parquet.write_table(odd, tmp_path / "lake" / "zodd.parquet")
    taken = look(home)
    assert len(taken.batches) == 1
    (line,) = taken.refused
    assert line.endswith("shop in shop=s0/part-0.parquet alone; the files of one log have the same of those that the "
                         "description names")  # fmt: skip


def test_columns_that_the_description_does_not_name_may_come(home: Workspace, tmp_path: Path) -> None:
    write_piece(tmp_path / "lake", "part-0", piece(0))
    write_piece(tmp_path / "lake", "part-1", piece(1).append_column("more", pa.array([1] * 20)))
    assert len(look(home).batches) == 2


def test_a_lake_that_is_not_there_or_not_named_is_told_in_one_line(home: Workspace, tmp_path: Path) -> None:
    (tmp_path / "lake").rmdir()
    with pytest.raises(ContractBroken, match="no lake at"):
        look(home)
    home.settings.write_text("")
    with pytest.raises(ContractBroken, match="names no lake; allowed is a log, or"):
        look(home)


def test_the_loop_takes_the_lake_of_the_home_once_a_description_is_there(home: Workspace, tmp_path: Path) -> None:
    write_piece(tmp_path / "lake", "part-0", piece(0))
    assert take_new(home) is None
    look(home)
    for number in (1, 2):
        write_piece(tmp_path / "lake", f"part-{number}", piece(number))
    batch = take_new(home)
    assert batch is not None
    assert (batch.rows, batch.new) == (40, True)
    assert take_new(home) is None


def write_many(lake: Path, writer: int, files: int) -> None:
    for number in range(files):
        write_piece(lake, f"writer-{writer}-{number}", piece(writer * files + number))
        time.sleep(0.02)


def test_while_several_write_and_one_ingests_nothing_is_lost_and_nothing_is_there_twice(
    home: Workspace, tmp_path: Path
) -> None:
    spawned = multiprocessing.get_context("spawn")
    writers = [spawned.Process(target=write_many, args=(tmp_path / "lake", n, 4)) for n in range(2)]
    for writer in writers:
        writer.start()
    rows = 0
    while any(writer.is_alive() for writer in writers):
        rows += sum(batch.rows for batch in look(home).batches)
    for writer in writers:
        writer.join()
        assert writer.exitcode == 0
    rows += sum(batch.rows for batch in look(home).batches)
    assert rows == 8 * 20
    assert rows_of(home) == as_one_file(tmp_path, range(8))


@pytest.mark.parametrize("where", ["inside", "between"])
def test_an_ingest_that_is_killed_is_gone_on_with(home: Workspace, tmp_path: Path, where: str) -> None:
    for number in range(5):
        write_piece(tmp_path / "lake", f"part-{number}", piece(number))
    look_and_be_killed(home, tmp_path, where)
    assert len(rows_of(home)) == (40 if where == "inside" else 60)
    assert len(look(home).batches) == (3 if where == "inside" else 2)
    assert rows_of(home) == as_one_file(tmp_path, range(5))
