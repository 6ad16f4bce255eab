"""What is read for replay: a sample by the promised odds, the same whatever the grouping of the log."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from components.domain import DAY, SECOND, Window
from components.ingest.interactions import LogTables, canonical
from components.ingest.source import read_source
from tests.conftest import TinySource
from tests.warehouse import frames
from warehouse import facts, ledger, query
from warehouse.append import append_log
from warehouse.connect import Warehouse, connect

CUTOFF = 15_008 * DAY


def tables(tiny: TinySource) -> LogTables:
    return canonical(tiny.frame, read_source(tiny.description), "log")


@pytest.fixture(scope="module")
def logged(tmp_path_factory: pytest.TempPathFactory, tiny: TinySource) -> Warehouse:
    w = Warehouse(tmp_path_factory.mktemp("facts") / "w.duckdb", "tiny")
    append_log(w, tables(tiny), {}, digest="a", path="a")
    return w


def drawn(w: Warehouse, half_life: float, rows: int = 400, seed: int = 0) -> pd.DataFrame:
    return frames.replayed(w, facts.Draw(CUTOFF, rows, half_life, seed), facts.Maturing("like", None))


@pytest.mark.parametrize("half_life", [1.0, 3.0, 1e6])
def test_a_half_life_prefers_the_new_by_the_promised_odds(
    logged: Warehouse, tiny: TinySource, half_life: float
) -> None:
    at = tiny.frame["when"].to_numpy() / 86_400
    weight, young = 2.0 ** ((at - at.max()) / half_life), at >= 15_004
    expected = weight[young].sum() / weight.sum()
    kept = np.concatenate([drawn(logged, half_life, 100, seed)["at"].to_numpy() / DAY >= 15_004 for seed in range(8)])
    assert abs(kept.mean() - expected) < 4 * (expected * (1 - expected) / len(kept)) ** 0.5 + 1e-3


def test_the_draw_does_not_depend_on_the_batches_in_which_the_log_came(
    logged: Warehouse, tiny: TinySource, tmp_path: Path
) -> None:
    whole, twin = tables(tiny), Warehouse(tmp_path / "w.duckdb", "tiny")
    for part in (1, 0):
        belongs = whole.impressions.index % 2 == part
        ids = set(whole.impressions[belongs]["impression_id"])
        append_log(
            twin,
            LogTables(
                whole.requests[whole.requests["request_id"].isin(set(whole.impressions[belongs]["request_id"]))],
                whole.impressions[belongs],
                whole.outcomes[whole.outcomes["impression_id"].isin(ids)],
            ),
            {},
            digest=f"part {part}",
            path="part",
        )
    pd.testing.assert_frame_equal(drawn(twin, 3.0), drawn(logged, 3.0))


def test_more_room_than_rows_draws_all_and_the_past_of_nothing_is_empty(logged: Warehouse, tiny: TinySource) -> None:
    everything = drawn(logged, 3.0, 10**6)
    assert len(everything) == len(tiny.frame)
    assert everything["at"].is_monotonic_increasing
    assert frames.replayed(logged, facts.Draw(15_000 * DAY, 10, 3.0, 0), facts.Maturing("like", None)).empty


THINNED = {15_000: 16, 15_001: 16, 15_002: 8, 15_003: 4, 15_004: 4, 15_005: 4, 15_006: 4, 15_007: 4}
"""Day -> one in how many of its seconds is looked at."""


def candidates(w: Warehouse, least: int, seed: int = 7) -> tuple[list[tuple[object, ...]], int]:
    """The candidates of a draw in its order, and how many rows the scan of the impressions handed on to find them."""
    parts = pa.table({"day": pa.array(THINNED, pa.int64()), "part": pa.array(THINNED.values(), pa.int64())})
    asked: dict[str, query.Parameter] = {"since": 15_000 * DAY, "cutoff": CUTOFF, "candidates": 10**6, "least": least}
    asked |= {"source": w.source, "half_life_days": 3.0, "seed": seed}
    explained = "explain (analyze, format json) " + query.text("04_update/replay_candidates")
    with connect(w.path) as connection, query.registered(connection, {"parts": parts}):
        ((_, done),) = connection.execute(explained, asked).fetchall()
        found = connection.sql("from replay_candidates").fetchall()
    (whole,) = json.loads(done)["operator"]
    return found, handed_on(whole, "impressions")


def handed_on(operator: dict[str, Any], table: str) -> int:
    """Rows that the scans of a table handed on, in DuckDB's account of a query."""
    own = operator["intermediate_rows"] if operator["extra_info"].get("Table", "").endswith(f".{table}") else 0
    return int(own) + sum(handed_on(child, table) for child in operator.get("children", ()))


def test_what_the_scan_of_a_thinned_past_leaves_out_is_no_candidate_in_whatever_order_it_came(
    tiny: TinySource, tmp_path: Path
) -> None:
    w, whole = Warehouse(tmp_path / "w.duckdb", "tiny"), tables(tiny)
    append_log(w, since(whole, 15_003 * DAY), {}, digest="new", path="new")
    rejected = whole.impressions["impression_id"].iloc[-50:]
    reasons = pd.DataFrame({"table_name": "impressions", "row_id": rejected, "reason": "odd"})
    ledger.record_validation(w, Window(15_003 * DAY, CUTOFF), 0, reasons, "{}")
    append_log(w, whole, {}, digest="old days, after it", path="old")
    (found, looked_at), (expected, everything) = candidates(w, 4), candidates(w, 1)
    assert found == expected and len(found) > 20 and not {row[0] for row in found} & set(rejected)
    assert everything == len(whole.impressions) and looked_at < everything / 2, "the scan must leave out three in four"


@pytest.mark.parametrize("ahead", [0, 7], ids=["in the second of the slate", "seconds before it"])
def test_a_thinned_draw_finds_what_was_asked_for_whenever_that_was(
    ahead: int, tiny: TinySource, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log, w = tables(tiny), Warehouse(tmp_path / "w.duckdb", "tiny")
    earlier = log.requests.assign(at=log.requests["at"] - ahead * SECOND)
    append_log(w, LogTables(earlier, log.impressions, log.outcomes), {}, digest="a", path="a")
    monkeypatch.setattr("warehouse.reach.parts_of", lambda days, *_: np.array([THINNED[day] for day in days]))
    thinned = drawn(w, 3.0, 10**6)
    asked_by = tiny.frame.set_index(log.impressions["impression_id"].to_numpy())["who"].astype(str)
    assert 20 < len(thinned) < len(tiny.frame) / 3
    assert thinned["user_id"].tolist() == asked_by.loc[thinned["impression_id"]].tolist()
    assert set(thinned["impression_id"]) == {row[0] for row in candidates(w, 4, seed=0)[0]}


def since(log: LogTables, instant: int) -> LogTables:
    """What a log has of an instant and after it."""
    late = log.impressions[log.impressions["at"] >= instant]
    return LogTables(
        log.requests[log.requests["request_id"].isin(late["request_id"])],
        late,
        log.outcomes[log.outcomes["impression_id"].isin(late["impression_id"])],
    )
