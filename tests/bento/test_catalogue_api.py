"""Items and users told to a running service: served at once, or no more; after a restart, and in the warehouse."""

import json

import numpy as np
import pytest

pytest.importorskip("bentoml")

from components.ingest.decision_log import read_decision_log
from flows.stages.ingest import ingest_tables
from flows.stages.self_check import self_check
from flows.workspace import Workspace
from tests.bento.conftest import ITEMS, release
from tests.bento.test_service import RANK, client, generation, logged, until
from warehouse import facts
from warehouse.connect import Warehouse

NEW = {"genre": ["scifi"], "length": 100}


@pytest.fixture
def http(home, monkeypatch):
    with client(home, monkeypatch) as http:
        yield http


def eligible(http, home, body=RANK):
    """What the service answers a request for anything from."""
    assert http.post("/rank", json=body).status_code == 200
    return set(logged(home).requests["eligible"].iloc[-1])


def test_a_new_item_is_served_at_once_by_its_attributes_and_can_be_filtered_by_them(http, home):
    told = http.put("/items/metropolis", json=NEW)
    assert told.status_code == 200 and told.json() == {"id": "metropolis", "generation": 1, "servable_items": 6}
    assert eligible(http, home) == {*ITEMS, "metropolis"}
    found = eligible(http, home, RANK | {"filters": {"genre": ["scifi"]}})
    assert found == {"alien", "solaris", "stalker", "metropolis"}
    shown = http.post("/rank", json=RANK | {"slate_size": 2, "eligible": ["metropolis", "heat"]}).json()["slate"]
    assert {s["item_id"] for s in shown} == {"metropolis", "heat"}
    first = next(s for s in shown if s["item_id"] == "metropolis")
    http.post("/outcome", json={"impression_id": first["impression_id"], "kind": "rating", "value": 9})
    until(lambda: http.get("/generation").json()["outcomes_learned"] == 1)
    assert http.post("/rank", json=RANK).status_code == 200
    assert self_check(Workspace(home), 1000, 0.02).off == 0


def test_attributes_that_change_move_the_score_and_the_item_keeps_its_place(http, home):
    asked = RANK | {"slate_size": 2, "eligible": ["heat", "alien"]}

    def scores():
        return {s["item_id"]: s["score"] for s in http.post("/rank", json=asked).json()["slate"]}

    before = scores()
    http.put("/items/heat", json={"genre": ["scifi", "drama"], "length": 1000})
    after = scores()
    assert after["heat"] != before["heat"] and after["alien"] == before["alien"]
    assert len(eligible(http, home)) == len(ITEMS)
    assert self_check(Workspace(home), 1000, 0.02).exact == 6


def test_a_hidden_item_is_not_served_whoever_names_it_until_it_is_put_back(http, home):
    assert http.delete("/items/heat").json()["servable_items"] == 4
    assert eligible(http, home) == set(ITEMS) - {"heat"}
    shown = http.post("/rank", json=RANK | {"slate_size": 1, "eligible": ["heat", "alien"]}).json()["slate"]
    assert [s["item_id"] for s in shown] == ["alien"]
    refused = http.post("/rank", json=RANK | {"slate_size": 1, "eligible": ["heat"]})
    assert refused.status_code == 400 and "hidden items leave none" in refused.json()["error"]
    assert http.delete("/items/heat").status_code == 200, "again changes nothing"
    assert http.delete("/items/never heard of").status_code == 200
    http.put("/items/heat", json={})
    assert eligible(http, home) == set(ITEMS)


def test_changes_outlive_a_restart_and_a_swap(home, monkeypatch):
    with client(home, monkeypatch) as http:
        http.put("/items/metropolis", json=NEW)
        http.delete("/items/heat")
    with client(home, monkeypatch) as http:
        assert eligible(http, home) == {*ITEMS, "metropolis"} - {"heat"}
        release(home, 2)
        until(lambda: generation(http) == 2)
        assert eligible(http, home) == {*ITEMS, "metropolis"} - {"heat"}
        assert self_check(Workspace(home), 1000, 0.02).off == 0


def test_what_was_taken_out_stays_out_in_the_generations_after(home, monkeypatch):
    kept = [item for item in ITEMS if item != "heat"]
    with client(home, monkeypatch) as http:
        release(home, 2, servable=np.array(kept, object), hidden=np.array(["heat", "never heard of"], object))
        until(lambda: generation(http) == 2)
        for named in ("heat", "never heard of"):
            refused = http.post("/rank", json=RANK | {"slate_size": 1, "eligible": [named]})
            assert refused.status_code == 400 and "hidden items leave none" in refused.json()["error"]
        shown = http.post("/rank", json=RANK | {"slate_size": 1, "eligible": ["heat", "alien"]}).json()["slate"]
        assert [s["item_id"] for s in shown] == ["alien"]
        http.put("/items/heat", json={})
        shown = http.post("/rank", json=RANK | {"slate_size": 1, "eligible": ["heat"]}).json()["slate"]
        assert [s["item_id"] for s in shown] == ["heat"]


def test_the_first_item_of_an_empty_catalogue_can_be_served(home, monkeypatch):
    release(home, 2, servable=np.empty(0, object))
    with client(home, monkeypatch) as http:
        assert http.post("/rank", json=RANK).status_code == 400
        assert http.put("/items/metropolis", json=NEW).json()["servable_items"] == 1
        shown = http.post("/rank", json=RANK | {"slate_size": 1}).json()["slate"]
        assert [s["item_id"] for s in shown] == ["metropolis"]
        assert self_check(Workspace(home), 1000, 0.02).exact == 1


def test_users_are_told_and_what_is_no_attribute_is_refused_in_one_line(http, home):
    assert http.put("/users/dora", json={}).status_code == 200
    for path, body, line in (
        ("/users/dora", {"age": 3}, "attributes have 'age'; this generation uses none"),
        ("/items/x", {"colour": "red"}, "attributes have 'colour'; allowed are genre, length"),
        ("/items/x", {"genre": "scifi"}, "attribute 'genre': allowed is a list of at most 64 texts"),
        ("/items/x", {"length": "long"}, "attribute 'length': allowed is a number"),
        ("/items/x", {"length": True}, "attribute 'length': allowed is a number"),
        ("/items/x%00", {}, "the path is '/items/x\\x00'; allowed are ids without control"),
        ("/users/a%0Ab", {}, "the path is '/users/a\\nb'; allowed are ids without control"),
        ("/items/" + "x" * 257, {}, "an id has 1 to 256 bytes and no control characters"),
    ):
        refused = http.put(path, json=body)
        assert refused.status_code == 400 and refused.json()["error"].startswith(line), refused.text
    for content in (b"[]", b"{", b"\xff", b"7"):
        assert http.put("/items/x", content=content).status_code == 400
    assert "x" not in eligible(http, home)


def test_the_next_ingest_takes_the_changes_once_and_a_later_file_keeps_what_was_hidden(http, home):
    http.put("/items/metropolis", json=NEW)
    http.delete("/items/heat")
    http.put("/users/dora", json={})
    http.post("/rank", json=RANK)
    tables = read_decision_log(sorted((home / "decisions").iterdir()))
    assert {name: len(frame) for name, frame in tables.entities.items()} == {"items": 2, "users": 1}
    from components.ingest.source import Source

    source = Source.model_construct(name="films")
    workspace = Workspace(home)
    assert ingest_tables(workspace, source, tables, "log").new
    assert not ingest_tables(workspace, source, tables, "log").new
    w = Warehouse(workspace.database, "films")
    late = np.iinfo(np.int64).max // 2
    assert set(facts.servable(w, late)) == {"metropolis"} and facts.hidden(w).tolist() == ["heat"]
    known = facts.items(w).set_index("id")["attributes"]
    assert json.loads(known["metropolis"]) == NEW
    http.put("/items/heat", json={"genre": ["crime"]})
    assert ingest_tables(workspace, source, read_decision_log(sorted((home / "decisions").iterdir())), "log").new
    assert set(facts.servable(w, late)) == {"metropolis", "heat"}


def test_two_workers_tell_each_other(home, monkeypatch):
    with client(home, monkeypatch) as one:
        import os

        from bento.champion import Champion
        from bento.settings import ServiceSettings

        other = Champion(ServiceSettings.from_environment(os.environ), lambda: 1 << 62)
        other.swap(other.prepare())
        one.put("/items/metropolis", json=NEW)
        one.delete("/items/alien")
        live = other.live
        live.advance(1 << 62)
        served = live.served
        assert served.servable.tolist() == [*ITEMS, "metropolis"] and live.changes == 2
        assert served.catalogue.hidden.tolist() == [False, True, False, False, False, False]
