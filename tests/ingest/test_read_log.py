"""A file becomes a frame, and loses nothing on the way."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.domain import ContractBroken
from components.ingest.cells import ids_of, items_of
from components.ingest.read_log import read_log

LONG = 2**60 + 1


def write(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def test_long_ids_keep_their_digits_beside_missing_ones(tmp_path: Path) -> None:
    table = pa.table(
        {"who": pa.array([LONG, None, LONG + 1]), "could": pa.array([[LONG, None], [LONG + 1], None]), "n": [1, 2, 3]}
    )
    pq.write_table(table, tmp_path / "log.parquet")
    frame = read_log(tmp_path / "log.parquet")
    assert frame.columns.tolist() == ["who", "could", "n"]
    assert ids_of(frame["who"]).dropna().tolist() == [str(LONG), str(LONG + 1)]
    assert frame["could"].map(items_of).tolist() == [[str(LONG)], [str(LONG + 1)], None]


def test_text_that_an_export_marked_as_bytes_is_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"who": pa.array([b"ann", b"\xc3\xa9"])}), tmp_path / "log.parquet")
    assert read_log(tmp_path / "log.parquet")["who"].tolist() == ["ann", "é"]


def test_a_mark_of_byte_order_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", b"\xef\xbb\xbfwho,what\n1,a\n")
    assert read_log(path).columns.tolist() == ["who", "what"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"who,what,who\n1,a,2\n", "has 2 columns named who; one of each name is allowed"),
        ("who,what\né,a\n".encode("latin-1"), "column who is not text in UTF-8"),
    ],
    ids=["a name twice", "another encoding"],
)
def test_a_file_whose_columns_cannot_be_told_is_refused_in_one_line(
    tmp_path: Path, content: bytes, message: str
) -> None:
    with pytest.raises(ContractBroken, match=message) as refused:
        read_log(write(tmp_path / "log.csv", content))
    assert "\n" not in str(refused.value)
