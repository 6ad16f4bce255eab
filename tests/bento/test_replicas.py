"""Three replicas that share nothing but a stream: what one was told all know, whoever is killed."""

import json
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

pytest.importorskip("bentoml")

from benchmarks.replicas import Asked, kill, until_moved
from benchmarks.replicas_fleet import Acknowledged, asking, fleet
from benchmarks.serving_load import call
from flows.stages.decisions import take_decisions
from tests.bento.conftest import release
from tests.bento.test_stream_log import until
from tests.broker import needs_redis
from tests.conftest import TinySource
from tests.flows.test_decisions import empty, rows

pytestmark = needs_redis


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    home = tmp_path_factory.mktemp("released")
    release(home, 1)
    return home


@pytest.fixture(scope="module")
def running(home, tmp_path_factory):
    with fleet(home, tmp_path_factory.mktemp("fleet"), told={"EVERCURRENT_LOG_WHEN_AWAY": "spool"}) as running:
        yield running


def shown(url, user="ann"):
    return [s["impression_id"] for s in json.loads(call(f"{url}/rank", {"user_id": user, "slate_size": 3}))["slate"]]


def tell(url, impression_id, value=9):
    said = call(f"{url}/outcome", {"impression_id": impression_id, "kind": "rating", "value": value})
    return None if said is None else json.loads(said)


def learned(url):
    return json.loads(call(f"{url}/generation"))["outcomes_learned"]


def test_what_one_replica_showed_another_takes_outcomes_of_at_once_and_all_learn_them(running):
    before = [learned(url) for url in running.urls()]
    for n in range(12):
        first, second = running.urls()[n % 3], running.urls()[(n + 1) % 3]
        assert tell(second, shown(first)[0]) == {"accepted": True, "reward": 1.0}
    until(lambda: [learned(url) for url in running.urls()] == [count + 12 for count in before])


def test_an_outcome_told_to_all_replicas_at_once_is_accepted_once_and_all_are_told_the_same(running):
    for n in range(10):
        impression = shown(running.urls()[n % 3])[0]
        with ThreadPoolExecutor(6) as threads:
            values = [(url, value) for url in running.urls() for value in (1, 9)]
            said = list(threads.map(lambda one, i=impression: tell(one[0], i, one[1]), values))
        assert Counter(one["accepted"] for one in said) == {True: 1, False: 5}
        assert len({one["reward"] for one in said}) == 1


def test_an_impression_that_no_replica_showed_is_unknown_to_all(running):
    assert [tell(url, "nobody-0") for url in running.urls()] == [None] * 3


def test_kills_of_replicas_and_broker_lose_nothing_that_was_acknowledged_and_ingest_has_it_once(
    running, home, tmp_path: Path, tiny: TinySource
):
    asked, heard = Asked.of(home), Acknowledged()
    with asking(running, asked.body, asked.told, heard, threads=2):
        assert kill(running, 2, []) == 1
    until_moved(running)
    warehouse = empty(tmp_path / "home", tiny)
    warehouse.settings.write_text(f'[log]\nurl = "{running.broker.stream.url}"\n')
    take_decisions(warehouse)
    take_decisions(warehouse)
    there = rows(warehouse)
    assert {row["impression_id"] for row in there["impressions"]} >= set(heard.impressions) != set()
    told = Counter(row["impression_id"] for row in there["outcomes"])
    assert told.keys() >= set(heard.outcomes) != set() and set(told.values()) == {1}
    assert len(set(heard.outcomes)) == len(heard.outcomes), "no outcome was accepted twice"
