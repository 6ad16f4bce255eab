"""A user is forgotten while the service runs: nothing known before counts, in any process, after any restart."""

import time

import pytest

pytest.importorskip("bentoml")

from components.ingest.log_lines import user_digest
from components.ingest.redact import asked_to_forget, redact
from flows.stages.self_check import self_check
from flows.workspace import Workspace
from tests.bento.conftest import ITEMS, following, release
from tests.bento.test_service import client, until
from tests.publish.conftest import RECENT_SPEC

ASKED = {"slate_size": 5, "eligible": list(ITEMS)}


@pytest.fixture
def http(home, monkeypatch):
    with client(home, monkeypatch) as http:
        yield http


def asked(http, user):
    return http.post("/rank", json=ASKED | {"user_id": user}).json()["slate"]


def scores(http, user):
    return {s["item_id"]: s["score"] for s in asked(http, user)}


def alike(http, one, other):
    """Whether two users' items are scored alike, but for what a memory forgets between two requests."""
    return scores(http, one) == pytest.approx(scores(http, other), abs=1e-5)


def taught(http, user, value=10):
    """Let a user rate all it is shown; its impressions."""
    before, shown = http.get("/generation").json()["outcomes_learned"], asked(http, user)
    for s in shown[:4]:
        http.post("/outcome", json={"impression_id": s["impression_id"], "kind": "rating", "value": value})
    until(lambda: http.get("/generation").json()["outcomes_learned"] == before + 4)
    return [s["impression_id"] for s in shown]


def test_who_is_forgotten_is_a_stranger_at_once_and_may_come_back_as_somebody_new(http, home):
    shown = taught(http, "ann")
    taught(http, "bob", 1)
    bob = scores(http, "bob")
    assert not alike(http, "ann", "zed")
    told = http.delete("/users/ann")
    assert told.status_code == 200 and told.json()["open_impressions"] == 10
    assert alike(http, "ann", "zed")
    assert scores(http, "bob") == pytest.approx(bob, abs=1e-5)
    late = http.post("/outcome", json={"impression_id": shown[4], "kind": "rating", "value": 9})
    assert late.status_code == 404
    assert self_check(Workspace(home), 1000, 0.02).off == 0
    taught(http, "ann", 1)
    assert not alike(http, "ann", "zed")


def test_what_somebody_liked_last_is_forgotten_too(home, monkeypatch):
    release(home, 2, spec=RECENT_SPEC)
    with client(home, monkeypatch) as http:
        taught(http, "ann")
        http.delete("/users/ann")
        assert alike(http, "ann", "zed")


def test_after_a_restart_and_for_another_process_it_is_forgotten_still(home, monkeypatch, served, settings):
    with client(home, monkeypatch) as http:
        taught(http, "ann")
        http.delete("/users/ann")
    with client(home, monkeypatch) as http:
        assert alike(http, "ann", "zed")
    live = following(_Start(served), home, settings)
    live.advance(time.time_ns() // 1000)
    assert live.open_impressions("ann") == 5, "those asked for after it was forgotten"


class _Start:
    def __init__(self, served):
        self.served, self.known_until = served, served.cutoff


def test_out_of_the_log_with_every_line_of_others_as_it_was(home, monkeypatch):
    with client(home, monkeypatch) as http:
        taught(http, "bob", 1)
        taught(http, 'ann é"')
        http.put('/users/ann é"', json={})
        http.delete('/users/ann é"')
        (log,) = (home / "decisions").glob("*.jsonl")
        before = log.read_bytes()
        asked_for = asked_to_forget(home)
        assert list(asked_for) == ['ann é"']
        assert redact(home, asked_for) == 1 + 4 + 1 + 1
        after = log.read_bytes()
        assert len(after) == len(before) and "é".encode() not in after
        lines = zip(before.splitlines(), after.splitlines(), strict=True)
        assert sum(old != new for old, new in lines) == 7
        assert asked_to_forget(home) == {} and redact(home, {}) == 0
        assert alike(http, 'ann é"', "zed")
    with client(home, monkeypatch) as http:
        assert alike(http, 'ann é"', "zed"), "the digest stands there still"
        assert not alike(http, "bob", "zed")
        found = self_check(Workspace(home), 1000, 0.02)
    assert found.off == 0 and found.damaged == 0 and found.forgotten > 0
    assert user_digest('ann é"').encode() in log.read_bytes()


@pytest.mark.parametrize("path", ["/users/", "/users/a%00b", f"/users/{'x' * 300}"])
def test_what_is_no_id_is_refused(http, path):
    assert http.delete(path).status_code in (400, 404)
