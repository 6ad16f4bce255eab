"""What is read for replay: a sample by the promised odds, the same whatever the grouping of the log."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.domain import DAY
from components.ingest.interactions import LogTables, canonical
from components.ingest.source import read_source
from tests.conftest import TinySource
from tests.warehouse import frames
from warehouse import facts
from warehouse.append import append_log
from warehouse.connect import Warehouse

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
