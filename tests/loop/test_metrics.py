"""A shop that learns from clicks and is judged by purchases, with clicks to be guarded: the whole way from its log."""

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.domain import ContractBroken
from components.evaluate.evaluation import Evaluation
from components.evaluate.read_evaluation import read_evaluation
from flows.daily_loop import daily_loop
from flows.stages.ingest import ingest_file
from flows.workspace import Workspace, enter
from tests.conftest import DAY

pytestmark = pytest.mark.usefixtures("prefect_server")

SHOP = """
name = "shop"
title = "A shop"
attribution = 600

[columns]
user_id = "user"
item_id = "item"
request_id = "request"
propensity = "propensity"
eligible = "eligible"

[time]
column = "at"
unit = "s"

[outcome]
column = "clicked"
kind = "click"
equals = 1

[[measured]]
column = "bought"
kind = "purchase"
equals = 1

[[fields]]
name = "user"
kind = "id"
of = "user"

[[fields]]
name = "item"
kind = "id"
of = "item"
"""
SETTINGS = """
[update]
max_epochs = 1

[drift]
page = false

[metrics]
improve = "{improve}"

[[metrics.guardrails]]
name = "purchases"
measures = "outcome"
kind = "{guarded}"
margin = 0.5
"""
START = 15_000 * DAY


def log() -> pd.DataFrame:
    """Three days of 700 requests, one of four items shown at random; a quarter of the clicks end in a purchase."""
    rng = np.random.default_rng(5)
    n = 2100
    eligible = np.stack([rng.permutation(12)[:4] for _ in range(n)])
    item = eligible[np.arange(n), rng.integers(4, size=n)]
    clicked = rng.random(n) < 0.25 + 0.04 * item
    return pd.DataFrame(
        {
            "user": rng.integers(0, 500, n),
            "item": item,
            "request": np.arange(n),
            "propensity": 0.25,
            "eligible": [[str(i) for i in row] for row in eligible],
            "at": START + np.sort(rng.integers(0, 3 * DAY, n)),
            "clicked": clicked.astype(int),
            "bought": (clicked & (rng.random(n) < 0.25)).astype(int),
        }
    )


def second_turn(root: Path, improve: str, guarded: str = "purchase") -> Evaluation:
    (root / "shop.toml").write_text(SHOP)
    log().to_parquet(root / "log.parquet", index=False)
    home = root / "home"
    home.mkdir()
    (home / "evercurrent.toml").write_text(SETTINGS.format(improve=improve, guarded=guarded))
    ingest_file(enter(home), root / "log.parquet", root / "shop.toml")
    for day in (1, 2):
        record = daily_loop(str(home), datetime.fromtimestamp(START + day * DAY, UTC))
    return read_evaluation((Workspace(home).turn(record.instant) / "evaluation.json").read_text())


@pytest.fixture(scope="module")
def by_clicks(tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> Evaluation:
    return second_turn(tmp_path_factory.mktemp("clicks"), "reward")


@pytest.fixture(scope="module")
def by_purchases(tmp_path_factory: pytest.TempPathFactory, prefect_server: None) -> Evaluation:
    return second_turn(tmp_path_factory.mktemp("purchases"), "purchase")


def test_what_is_learned_is_what_was_clicked_whatever_was_bought(by_clicks: Evaluation) -> None:
    frame = log()
    assert by_clicks.metric == "reward"
    assert by_clicks.diagnostics.mean_reward == pytest.approx(frame["clicked"].mean(), abs=0.1)


def test_the_gate_judges_by_what_is_to_be_improved(by_clicks: Evaluation, by_purchases: Evaluation) -> None:
    assert by_purchases.metric == "purchase"
    assert by_purchases.diagnostics.requests == by_clicks.diagnostics.requests
    assert by_purchases.diagnostics.mean_reward < 0.4 * by_clicks.diagnostics.mean_reward
    assert by_purchases.diagnostics.mean_reward > 0


def test_a_guardrail_of_outcomes_sees_the_same_purchases(by_clicks: Evaluation, by_purchases: Evaluation) -> None:
    (rail,) = by_clicks.guardrails
    assert by_purchases.difference is not None
    assert rail.difference.value == pytest.approx(by_purchases.difference.value)


def test_an_outcome_that_nobody_measures_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ContractBroken, match="names outcomes of kind 'refund'; source shop measures purchase"):
        second_turn(tmp_path, "reward", guarded="refund")
