"""A path with wildcards means the files that match, and only files of one log."""

from pathlib import Path

import pytest

from components.domain import ContractBroken
from components.ingest.log_files import log_files


def write(path: Path, head: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{head}\n1,2\n")
    return path


def test_the_files_of_folders_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    days = [write(tmp_path / f"day={day}" / "log.csv", "who,what") for day in (2, 1, 3)]
    assert log_files(str(tmp_path / "day=*" / "*.csv")) == sorted(days)


def test_a_path_without_wildcards_is_itself_there_or_not() -> None:
    assert log_files("nowhere/log.parquet") == [Path("nowhere/log.parquet")]


def test_a_file_whose_name_looks_like_a_pattern_is_itself(tmp_path: Path) -> None:
    odd = write(tmp_path / "log[1].csv", "who,what")
    assert log_files(str(odd)) == [odd]


def test_a_pattern_that_matches_nothing_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ContractBroken, match=r"no file matches .*day=.*; quote the pattern") as refused:
        log_files(str(tmp_path / "day=*" / "*.csv"))
    assert "\n" not in str(refused.value)


def test_files_with_different_columns_are_named_both(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "who,what")
    write(tmp_path / "b.csv", "who,when")
    with pytest.raises(
        ContractBroken, match=r"a\.csv and .*b\.csv have different columns: what in .*a\.csv alone; when in"
    ):
        log_files(str(tmp_path / "*.csv"))


def test_a_file_that_cannot_be_read_is_left_to_its_reader(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "who,what")
    (tmp_path / "b.csv").write_bytes(b"")
    assert len(log_files(str(tmp_path / "*.csv"))) == 2
