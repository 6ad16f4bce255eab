"""Outcomes that are delivered after their window was closed: learned by the next turn, once, and judging nobody."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.domain import Window
from flows.stages.ingest import ingest_file
from flows.stages.read import read
from flows.stages.results import TurnData
from flows.turn import TurnRecord, open_turn, warehouse_of
from flows.workspace import Workspace
from tests.conftest import DAY
from tests.loop.late_shop import START, LateShop, judged, turn
from tests.warehouse import frames
from warehouse import facts
from warehouse.connect import connect

pytestmark = pytest.mark.usefixtures("prefect_server")

WINDOWED = LateShop(attribution=0.5 * DAY, delay_days=0.1, per_day=300, days=7)
EXPLICIT = LateShop(attribution=None, delay_days=0.1, per_day=300, days=7, slate=2)
FIRST, SECOND, THIRD = 4, 5, 6
"""Days at whose end the turns are: what is delivered late belongs before the second and comes after it."""


def instant(day: float) -> int:
    return int((START + day * DAY) * 1_000_000)


def held_back(shop: LateShop) -> "pd.Series[bool]":
    """Rows of the fourth day of which a third are not heard of, as it is not heard of a click, before the fifth."""
    log = shop.log()
    inside = log["at"].between(START + 3.2 * DAY, START + 4.3 * DAY)
    return inside & (log["bought"] == 1) & (np.arange(len(log)) % 3 == 0)


def opened_without(shop: LateShop, root: Path) -> "tuple[Path, pd.Series[bool]]":
    """A home in which these rows have no outcome yet: they were shown, and nobody knows what came of it."""
    late, log = held_back(shop), shop.log()
    home = shop.open(root, log.assign(bought=log["bought"].astype("Int64").mask(late)))
    return home, late


def delivered(shop: LateShop, home: Path, root: Path, rows: "pd.Series[bool]") -> None:
    """The rows again, with what came of them."""
    log = shop.log()[rows]
    log.to_parquet(root / "again.parquet", index=False)
    ingest_file(Workspace(home), root / "again.parquet", root / "late.toml")


def window_of(home: Path, day: float) -> TurnData:
    return read(open_turn(Workspace(home), instant(day), keep=False))


def names(log: pd.DataFrame) -> set[str]:
    return {f"{request}-{position}" for request, position in zip(log["request"], log["position"], strict=True)}


def shown(frame: pd.DataFrame) -> "pd.Series[str]":
    """Names of what was shown."""
    return frame["request_id"] + "-" + frame["position"].astype(str)


def learned(data: TurnData) -> pd.DataFrame:
    """What the turn has before it, with names of what was shown and whether it is learned before the verdict."""
    rows = data.fresh
    ids = pd.DataFrame({"request_id": rows.request_id.to_pylist(), "position": rows.position})
    return ids.assign(shown=shown(ids), is_open=data.is_open, reward=rows.reward)


@pytest.fixture(scope="module", params=[WINDOWED, EXPLICIT], ids=["attribution", "explicit"])
def shop(request: pytest.FixtureRequest) -> LateShop:
    chosen: LateShop = request.param
    return chosen


Played = tuple[Path, "pd.Series[bool]", list[TurnRecord], TurnData]


@pytest.fixture(scope="module")
def played(shop: LateShop, tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> Played:
    root = tmp_path_factory.mktemp("delivery")
    home, late = opened_without(shop, root)
    records = [turn(home, FIRST), turn(home, SECOND)]
    delivered(shop, home, root, late)
    before = window_of(home, THIRD)
    records += [turn(home, THIRD), turn(home, THIRD + 1)]
    return home, late, records, before


def test_the_next_turn_has_each_of_them_with_what_came(shop: LateShop, played: Played) -> None:
    _, late, _, before = played
    rows = learned(before)
    expected = names(shop.log()[late])
    found = rows[rows["shown"].isin(expected)]
    assert set(found["shown"]) == expected and len(found) == len(expected) > 20
    assert (found["reward"] == 1).all()


def test_they_are_learned_by_one_turn_whoever_is_champion(shop: LateShop, played: Played) -> None:
    home, late, _, _ = played
    w, maturing = warehouse_of(Workspace(home)), facts.Maturing("purchase", shop.attribution)
    windows = [Window(instant(a), instant(b)) for a, b in ((FIRST, SECOND), (SECOND, THIRD), (THIRD, THIRD + 1))]
    of_turns = [shown(frames.matured(w, window, maturing)) for window in windows]
    expected = names(shop.log()[late])
    assert [len(expected & set(found)) for found in of_turns] == [0, len(expected), 0]


def test_they_are_counted_and_said_by_that_turn_alone(played: Played) -> None:
    _, late, records, _ = played
    said = [[n for n in r.notices if "came after their windows were closed" in n] for r in records]
    assert [len(n) for n in said] == [0, 0, 1, 0]
    assert said[2][0].startswith(f"0 impressions and {int(late.sum())} outcomes")
    assert "learned by this turn" in said[2][0]
    assert [(r.late.impressions, r.late.outcomes) for r in records] == [(0, 0), (0, 0), (0, int(late.sum())), (0, 0)]


def test_no_request_is_judged_twice(played: Played) -> None:
    home, _, records, _ = played
    requests = judged(home)
    assert len(requests) == len(set(requests)) == sum(r.held_out.judged for r in records) > 50


def test_what_was_judged_as_nothing_is_learned_as_what_it_was(played: Played, shop: LateShop) -> None:
    """A slate that settled is judged once; one that waited for just this outcome is judged with it."""
    home, late, _, before = played
    rows = learned(before)
    corrected = rows[rows["shown"].isin(names(shop.log()[late]))]
    already = corrected["request_id"].isin(judged(home)[: _judged_by_second(home)])
    if shop.attribution is None:
        assert not already.any() and not corrected["is_open"].all()
    else:
        assert already.any() and corrected["is_open"].all()


def _judged_by_second(home: Path) -> int:
    found = [path for path in home.glob("turns/*/target.parquet") if int(path.parent.name) <= instant(SECOND)]
    return sum(pd.read_parquet(path)["request_id"].nunique() for path in found)


def test_a_late_row_that_breaks_a_contract_is_set_aside_like_any_other(tmp_path: Path) -> None:
    home, late = opened_without(WINDOWED, tmp_path)
    turn(home, FIRST), turn(home, SECOND)
    delivered(WINDOWED, home, tmp_path, late)
    w = warehouse_of(Workspace(home))
    with connect(w.path) as connection:
        connection.execute(
            "update outcomes set reward = 7 where known_from is not null and impression_id = "
            "(select min(impression_id) from outcomes where known_from is not null)"
        )
    record = turn(home, THIRD)
    with connect(w.path) as connection:
        rejected = connection.execute("select table_name, reason from quarantine").fetchall()
    assert len(rejected) == 2 and {table for table, _ in rejected} == {"impressions", "outcomes"}
    assert all("reward" in reason for _, reason in rejected)
    assert not record.halted


def test_impressions_older_than_every_window_are_learned_in_order_of_time(tmp_path: Path) -> None:
    log = WINDOWED.log()
    old = log["at"] < START + 2 * DAY
    home = WINDOWED.open(tmp_path, log[~old])
    turn(home, FIRST)
    delivered(WINDOWED, home, tmp_path, old)
    data = window_of(home, SECOND)
    at = data.fresh.examples.at
    came = at < instant(2)
    assert came.sum() == int(old.sum()) and (np.diff(at[came]) >= 0).all()
    assert data.is_open[came].all()
    (notice,) = turn(home, SECOND).notices
    assert notice.startswith(f"{int(old.sum()):,} impressions and")
