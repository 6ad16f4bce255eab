"""A turn over the decision log: what was eligible by reference or as lists, and what a broken line does to it."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from components.domain import instant_of
from components.ingest.log_lines import OutcomeLine, RequestLine, ServableLine, ShownLine, written
from flows.cli.status import read_status
from flows.daily_loop import daily_loop
from flows.workspace import Workspace
from tests.conftest import TinySource
from tests.loop.test_loop import DAY, command, day, first_generation
from warehouse.connect import connect

pytestmark = pytest.mark.usefixtures("prefect_server")

ITEMS = tuple(str(n) for n in range(40))


def decide(home: Path, *, by_reference: bool, broken: bool = False) -> None:
    """600 requests of the day after generation 1, with slates of two drawn evenly; every impression is told of."""
    rng, at = np.random.default_rng(7), instant_of(day(4))
    lines = [written(ServableLine(1, ITEMS))] if by_reference else []
    for n in range(600):
        shown = []
        for position, item in enumerate(rng.choice(40, 2, replace=False)):
            logit = (1.4 if n % 4 == item % 4 else -0.85) + float(rng.normal(0, 0.1))
            shown.append(ShownLine(f"r{n}-{position}", str(item), position, 1 / (40 - position), logit, logit))
        eligible, when = None if by_reference else ITEMS, at + n * 100_000_000
        lines.append(written(RequestLine(f"r{n}", str(n % 400), when, 1, {}, eligible, tuple(shown))))
        if broken and n == 300:
            lines.append(lines[-1].replace(b'"r300"', b'"r301"'))
        for told in shown:
            likes = rng.random() < 1 / (1 + np.exp(-told.logit))
            lines.append(written(OutcomeLine(told.impression_id, "like", 1, float(likes), when + 9)))
    (home / "decisions").mkdir()
    (home / "decisions" / f"2011-01-29-7-{at}.jsonl").write_bytes(b"".join(lines))


@pytest.fixture(scope="module")
def released(tmp_path_factory: pytest.TempPathFactory, tiny: TinySource, prefect_server: None) -> Path:
    home = tmp_path_factory.mktemp("released") / "home"
    first_generation(home, tiny, tiny.frame[tiny.frame["when"] < 15_004 * DAY])
    return home


def copy(released: Path, to: Path) -> Path:
    shutil.copytree(released, to)
    return to


def test_a_turn_is_the_same_to_the_bit_whether_the_log_names_eligible_items_or_refers_to_them(
    released: Path, tmp_path: Path
) -> None:
    said = {}
    for name, by_reference in (("listed", False), ("referred", True)):
        home = copy(released, tmp_path / name)
        decide(home, by_reference=by_reference)
        record = daily_loop(str(home), day(5))
        assert record.value.estimate is not None, record.reasons
        folder = home / "turns" / str(instant_of(day(5)))
        files = {f: (folder / f).read_bytes() for f in ("evaluation.json", "validation.json", "target.parquet")}
        with connect(home / "warehouse.duckdb") as connection:
            lists = connection.execute("select count(eligible), count(eligible_of) from requests").fetchone()
        assert lists == ((0, 600) if by_reference else (600, 0))
        said[name] = (files, record.value, record.verdict, record.held_out)
    assert said["listed"][3].judged > 50
    assert said["listed"] == said["referred"]


def test_a_broken_line_is_told_by_the_turn_its_page_and_the_status_and_the_rest_is_learned(
    released: Path, tmp_path: Path
) -> None:
    home = copy(released, tmp_path / "home")
    decide(home, by_reference=True, broken=True)
    record = daily_loop(str(home), day(5))
    assert record.requests == 600 and record.impressions == 1200
    (notice,) = record.notices
    assert notice.startswith("1 lines of the decision log are broken and kept aside, the rest is read: 2011-01-29-7-")
    assert "line 903: the line is not as it was written" in notice
    page = (home / "reports" / "turns" / str(instant_of(day(5))) / "validation.html").read_text()
    assert "line 903: the line is not as it was written" in page
    assert len(read_status(Workspace(home)).broken_lines) == 1
    assert "kept aside" in command("status", "--home", str(home))
