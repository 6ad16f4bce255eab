"""A path means the files that match, only files of one log, and what their folders say of them."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pa_parquet
import pytest

from components.domain import ContractBroken
from components.ingest.log_files import NOTHING, Folders, log_files


def write(path: Path, head: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"{head}\n1,2\n")
    return path


def found(pattern: Path, *columns: str) -> list[Path]:
    return [file.path for file in log_files(str(pattern), columns)]


def refusal(pattern: Path, *columns: str) -> str:
    with pytest.raises(ContractBroken) as refused:
        log_files(str(pattern), columns)
    assert "\n" not in str(refused.value)
    return str(refused.value)


def test_the_files_of_folders_come_in_the_order_of_their_names(tmp_path: Path) -> None:
    days = [write(tmp_path / f"day={day}" / "log.csv", "who,what") for day in (2, 1, 3)]
    assert found(tmp_path / "day=*" / "*.csv") == found(tmp_path / "day=*") == found(tmp_path) == sorted(days)


def test_a_path_without_wildcards_is_itself_there_or_not() -> None:
    assert found(Path("nowhere/log.parquet")) == [Path("nowhere/log.parquet")]


def test_a_file_whose_name_looks_like_a_pattern_is_itself(tmp_path: Path) -> None:
    odd = write(tmp_path / "log[1].csv", "who,what")
    assert found(odd) == [odd]


def test_a_pattern_that_matches_nothing_is_one_line(tmp_path: Path) -> None:
    assert "day=*/*.csv; quote the pattern" in refusal(tmp_path / "day=*" / "*.csv")


def test_a_folder_without_a_log_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "notes.md").write_text("none")
    assert refusal(tmp_path).startswith(f"no log below {tmp_path}; allowed are .parquet, .csv")


def test_a_file_that_is_no_log_is_refused_where_it_was_asked_for_and_passed_over_in_a_folder(tmp_path: Path) -> None:
    log = write(tmp_path / "a.csv", "who,what")
    write(tmp_path / "notes.md", "none")
    assert "notes.md matches" in refusal(tmp_path / "*")
    assert found(tmp_path) == [log]


@pytest.mark.parametrize("name", ["_temporary/part.csv", ".hidden/part.csv", "_metadata.csv", "._a.csv", "_SUCCESS"])
def test_what_writers_leave_beside_their_files_is_passed_over(name: str, tmp_path: Path) -> None:
    log = write(tmp_path / "a.csv", "who,what")
    write(tmp_path / name, "other")
    assert found(tmp_path) == [log]


def test_links_are_followed_once_and_a_loop_of_them_ends(tmp_path: Path) -> None:
    far = write(tmp_path / "elsewhere" / "a.csv", "who,what")
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "linked").symlink_to(far.parent)
    (logs / "again.csv").symlink_to(far)
    (far.parent / "loop").symlink_to(logs)
    assert found(logs) == [logs / "again.csv"]
    assert found(logs / "**" / "*.csv") == [logs / "again.csv"]


def test_files_with_different_columns_are_named_both(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "who,what")
    write(tmp_path / "b.csv", "who,when")
    said = refusal(tmp_path / "*.csv")
    assert "a.csv and " in said and "have different columns: what in " in said and "; when in " in said


def test_a_column_that_folders_give_to_some_files_alone_tells_them_apart(tmp_path: Path) -> None:
    write(tmp_path / "day=1" / "a.csv", "who,what")
    write(tmp_path / "rest" / "b.csv", "who,what")
    assert "have different columns: day in " in refusal(tmp_path, "day")
    assert len(found(tmp_path)) == 2  # no such column is described


def test_a_file_may_have_the_column_that_a_folder_gives_to_another(tmp_path: Path) -> None:
    write(tmp_path / "day=1" / "a.csv", "who,what")
    write(tmp_path / "day=2" / "b.csv", "").write_text("who,what,day\n1,2,2\n")
    assert [file.folders for file in log_files(str(tmp_path), ["day"])] == [
        Folders({"day": 1}),
        Folders({}, {"day": 2}),
    ]


def test_a_csv_and_a_parquet_file_of_the_same_columns_are_one_log(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "who,what")
    pa_parquet.write_table(pa.table({"what": [1], "who": [2]}), tmp_path / "b.parquet")
    assert len(found(tmp_path)) == 2


@pytest.mark.parametrize(
    ("folders", "values"),
    [
        (["shop=7", "shop=08"], [7, 8]),
        (["shop=7", "shop=x"], ["7", "x"]),
        (["shop=a%20b%2Fc", "shop=%E2%82%AC"], ["€", "a b/c"]),
        ([f"shop={NOTHING}", "shop=7"], [7, None]),
        (["shop=2024-01-31", "shop="], ["", "2024-01-31"]),
        (["sh%6Fp=1", "shop=9999999999999999999"], ["1", "9999999999999999999"]),
    ],
)
def test_what_folders_say_is_a_column(folders: list[str], values: list[object], tmp_path: Path) -> None:
    for name in folders:
        write(tmp_path / name / "a.csv", "who,what")
    said = [file.folders.given["shop"] for file in log_files(str(tmp_path), ["who", "shop"])]
    assert sorted(said, key=str) == sorted(values, key=str)


def test_folders_that_say_two_things_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "day=1" / "day=2" / "a.csv", "who,what")
    assert "say day is '1' and '2'" in refusal(tmp_path, "day")


def test_a_file_that_cannot_be_read_is_left_to_its_reader(tmp_path: Path) -> None:
    write(tmp_path / "a.csv", "who,what")
    (tmp_path / "b.parquet").write_bytes(b"")
    assert len(found(tmp_path / "*")) == 2
