"""Bringing logs in: once per content, once per impression, all or nothing."""

from pathlib import Path

import pandas as pd
import pytest

from components.domain import Window
from components.ingest.interactions import LogTables, canonical
from components.ingest.source import read_source
from tests.conftest import TinySource
from tests.warehouse import frames
from warehouse import facts
from warehouse.append import append_log
from warehouse.connect import Warehouse, connect

NOBODY: dict[str, pd.DataFrame] = {}


def tables_of(tiny: TinySource, rows: slice) -> LogTables:
    return canonical(tiny.frame.iloc[rows], read_source(tiny.description), "the tiny log")


def count(connection: object, table: str) -> int:
    return connection.execute(f"select count(*) from {table}").fetchone()[0]  # type: ignore[attr-defined]


def test_the_same_content_changes_nothing_and_an_overlap_adds_only_what_is_new(
    tmp_path: Path, tiny: TinySource
) -> None:
    first, overlap = tables_of(tiny, slice(0, 100)), tables_of(tiny, slice(50, 150))
    w = Warehouse(tmp_path / "w.duckdb", "tiny")
    with connect(w.path) as connection:
        batch = append_log(w, first, NOBODY, digest="a", path="a")
        assert (batch.rows, batch.duplicates, batch.new) == (100, 0, True)
        again = append_log(w, first, NOBODY, digest="a", path="a")
        assert (again.duplicates, again.new) == (100, False)
        more = append_log(w, overlap, NOBODY, digest="b", path="b")
        assert (more.rows, more.duplicates) == (100, 50)
        assert [count(connection, t) for t in ("requests", "impressions", "outcomes")] == [150, 150, 150]


def test_rows_equal_in_every_column_collapse_and_rows_that_share_an_id_but_differ_stay(
    tmp_path: Path, tiny: TinySource
) -> None:
    tables = tables_of(tiny, slice(0, 2))
    twin = tables.impressions.iloc[[0]]
    liar = twin.assign(position=7)
    doubled = LogTables(tables.requests, pd.concat([tables.impressions, twin, liar]), tables.outcomes)
    w = Warehouse(tmp_path / "w.duckdb", "tiny")
    with connect(w.path) as connection:
        append_log(w, doubled, NOBODY, digest="a", path="a")
        assert count(connection, "impressions") == 3


def test_a_batch_that_breaks_half_way_leaves_nothing_behind(tmp_path: Path, tiny: TinySource) -> None:
    tables = tables_of(tiny, slice(0, 10))
    broken = LogTables(tables.requests, tables.impressions, tables.outcomes.assign(outcome_at="noon"))
    w = Warehouse(tmp_path / "w.duckdb", "tiny")
    with connect(w.path) as connection:
        with pytest.raises(Exception, match="noon"):
            append_log(w, broken, NOBODY, digest="a", path="a")
        assert [count(connection, t) for t in ("requests", "impressions", "batches")] == [0, 0, 0]


@pytest.mark.parametrize(
    ("attribution", "outcome_at", "matured"),
    [
        (None, 50, [(1.0, 50)]),  # explicit: matures when the outcome arrives
        (None, None, []),  # explicit: no outcome is unknown, not 0
        (100.0, 50, [(1.0, 110)]),  # matures when the attribution window closes
        (100.0, 500, [(0.0, 110)]),  # a late outcome does not count
        (100.0, None, [(0.0, 110)]),  # absence after maturity is 0
        (10_000.0, 50, []),  # not matured before the cutoff
    ],
)
def test_absence_before_maturity_is_unknown_and_after_it_zero(
    tmp_path: Path, attribution: float | None, outcome_at: int | None, matured: list[tuple[float, int]]
) -> None:
    second = 1_000_000
    requests = pd.DataFrame(
        {
            "request_id": ["r"],
            "user_id": ["u"],
            "at": [10 * second],
            "generation": [1],
            "context": None,
            "eligible": None,
        }
    )
    impressions = pd.DataFrame(
        {
            "impression_id": ["i"],
            "request_id": ["r"],
            "item_id": ["x"],
            "position": [0],
            "propensity": [0.5],
            "score": [0.0],
            "logit": [0.0],
            "generation": [1],
            "logging_policy": ["g"],
            "at": [10 * second],
        }
    )
    known = [] if outcome_at is None else [outcome_at * second]
    outcomes = pd.DataFrame(
        {
            "impression_id": ["i"] * len(known),
            "kind": "like",
            "reward": 1.0,
            "grade": 7.5,
            "outcome_at": pd.array(known, "int64"),
        }
    )
    w = Warehouse(tmp_path / "w.duckdb", "s")
    append_log(w, LogTables(requests, impressions, outcomes), NOBODY, digest="d", path="p")
    found = frames.matured(w, Window(0, 1000 * second), facts.Maturing("like", attribution))
    assert list(zip(found["reward"], found["matured_at"] // second, strict=True)) == matured
    assert found["grade"].fillna(-1).tolist() == [7.5 if reward else -1 for reward, _ in matured]
