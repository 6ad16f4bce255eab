"""The drill of the data in the suite: a small shop, one lie of each way to be noticed."""

from pathlib import Path

import pytest

from components.domain import DriftAction, Verdict
from flows.cli.drill_table import evidence
from flows.drill.bad_logs import BOT_SHARE
from flows.drill.bad_week import LIES, drill_data
from flows.drill.bad_week_record import BadWeek, BadWeekRecord

SHOP = """
name = "corner"
title = "A corner shop"
pretrain = "2d"

[simulated]
days = 8

[simulated.laws]
users = 2000
items = 60
requests_per_day = 900
eligible = 5
tastes = 3
sharpness = 1.2
turn_days = 40
appeal = 1.0
appeal_turn_days = 20
item_life_days = 30
span_days = 24

[columns]
user_id = "user_id"
item_id = "item_id"

[time]
column = "timestamp"
unit = "us"

[outcome]
column = "reward"
kind = "click"
equals = 1

[[fields]]
name = "user"
kind = "id"
of = "user"

[[fields]]
name = "item"
kind = "id"
of = "item"

[[fields]]
name = "aisle"
kind = "categorical"
of = "item"

[world]
period = "day"
"""
TOLD = {"clean", "outcomes_inverted_live", "one_bot", "propensities_permuted"}
"""A clean control; by outcomes, with the memory fooled too; by traffic; by propensities."""


@pytest.fixture(scope="module")
def record(tmp_path_factory: pytest.TempPathFactory) -> BadWeekRecord:
    root = tmp_path_factory.mktemp("bad_week")
    (root / "corner.toml").write_text(SHOP)
    lies = [lie for lie in LIES if lie.name in TOLD]
    return drill_data(root / "homes", lies, str(root / "corner.toml"), None, before=2)


def named(record: BadWeekRecord, name: str) -> BadWeek:
    return next(case for case in record.cases if case.case == name)


def test_every_lie_is_noticed_does_no_harm_and_the_loop_promotes_again(record: BadWeekRecord) -> None:
    assert {case.case for case in record.cases} == TOLD
    assert [case.case for case in record.cases if not case.as_it_should] == []
    assert record.passed


def test_what_is_set_aside_leaves_what_never_logged_would_have_left(record: BadWeekRecord) -> None:
    halted = [case for case in record.cases if case.action == DriftAction.HALT]
    assert {case.case for case in halted} == TOLD - {"clean", "propensities_permuted"}
    assert all(case.auc_after == case.auc_without for case in halted)


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("outcomes_inverted_live", "are the opposite of the champion's predictions"),
        ("one_bot", "user bot"),
        ("propensities_permuted", "refused:"),
    ],
)
def test_the_evidence_says_what_a_person_would_look_for(record: BadWeekRecord, name: str, says: str) -> None:
    assert says in evidence(named(record, name))


def test_a_clean_period_is_promoted(record: BadWeekRecord) -> None:
    clean = named(record, "clean")
    assert clean.verdict is Verdict.PROMOTE and not clean.noticed


def test_a_lie_that_is_learned_or_a_clean_period_that_is_refused_fails_the_drill(record: BadWeekRecord) -> None:
    clean, lie = named(record, "clean"), named(record, "one_bot")
    assert not clean.model_copy(update={"action": "HALT"}).as_it_should
    assert not lie.model_copy(update={"action": "UPDATE", "reasons": ("better",)}).as_it_should
    assert not lie.model_copy(update={"auc_after": lie.auc_without - 0.01}).as_it_should
    assert not lie.model_copy(update={"promoted_after": None}).as_it_should
    assert not record.model_copy(update={"cases": (clean.model_copy(update={"action": "HALT"}),)}).passed


def test_lies_never_change_what_they_were_given(record: BadWeekRecord) -> None:
    import numpy as np

    from flows.replay import replay_cache
    from flows.replay.recorded import read_recorded
    from flows.workspace import Workspace

    start = Workspace(Path(record.home) / "start")
    recorded = read_recorded(start, Path(record.home).parent / "corner.toml", None)
    log = replay_cache.tables(start.replayed(recorded.cutoff(1)))
    copies = {name: getattr(log, name).copy() for name in ("requests", "impressions", "outcomes")}
    for lie in LIES:
        if lie.mishap is not None:
            told = lie.mishap(log, np.random.default_rng(0))
            changed = [name for name, frame in copies.items() if not getattr(told, name).equals(frame)]
            assert bool(changed) is not lie.sound, lie.name
    assert all(getattr(log, name).equals(frame) for name, frame in copies.items())
    bot = next(lie for lie in LIES if lie.name == "one_bot").mishap
    assert bot is not None
    share = (bot(log, np.random.default_rng(0)).requests["user_id"] == "bot").mean()
    assert share == pytest.approx(BOT_SHARE, abs=0.01)
