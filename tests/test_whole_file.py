"""Whole or not at all, and readable by others than its writer."""

from pathlib import Path

import pytest

from components.whole_file import write_whole


@pytest.mark.parametrize("durable", [False, True])
def test_a_file_is_replaced_and_nothing_else_stays(tmp_path: Path, durable: bool) -> None:
    path = tmp_path / "new folder" / "page.html"
    for text in ("first", "second"):
        write_whole(path, lambda part, text=text: part.write_text(text), durable=durable)
        assert path.read_text() == text
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_write_that_breaks_leaves_the_old_file_and_no_other(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    path.write_text("old")

    def broken(part: Path) -> None:
        part.write_text("half")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_whole(path, broken)
    assert [p.name for p in tmp_path.iterdir()] == ["page.html"]
    assert path.read_text() == "old"
