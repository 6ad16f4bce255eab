"""Outcomes that come after their turn: judged when they have matured, once, by a challenger that never learned them."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.domain import ContractBroken, Verdict, Window
from components.evaluate.holdout import Holdout
from components.evaluate.read_evaluation import read_evaluation
from components.publish.snapshot import resumed
from components.serving.served import Served
from flows.stages.drift import measure_drift
from flows.stages.forget import released
from flows.stages.memory import refresh_memory
from flows.stages.read import read
from flows.stages.results import Challenger, Champion, TurnData
from flows.stages.update import update
from flows.turn import TurnRecord, open_turn, warehouse_of
from flows.workspace import Workspace
from tests.conftest import DAY
from tests.loop.late_shop import START, LateShop, judged, turn
from warehouse import facts, ledger

pytestmark = pytest.mark.usefixtures("prefect_server")

TWO_DAYS = LateShop(attribution=2 * DAY, delay_days=0.4, days=9)


def held_requests(shop: LateShop, home: Path, first: float, last: float) -> set[str]:
    """The requests of the days that are held out, by the rule alone."""
    windows = [w for w in _windows(home) if w.start >= (START + first * DAY) * 1_000_000]
    log = shop.log().drop_duplicates("request")
    at = log["at"].to_numpy(np.int64) * 1_000_000
    chosen = Holdout(windows, 0.4, 0.0, 0.0).chosen(log["user"].astype(str).to_numpy(object), at)
    return set(log["request"][chosen & (at < (START + last * DAY) * 1_000_000)])


def _windows(home: Path) -> list[Window]:
    return list(ledger.windows(warehouse_of(Workspace(home)), 0, 2**62))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> tuple[Path, list[TurnRecord]]:
    home = TWO_DAYS.open(tmp_path_factory.mktemp("late"))
    return home, [turn(home, day) for day in (3, 4, 5, 6, 7, 8, 9)]


def test_a_daily_loop_with_a_window_of_two_days_judges_and_promotes(played: tuple[Path, list[TurnRecord]]) -> None:
    _, records = played
    assert records[0].verdict is Verdict.PROMOTE, "generation 1"
    assert [r.held_out.judged > 0 for r in records] == [False, False, False, True, True, True, True]
    assert sum(r.verdict is Verdict.PROMOTE for r in records[1:]) >= 2


def test_every_held_out_request_is_judged_exactly_once(played: tuple[Path, list[TurnRecord]]) -> None:
    home, records = played
    requests = judged(home)
    assert len(requests) == len(set(requests)) == sum(r.held_out.judged for r in records)
    assert set(requests) == held_requests(TWO_DAYS, home, 3, 7)


def test_what_waits_is_counted_and_said(played: tuple[Path, list[TurnRecord]]) -> None:
    home, records = played
    assert records[1].verdict is Verdict.HOLD
    assert records[1].held_out.waiting > 0
    waiting = f"{records[1].held_out.waiting} wait for outcomes"
    assert any("no held-out request can be judged by this turn" in r and waiting in r for r in records[1].reasons)
    last = sorted(home.glob("turns/*/evaluation.json"))[-1]
    found = read_evaluation(last.read_text()).held_out
    assert found is not None and found.judged == records[-1].held_out.judged
    assert "held-out requests:" in (home / "reports" / "turns" / last.parent.name / "evaluation.html").read_text()


@pytest.mark.parametrize("attribution", [1.0, 3.0], ids=["as long as the turn", "longer than the turn"])
def test_any_attribution_ends_every_turn_with_a_verdict(attribution: float, tmp_path: Path) -> None:
    shop = LateShop(attribution=attribution * DAY, delay_days=0.3, per_day=300, days=8)
    home = shop.open(tmp_path)
    records = [turn(home, day) for day in (4, 5, 6, 7, 8)]
    assert all(r.verdict in (Verdict.PROMOTE, Verdict.HOLD) and r.reasons for r in records)
    requests = judged(home)
    assert len(requests) == len(set(requests))
    assert set(requests) == held_requests(shop, home, 4, 8 - attribution)


def test_a_turn_judges_no_more_than_it_may_and_learns_the_rest_all_the_same(tmp_path: Path) -> None:
    shop = LateShop(attribution=0.5 * DAY, delay_days=0.1, per_day=300, days=5)
    home = shop.open(tmp_path)
    with (home / "evercurrent.toml").open("a") as settings:
        settings.write("max_requests = 60\n")
    records = [turn(home, day) for day in (3, 4, 5)]
    for record in records[1:]:
        (reason,) = [why for why in record.held_out.dropped if "max_requests is 60" in why]
        assert record.held_out.judged == 60 and record.held_out.dropped[reason] > 0
    assert [r.verdict for r in records] == [Verdict.PROMOTE] * 3
    at = shop.log()["at"]
    for generation, (first, last) in {2: (2.5, 3.5), 3: (3.5, 4.5)}.items():  # matured half a day later
        matured = int(((at >= START + first * DAY) & (at < START + last * DAY)).sum())
        assert ledger.generation(warehouse_of(Workspace(home)), generation).rows == matured
    pages = [page.read_text() for page in (home / "reports" / "turns").glob("*/evaluation.html")]
    assert ["every estimate undoes the draw" in page for page in pages] == [True, True]


def test_a_first_turn_in_which_nothing_has_matured_is_one_line(tmp_path: Path) -> None:
    home = TWO_DAYS.open(tmp_path)
    with pytest.raises(
        ContractBroken, match=r"nothing has matured before .*: what was shown waits for its attribution"
    ):
        turn(home, 1)
    assert turn(home, 3).generation == 1


SLATES = LateShop(attribution=None, delay_days=0.5, slate=3, per_day=120, wait_days=1.0, days=8)


def closed_on_day_5(home: Path) -> pd.DataFrame:
    data = read(open_turn(Workspace(home), (START + 5 * DAY) * 1_000_000, keep=False))
    rows = data.fresh
    columns = {"request_id": rows.request_id.to_pandas(), "requested_at": rows.examples.at, "waiting": data.waiting}
    return pd.DataFrame(columns)  # a slate is shown when it is requested


def test_a_slate_of_which_a_part_is_known_waits_as_a_whole_and_not_for_ever(tmp_path: Path) -> None:
    home = SLATES.open(tmp_path)
    records = [turn(home, day) for day in (3, 4)]
    frame = closed_on_day_5(home)
    waiting = frame[frame["waiting"]]
    assert len(waiting), "of some slates a part has matured"
    assert (waiting.groupby("request_id").size() < 3).all()
    assert ((START + 5 * DAY) * 1_000_000 - waiting["requested_at"] <= DAY * 1_000_000).all()
    records += [turn(home, day) for day in (5, 6, 7, 8)]
    dropped = sum(sum(r.held_out.dropped.values()) for r in records)
    assert dropped > 0 and {reason for r in records for reason in r.held_out.dropped} == {
        "a position's outcome did not come in time"
    }
    requests = judged(home)
    assert len(requests) == len(set(requests))
    assert set(requests) <= held_requests(SLATES, home, 3, 8)
    assert len(requests) + dropped >= 0.95 * len(held_requests(SLATES, home, 3, 6))


def made_on_day_5(root: Path, log: pd.DataFrame) -> tuple[TurnData, Champion, Challenger, Served]:
    """What the stages of a turn make before its verdict, and the champion with the live memory that they write."""
    root.mkdir()
    home = SLATES.open(root, log)
    for day in (3, 4):
        turn(home, day)
    opened = open_turn(Workspace(home), (START + 5 * DAY) * 1_000_000, keep=False)
    data = read(opened)
    champion = refresh_memory(opened, data)
    challenger = update(opened, measure_drift(opened, data), data, champion)
    assert champion is not None and isinstance(challenger, Challenger)
    return data, champion, challenger, resumed(home, released(opened.workspace, champion.live.generation)).served


def test_outcomes_of_slates_that_wait_or_are_judged_reach_neither_challenger_nor_blind_memory(tmp_path: Path) -> None:
    """Flipped in the log, they change the rewards and the live memory, and not a bit of what is judged with them."""
    log, home = SLATES.log(), tmp_path / "as it was"
    data, champion, challenger, live = made_on_day_5(home, log)
    closed = set(data.fresh.take(~data.is_open).request_id.to_pylist())
    changed = log.assign(bought=log["bought"].where(~log["request"].isin(closed), 1 - log["bought"]))
    _, flipped, other, flipped_live = made_on_day_5(tmp_path / "flipped", changed)
    examples = data.fresh.examples
    prediction = challenger.checkpoint.model.predict(examples)
    assert np.array_equal(prediction.logit, other.checkpoint.model.predict(examples).logit)
    assert np.array_equal(
        challenger.memory.compensate(examples, prediction), other.memory.compensate(examples, prediction)
    )
    assert np.array_equal(champion.blind.appraise(examples).preference, flipped.blind.appraise(examples).preference)
    assert not np.array_equal(live.appraise(examples).preference, flipped_live.appraise(examples).preference)


def test_a_request_is_of_the_window_it_was_made_in_whenever_it_is_judged(tmp_path: Path) -> None:
    home = TWO_DAYS.open(tmp_path)
    for day in (3, 4):
        turn(home, day)
    turns = [open_turn(Workspace(home), int((START + day * DAY) * 1_000_000), keep=False) for day in (5, 6.5)]
    first, second = (read(t) for t in turns)
    assert first.waiting_requests > 0
    of_day_four = facts.unsettled(turns[0].warehouse, turns[0].window, facts.Maturing("purchase", 2 * DAY))
    assert len(of_day_four)
    assert set(second.fresh.take(second.held).request_id.to_pylist()) - set(of_day_four["request_id"])
