"""The page of sources: the lake that it names is taken as it says."""

import tomllib
from pathlib import Path

import pytest

from components.settings import Settings
from flows.workspace import Workspace
from tests.docs.test_docs import ROOT, blocks, run
from tests.flows.lakes import described, piece, rows_of, write_piece

TEXT = (ROOT / "docs" / "sources.md").read_text()
LAKE = TEXT.split("## A lake that grows\n")[1].split("\n## ")[0]


@pytest.fixture
def impressions(tmp_path: Path) -> Path:
    """What others write, beside the home that the page names and its description."""
    described(tmp_path).rename(tmp_path / "my.toml")
    (settings,) = blocks(LAKE, "toml")
    Settings.model_validate(tomllib.loads(settings))
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "evercurrent.toml").write_text(settings)
    return tmp_path / "impressions"


def test_the_lake_of_the_page_is_taken_and_the_second_time_what_is_new(tmp_path: Path, impressions: Path) -> None:
    (command,) = blocks(LAKE, "sh")
    write_piece(impressions, "part-0", piece(0))
    write_piece(impressions, "_part-1", piece(1))
    assert run(command, tmp_path).stdout.startswith("20 rows received, 20 new")
    write_piece(impressions, "part-1", piece(1))
    assert run(command, tmp_path).stdout.startswith("20 rows received, 20 new")
    assert len(rows_of(Workspace(tmp_path / "shop"))) == 40


def test_so_is_a_delta_table_at_its_place(tmp_path: Path, impressions: Path) -> None:
    deltalake = pytest.importorskip("deltalake")
    (command,) = blocks(LAKE, "sh")
    for number in range(2):
        deltalake.write_deltalake(impressions, piece(number), mode="append")
    assert run(command, tmp_path).stdout.startswith("40 rows received, 40 new")
    assert len(rows_of(Workspace(tmp_path / "shop"))) == 40
