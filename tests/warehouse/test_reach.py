"""How far back a question reads changes nothing in its answer, in whatever order facts came and whatever has gone."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.domain import DAY, Window
from components.ingest.interactions import LogTables
from tests.warehouse import frames
from tests.warehouse.test_old_facts import ENTITIES, EXPLICIT, FIRST, HOUR, IN_A_DAY, NOBODY, Reach, finish, shop, take
from warehouse import facts, reach
from warehouse.append import append_log
from warehouse.connect import Warehouse, connect
from warehouse.facts import Maturing

BEGAN = 4
"""Day of the first window: what was shown before it came after that was closed."""
A_WEEK = Maturing("purchase", 7 * 86_400.0)


def between(log: LogTables, first: float, until: float) -> LogTables:
    """What was asked for in some days of a log, whenever outcomes came; slates that span midnight break a contract."""
    begins = log.requests["at"]
    inside = (begins >= FIRST + first * DAY) & (begins < FIRST + until * DAY) & (begins % DAY < DAY - HOUR)
    asked = log.requests[inside]
    shown = log.impressions[log.impressions["request_id"].isin(asked["request_id"])]
    return LogTables(asked, shown, log.outcomes[log.outcomes["impression_id"].isin(shown["impression_id"])])


def late(log: LogTables) -> LogTables:
    """More outcomes of the same, five days later."""
    return replace(
        log,
        requests=log.requests.iloc[:0],
        impressions=log.impressions.iloc[:0],
        outcomes=log.outcomes.assign(outcome_at=log.outcomes["outcome_at"] + 5 * DAY, reward=0.25, grade=np.nan),
    )


@pytest.fixture(params=[BEGAN, BEGAN - 1.5])
def w(tmp_path: Path, request: pytest.FixtureRequest) -> Warehouse:
    """A shop of which the days up to the parameter came when two turns of the days from the fourth on were done."""
    made, log = Warehouse(tmp_path / "home" / "w.duckdb", "shop"), shop(days=9)
    append_log(made, between(log, BEGAN, BEGAN + 1), ENTITIES, digest="first", path="")
    finish(made, BEGAN + 1)
    append_log(made, between(log, BEGAN + 1, BEGAN + 2), NOBODY, digest="second", path="")
    finish(made, BEGAN + 2)
    old = between(log, 0, request.param)
    append_log(made, old, NOBODY, digest="old days", path="")
    append_log(made, between(log, BEGAN + 2, 9), NOBODY, digest="third", path="")
    append_log(made, late(between(log, 0, BEGAN + 0.5)), NOBODY, digest="late", path="")
    finish(made, BEGAN + 3)
    return made


def answers(w: Warehouse, maturing: Maturing) -> list[pd.DataFrame]:
    """What every question with a bound is answered."""
    found = []
    for day in (BEGAN + 1, BEGAN + 2, BEGAN + 4):
        window = Window(FIRST + (day - 1) * DAY, FIRST + day * DAY)
        found += [
            frames.matured(w, window, maturing),
            frames.matured(w, Window(FIRST + BEGAN * DAY, window.cutoff), maturing),
            facts.unsettled(w, window, maturing),
            facts.answered(w, window, maturing).sort_values(["request_id", "position"]),
            frames.replayed(w, facts.Draw(window.cutoff, 100, 3.0, day), maturing),
        ]
    return found


@pytest.mark.parametrize("maturing", [IN_A_DAY, A_WEEK, EXPLICIT])
@pytest.mark.parametrize("pruned", [False, True])
def test_what_is_asked_is_answered_as_if_everything_were_read(
    w: Warehouse, monkeypatch: pytest.MonkeyPatch, maturing: Maturing, pruned: bool
) -> None:
    if pruned:
        assert take(w, None, Reach(FIRST + (BEGAN + 1) * DAY, FIRST + 20 * DAY, maturing))
    bounded = answers(w, maturing)
    for module in (reach, facts):
        monkeypatch.setattr(module, "asked_since", lambda *_: 0)
    monkeypatch.setattr(facts, "reach", lambda *_: 0)
    for with_bound, without in zip(bounded, answers(w, maturing), strict=True):
        pd.testing.assert_frame_equal(with_bound.reset_index(drop=True), without.reset_index(drop=True))
    assert any(map(len, bounded))


def test_before_the_first_window_only_what_was_shown_until_it_makes_older_requests_worth_a_look(tmp_path: Path) -> None:
    w, log = Warehouse(tmp_path / "w.duckdb", "shop"), shop(days=9)
    began = FIRST + BEGAN * DAY

    def since(instant: int) -> int:
        with connect(w.path) as connection:
            return reach.asked_since(connection, w.source, instant)

    append_log(w, between(log, BEGAN, 9), NOBODY, digest="first", path="")
    assert since(began - HOUR) == 0, "no window has begun"
    finish(w, BEGAN + 1)
    append_log(w, between(log, 0, BEGAN - 1), NOBODY, digest="old days", path="")
    assert since(began - HOUR) == since(began) == began
    assert since(began - 2 * DAY) == 0
    with connect(w.path) as connection:
        connection.execute("insert into impressions by name select * replace ('elsewhere' as source) from impressions")
        connection.execute(
            "update impressions set shown_at = make_timestamp(?) where source = 'elsewhere'", [began - HOUR]
        )
    assert since(began - HOUR) == began, "what another source showed says nothing"
