"""A CSV file says how it is written, or is refused."""

import gzip
from pathlib import Path

import pytest

from components.csv_dialect import SAMPLE, CsvDialect, csv_dialect, read_csv
from components.domain import ContractBroken


def write(folder: Path, content: str | bytes) -> Path:
    path = folder / "log.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("who\n1\n", "has one column, ['who']"),
        ("who what\n1 a\n", "has one column, ['who what']"),
        ("who,what\n1,a,\n", "has 3 fields in row 1 and 2 in its head, separated by ','"),
        ("who;what\n1;a\n2;b;c\n", "has 3 fields in row 2 and 2 in its head, separated by ';'"),
        ("a,b;c\n1,2;3\n", "can be read as 2 columns separated by ',' or ';'"),
    ],
)
def test_a_file_that_can_be_read_in_no_way_or_in_two_is_refused_in_one_line(
    content: str, said: str, tmp_path: Path
) -> None:
    with pytest.raises(ContractBroken) as refused:
        csv_dialect(write(tmp_path, content))
    assert said in str(refused.value) and "allowed are rows of equally many fields" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_an_empty_file_is_left_to_its_reader(tmp_path: Path) -> None:
    assert csv_dialect(write(tmp_path, "")) == CsvDialect()


@pytest.mark.parametrize("rows", ["1;2,500\n2;1,234\n", "1;2,5\n2;1.5\n", "1;1,234,567\n2;0,5\n", "1;x\n2;y, 5\n"])
def test_a_comma_that_may_be_of_thousands_or_of_text_is_no_decimal_comma(rows: str, tmp_path: Path) -> None:
    assert csv_dialect(write(tmp_path, f"a;b\n{rows}")).decimal == "."


def test_times_with_a_comma_before_their_fraction_stay_text(tmp_path: Path) -> None:
    table = read_csv(write(tmp_path, "who;when\n1;2023-01-01 10:00:00,5\n"))
    assert table["when"].to_pylist() == ["2023-01-01 10:00:00,5"]


def test_a_beginning_that_is_cut_in_a_quoted_value_tells_by_the_rows_before_it(tmp_path: Path) -> None:
    long = "x,\n" * (SAMPLE // 3)
    table = read_csv(write(tmp_path, f'who,what\n1,a\n2,"{long}"\n3,c\n'))
    assert table["what"].to_pylist() == ["a", long, "c"]


def test_bars_within_the_values_of_other_separators_are_no_separators(tmp_path: Path) -> None:
    assert csv_dialect(write(tmp_path, "who,could\n1,a|b\n2,c|d\n")).separator == ","


def test_what_is_packed_is_told_by_its_content_and_not_by_its_name(tmp_path: Path) -> None:
    assert csv_dialect(write(tmp_path, gzip.compress(b"who;what\n1;a\n"))) == CsvDialect(";", compressed=True)


def test_a_packed_file_that_was_cut_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="ends too early"):
        csv_dialect(write(tmp_path, gzip.compress(b"who;what\n1;a\n")[:-9]))
