"""The made log is what it says it is, and the floor of its ingest does the same work."""

from datetime import UTC
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
import typer

from benchmarks.scale import measure, sizes_of
from benchmarks.scale_log import ATTRIBUTION, DESCRIPTION, Day, days, write_log
from benchmarks.scale_process import measured
from benchmarks.scale_work import floor, old
from components.domain import SECOND, EvercurrentError, instant_of
from components.ingest.source import read_source
from flows.stages.ingest import ingest_file
from flows.workspace import Workspace
from warehouse.connect import connect

IMPRESSIONS = 20_000


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("scale")
    write_log(IMPRESSIONS, folder, seed=1)
    return folder


def read(log: Path, number: int) -> pd.DataFrame:
    return pd.read_parquet(log / f"day{number}.parquet")


def test_the_days_follow_each_other_and_hold_what_was_asked_for(log: Path) -> None:
    for day in days(IMPRESSIONS):
        shown = read(log, day.number)
        assert len(shown) == day.impressions
        assert shown["shown_at"].is_monotonic_increasing and shown["shown_at"].is_unique
        assert day.begins <= shown["shown_at"].min() and shown["shown_at"].max() < day.ends
    assert days(IMPRESSIONS)[0].ends == days(IMPRESSIONS)[1].begins
    assert [day.impressions for day in days(10_000_000)] == [10_000_000, 10_000_000, 1_000]


def test_the_same_seed_gives_the_same_log_and_another_another(log: Path, tmp_path: Path) -> None:
    write_log(IMPRESSIONS, tmp_path / "same", seed=1)
    write_log(IMPRESSIONS, tmp_path / "other", seed=2)
    assert read(tmp_path / "same", 1).astype(str).equals(read(log, 1).astype(str))
    assert (read(tmp_path / "other", 1)["user_id"] != read(log, 1)["user_id"]).mean() > 0.9


def test_ten_different_items_are_eligible_and_the_shown_one_is_one_of_them(log: Path) -> None:
    shown = read(log, 0)
    assert shown["eligible"].map(lambda ids: len(set(ids))).eq(10).all()
    assert all(item in eligible for item, eligible in zip(shown["item_id"], shown["eligible"], strict=True))


@pytest.mark.parametrize("known", ["everybody", "user", "first item"])
def test_propensities_are_true_whatever_is_known_of_the_request(log: Path, known: str) -> None:
    shown = pd.concat([read(log, 0), read(log, 1)])
    first = shown["eligible"].str[0]
    parts = {"everybody": np.zeros(len(shown)), "user": shown["user_id"].to_numpy(), "first item": first.to_numpy()}
    hits = (first == shown["item_id"]).groupby(parts[known]).agg(["sum", "count"])
    z = (hits["sum"] - 0.37 * hits["count"]) / np.sqrt(hits["count"] * 0.37 * 0.63)
    assert z.abs().max() < 5 and abs(z.mean()) < 5 / np.sqrt(len(z))
    assert (shown["propensity"] == np.where(first == shown["item_id"], 0.37, 0.07)).all()


def test_users_come_back_and_a_few_make_many_requests(log: Path) -> None:
    first, second = (read(log, number)["user_id"] for number in (0, 1))
    assert second.isin(first.unique()).mean() > 0.99
    counts = first.value_counts()
    assert counts.iloc[: len(counts) // 10].sum() / len(first) == pytest.approx(np.sqrt(0.1), abs=0.03)


def test_a_quarter_of_the_users_like_another_kind_the_next_day(log: Path) -> None:
    for number, turned in ((0, 0), (1, 1)):
        shown = read(log, number)
        user, item = (shown[c].str[1:].astype(int) for c in ("user_id", "item_id"))
        of_quarter = user % 4 == 3
        liked = (user + np.where(of_quarter, turned, 0)) % 8 == item % 8
        for part in (of_quarter, ~of_quarter):
            gain = shown["clicked"][part & liked].mean() - shown["clicked"][part & ~liked].mean()
            assert gain == pytest.approx(0.2, abs=0.06)


def test_the_floor_writes_the_rows_that_the_ingest_writes(log: Path, tmp_path: Path) -> None:
    home = Workspace(tmp_path / "home")
    ingest_file(home, log / "day2.parquet", log / "source.toml")
    floor(log / "day2.parquet", tmp_path)
    with connect(home.database) as ours, duckdb.connect(str(tmp_path / "floor.duckdb")) as plain:
        for table in ("requests", "impressions", "outcomes"):
            question = f"select * exclude (batch) from {table} order by all"
            rows = ours.execute(question).fetchall()
            assert len(rows) == days(IMPRESSIONS)[2].impressions
            assert plain.execute(question).fetchall() == rows, table


def test_old_days_come_before_the_first_and_are_of_the_same_users_and_items(log: Path, tmp_path: Path) -> None:
    home = Workspace(tmp_path)
    ingest_file(home, log / "day2.parquet", log / "source.toml")
    old(tmp_path, 500, IMPRESSIONS, 1)
    with connect(home.database) as connection:
        question = "select count(*), min(shown_at), max(shown_at) from impressions where batch = 'floor'"
        rows, first, last = connection.sql(question).fetchall()[0]
        users = {user for (user,) in connection.sql("select user_id from requests where batch = 'floor'").fetchall()}
    day = Day(-1, 500)
    assert rows == 500 and day.begins <= instant_of(first.replace(tzinfo=UTC))
    assert instant_of(last.replace(tzinfo=UTC)) < day.ends == days(IMPRESSIONS)[0].begins
    assert users <= {f"u{number}" for number in range(IMPRESSIONS // 20)} and len(users) > 100
    assert not (tmp_path / "old.parquet").exists()


def test_the_description_says_when_an_outcome_is_known() -> None:
    source = read_source(DESCRIPTION)
    assert source.attribution is not None and source.attribution * SECOND == ATTRIBUTION


def test_a_process_that_fails_is_told_with_its_last_line() -> None:
    with pytest.raises(EvercurrentError, match=r"ended with code 1; it said: .*No module named benchmarks.nothing"):
        measured("benchmarks.nothing")


@pytest.mark.parametrize("sizes", ["1e5,many", "999", "1e9", "nan", "inf", ""])
def test_a_size_that_is_none_is_refused_at_once(sizes: str) -> None:
    with pytest.raises(typer.BadParameter, match="allowed are numbers from 1,000 to 100,000,000, by comma"):
        sizes_of(sizes)


def test_sizes_are_numbers_by_comma() -> None:
    assert sizes_of("1e5,1e6,2000") == [100_000, 1_000_000, 2_000]


def test_a_home_that_was_measured_before_is_refused_because_its_ingests_would_cost_nothing(tmp_path: Path) -> None:
    with pytest.raises(EvercurrentError, match="exists already; name another --home, or remove it"):
        measure(1_000, tmp_path, 0)
