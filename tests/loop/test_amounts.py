"""Revenue through the whole loop: ingested, learned, ranked by, judged in its unit, and served."""

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from components.domain import instant_of
from components.evaluate.read_evaluation import read_evaluation
from components.publish.read_bundle import load_bundle
from components.publish.snapshot import resumed
from components.serving.served import RankRequests
from flows.replay.replay import replay, turn_links
from flows.replay.replay_page import replay_page
from flows.replay.replay_record import ReplayRecord
from flows.workspace import Workspace
from tests.conftest import DAY, DESCRIPTION
from tests.loop.test_loop import command
from warehouse.connect import connect

pytestmark = pytest.mark.usefixtures("prefect_server")

NOW = 15_005 * DAY * 1_000_000
SETTINGS = """
[update]
max_epochs = 2

[drift]
page = false

[evaluate]
minimum_users = 20
minimum_ess = 10
"""
SHOP = (
    DESCRIPTION.replace('name = "tiny"', 'name = "shop"')
    .replace('"4d"', '"2d"')
    .replace(
        'column = "liked"\nkind = "like"\nequals = 1',
        'column = "spent"\nkind = "purchase"\nreward = "amount"\nunit = "EUR"\nrange = [0, 2000]',
    )
)


def sales(rows: int = 14_000, seed: int = 0) -> pd.DataFrame:
    """Five days of a shop where cheap items are bought more often and dear ones earn more; gamma, not lognormal."""
    rng = np.random.default_rng(seed)
    price = np.exp(rng.normal(3.0, 1.0, 40))
    user, item = rng.integers(0, 900, rows), rng.integers(0, 40, rows)
    at = np.sort(rng.integers(0, 5 * DAY, rows)) + 15_000 * DAY
    odds = 0.4 - 0.8 * np.log(price[item] / 20) + np.where(user % 4 == item % 4, 0.8, -0.2)
    bought = rng.random(rows) < 1 / (1 + np.exp(-odds))
    spent = np.where(bought, np.minimum(price[item] * rng.gamma(2.0, 0.5, rows), 2000.0), 0.0)
    kinds = [f"g{i % 4}|g{i % 7}" for i in item]
    frame = pd.DataFrame({"who": user, "what": item, "when": at, "spent": np.round(spent, 2), "kinds": kinds})
    return frame.drop_duplicates(["who", "what", "when"])


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("amounts") / "home"


@pytest.fixture(scope="module")
def record(home: Path, prefect_server: None) -> ReplayRecord:
    home.mkdir()
    (home / "evercurrent.toml").write_text(SETTINGS)
    description, log = home.parent / "shop.toml", home.parent / "shop.parquet"
    description.write_text(SHOP)
    sales().to_parquet(log, index=False)
    made: ReplayRecord = replay(str(home), str(description), 2, str(log))
    return made


def test_turns_promote_on_revenue_and_their_intervals_hold_what_the_challengers_really_earn(
    record: ReplayRecord,
) -> None:
    assert [t.verdict for t in record.turns] == ["PROMOTE", "PROMOTE"]
    for turn in record.turns:
        value = turn.value
        assert value.covered and value.true and value.random and value.oracle
        assert 1.0 < value.random < value.true < value.oracle, "euros per request, not purchases"


def test_probabilities_stay_probabilities_beside_amounts(record: ReplayRecord) -> None:
    for turn in record.turns:
        assert all(x is not None and 0.55 < x < 1 for x in turn.auc.model_dump().values())
        assert all(x is not None and 0.3 < x < 0.69 for x in turn.log_loss.model_dump().values())


def test_the_warehouse_knows_whether_and_how_much(record: ReplayRecord, home: Path) -> None:
    with connect(home / "warehouse.duckdb") as connection:
        found = connection.execute(
            "select distinct reward, grade > 0 from outcomes where source = 'shop' order by reward"
        ).fetchall()
    assert found == [(0.0, False), (1.0, True)]


def test_the_champion_ranks_by_what_it_expects_to_earn(record: ReplayRecord, home: Path) -> None:
    served = load_bundle(home / "bundles" / f"g{record.champion:06d}")
    eligible = [str(i) for i in range(40)]
    scored = served.score_eligible(RankRequests.of(["7"], np.array([NOW]), [eligible]))
    price = np.exp(np.random.default_rng(0).normal(3.0, 1.0, 40))
    assert np.corrcoef(scored.score, price)[0, 1] < -0.3, "the cheap ones are bought more often"
    assert np.corrcoef(scored.appraisal.preference, price)[0, 1] > 0.3, "the dear ones earn more"
    drawn = served.policy.predict(scored.appraisal.preference, scored.offsets)
    made = served.decide(RankRequests.of(["7"], np.array([NOW]), [eligible]), 1, dice())
    assert made.propensity[0] == drawn[made.slates.shown.entry[0]]


def test_the_pages_and_the_record_say_the_unit(record: ReplayRecord, home: Path) -> None:
    assert record.unit == "EUR"
    turn = Workspace(home).turn(instant_of(datetime.fromisoformat(record.turns[-1].cutoff)))
    assert read_evaluation((turn / "evaluation.json").read_text()).unit == "EUR"
    pages = Workspace(home).pages(instant_of(datetime.fromisoformat(record.turns[-1].cutoff)))
    assert "amount per request, EUR" in (pages / "evaluation.html").read_text()
    assert "rewarded is any amount above 0 EUR" in (pages / "drift.html").read_text()
    assert "amount per request, EUR" in replay_page(record, turn_links(Workspace(home), record))


def test_the_commands_take_a_log_of_amounts_from_ingest_to_a_refreshed_memory(tmp_path: Path) -> None:
    home, description, log = tmp_path / "home", tmp_path / "shop.toml", tmp_path / "sales.csv"
    description.write_text(SHOP)
    sold = sales(3000)
    sold.assign(spent=sold["spent"].where(sold.index != 5, -3.0)).to_csv(log, index=False)
    home.mkdir()
    (home / "evercurrent.toml").write_text(SETTINGS)
    told = command("ingest", str(log), "--source", str(description), "--home", str(home))
    assert "row 6 with -3.0 for an amount, allowed is an amount from 0 to 2000 EUR" in " ".join(told.split())
    command("loop", "--home", str(home), "--cutoff", "2011-01-29")
    released = load_bundle(home / "bundles" / "g000001")
    command("refresh-memory", "--home", str(home), "--cutoff", "2011-01-30")
    fresh = resumed(home, released).served.memory
    items = np.array([str(i) for i in range(40)], object)
    asked = released.encoder.encode(np.full(40, "7", object), items, np.full(40, NOW), {})
    before, after = released.memory.log_amount(asked), fresh.log_amount(asked)
    price = np.random.default_rng(0).normal(3.0, 1.0, 40)
    assert before is not None and after is not None and (before != after).any()
    assert np.corrcoef(after, price)[0, 1] > 0.9


def dice() -> np.random.Generator:
    return np.random.default_rng(5)
