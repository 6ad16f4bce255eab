"""A service whose outcomes are amounts: it checks them, tells them, and learns what they are worth while it serves."""

import json

import numpy as np
import pytest

pytest.importorskip("bentoml")

from components.domain import SECOND
from components.ingest.amount_scale import AmountScale
from components.ingest.log_lines import OutcomeLine
from components.ingest.reward_rule import RewardRule
from components.memory.memory import ErrorMemory
from components.memory.settings import MemorySettings
from components.publish.read_bundle import load_bundle
from components.publish.snapshot import resumed, write_snapshot
from components.serving.served import RankRequests
from tests.bento.conftest import ITEMS, following, release, write_request
from tests.bento.test_service import RANK, client
from tests.publish.conftest import SPEC, make_content

RULE = RewardRule(kind="purchase", amounts=AmountScale(unit="EUR", high=500))


@pytest.fixture
def home(tmp_path):
    memory = ErrorMemory.empty(SPEC, make_content().model.hidden_size, MemorySettings(), amounts=True)
    release(tmp_path, 1, outcome=RULE, memory=memory)
    return tmp_path


def buy(log, number, at, item, amount):
    write_request(log, f"r{number}", at, items=(item,))
    line = OutcomeLine(
        impression_id=f"r{number}-0", kind="purchase", value=amount, reward=float(amount > 0), grade=amount, at=at
    )
    log.append(line, at)


def worth(live, at):
    asked = RankRequests.of(["ann"], np.array([at]), [list(ITEMS)])
    return dict(zip(ITEMS, live.served.score_eligible(asked).appraisal.expected, strict=True))


def test_dear_sales_lift_an_item_by_what_they_earn_and_snapshots_know_it(home, settings, log, start):
    live = following(resumed(home, load_bundle(home / "bundles" / "g000001")), home, settings)
    for number in range(20):
        buy(log, number, start + number, *(("heat", 100.0), ("alien", 5.0))[number % 2])
    assert live.advance(start + 2 * SECOND) == 20
    expected = worth(live, start + 2 * SECOND)
    assert expected["heat"] > 2 * expected["alien"]
    write_snapshot(home, home / "memories" / "s", live.served, live.served.memory, start + 2 * SECOND)
    again = resumed(home, load_bundle(home / "bundles" / "g000001"))
    follower = following(again, home, settings)
    assert worth(follower, start + 2 * SECOND) == expected


def test_the_service_tells_the_amount_that_counts_and_refuses_what_is_none(home, monkeypatch):
    with client(home, monkeypatch) as http:
        shown = http.post("/rank", json=RANK).json()["slate"][0]["impression_id"]

        def tell(value):
            return http.post("/outcome", json={"impression_id": shown, "kind": "purchase", "value": value})

        for value in (-5, 501):
            refused = tell(value)
            assert refused.status_code == 400
            said = f"outcome value is {value}; allowed is an amount from 0 to 500 EUR"
            assert json.loads(refused.text)["error"] == said
        assert tell(24.5).json() == {"accepted": True, "reward": 24.5}
        assert tell(99).json() == {"accepted": False, "reward": 24.5}
