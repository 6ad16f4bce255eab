"""One replica whose log is a stream: as with files, and when the broker is away, 503 until it is back."""

import pytest

pytest.importorskip("bentoml")

from bento.settings import ServiceSettings
from bento.stream_log import StreamLog
from components.ingest.log_lines import ItemLine, OutcomeLine, UserLine, parse_brief
from components.ingest.log_stream import START, EntryId
from components.ingest.stream_tail import StreamTail
from components.serving.live_memory import LiveMemory, in_files
from flows.stages import trim as trimming
from flows.stages.drain import drain
from flows.stages.self_check import self_check
from flows.workspace import Workspace
from tests.bento.conftest import ITEMS, release, write_outcome, write_request
from tests.bento.test_service import RANK, client, until
from tests.broker import needs_redis

pytestmark = needs_redis
SECOND = 1_000_000


@pytest.fixture
def http(home, monkeypatch, broker):
    monkeypatch.setenv("EVERCURRENT_LOG", broker.url)
    with client(home, monkeypatch) as http:
        yield http


def raw(broker):
    return [entry.raw for entry in broker.stream.page(broker.client, START, EntryId(1 << 60, 0))]


def drained(home, broker):
    (home / "evercurrent.toml").write_text(f'[log]\nurl = "{broker.url}"\n')
    drain(Workspace(home))


def learned(http):
    return http.get("/generation").json()["outcomes_learned"]


def test_what_is_answered_is_in_the_stream_and_comes_out_again_once_it_is_drained(http, home, broker):
    for user in ("ann", "bob", "ann"):
        body = http.post("/rank", json={"user_id": user, "slate_size": 3}).json()
        before = learned(http)
        told = {"impression_id": body["slate"][0]["impression_id"], "kind": "rating", "value": 10}
        assert http.post("/outcome", json=told).json() == {"accepted": True, "reward": 1.0}
        assert http.post("/outcome", json=told | {"value": 1}).json() == {"accepted": False, "reward": 1.0}
        until(lambda n=before: learned(http) == n + 1)
    assert sum(b'"type":"outcome"' in line for line in raw(broker)) == 3
    assert not (home / "decisions").exists(), "a replica writes no files"
    drained(home, broker)
    found = self_check(Workspace(home), 100, 0.02)
    assert found.exact + found.close == 9 and found.off == found.damaged == 0, found.said  # too few to judge a mean by


def test_several_outcomes_each_have_their_status(http):
    shown = [s["impression_id"] for s in http.post("/rank", json=RANK).json()["slate"]]
    told = [{"impression_id": i, "kind": "rating", "value": 9} for i in [*shown, shown[0], "nobody-0"]]
    found = http.post("/outcomes", json={"outcomes": [*told, told[0] | {"kind": "refund"}]}).json()["outcomes"]
    assert [one["status"] for one in found] == ["accepted", "accepted", "repeated", "unknown", "refused"]


def test_a_change_of_the_catalogue_is_in_force_when_it_is_answered(http):
    assert http.delete("/items/heat").json()["servable_items"] == len(ITEMS) - 1
    assert "heat" not in {s["item_id"] for s in http.post("/rank", json=RANK | {"slate_size": 4}).json()["slate"]}
    assert http.put("/items/heat", json={"genre": ["crime"]}).json()["servable_items"] == len(ITEMS)


def test_a_user_is_forgotten_at_once(http):
    shown = http.post("/rank", json=RANK).json()["slate"][0]["impression_id"]
    assert http.delete("/users/ann").json()["open_impressions"] == 2
    assert http.post("/outcome", json={"impression_id": shown, "kind": "rating", "value": 9}).status_code == 404


def test_while_the_broker_is_away_everything_is_503_in_one_line_and_it_comes_back_by_itself(http, broker):
    shown = http.post("/rank", json=RANK).json()["slate"]
    told = {"impression_id": shown[0]["impression_id"], "kind": "rating", "value": 9}
    broker.stop(9)
    for path, body in (("/rank", RANK), ("/outcome", told), ("/rank", RANK)):
        refused = http.post(path, json=body)
        assert refused.status_code == 503 and refused.headers["retry-after"]
        assert "does not answer" in refused.json()["error"] and "\n" not in refused.json()["error"]
    assert http.put("/items/new", json={}).status_code == 503
    assert http.post("/outcome", json=told | {"impression_id": "unheard-0"}).status_code == 503, "nobody can know"
    assert http.get("/readyz").status_code == 503
    broker.start()
    until(lambda: http.get("/readyz").status_code == 200)
    assert http.post("/outcome", json=told).json() == {"accepted": True, "reward": 1.0}
    assert http.post("/rank", json=RANK).status_code == 200


@pytest.fixture
def spooling(home, monkeypatch, broker, tmp_path_factory):
    monkeypatch.setenv("EVERCURRENT_LOG", broker.url)
    monkeypatch.setenv("EVERCURRENT_LOG_WHEN_AWAY", "spool")
    monkeypatch.setenv("EVERCURRENT_SPOOL", str(tmp_path_factory.mktemp("spool")))
    with client(home, monkeypatch) as http:
        yield http


def degraded(http):
    return http.get("/generation").json()["degraded"]


def test_with_a_spool_requests_are_answered_while_the_broker_is_away_and_all_else_waits_for_it(
    spooling, home, broker, tmp_path_factory
):
    http = spooling
    before = http.post("/rank", json=RANK).json()["slate"]
    told = {"impression_id": before[0]["impression_id"], "kind": "rating", "value": 9}
    assert degraded(http) is None
    broker.stop(9)
    until(lambda: degraded(http) is not None)
    assert "does not answer" in degraded(http) and http.get("/readyz").status_code == 200
    meanwhile = [http.post("/rank", json={"user_id": u, "slate_size": 3}).json()["slate"] for u in ("ann", "bob")]
    mine = told | {"impression_id": meanwhile[0][0]["impression_id"]}
    for said in (http.post("/outcome", json=told), http.post("/outcome", json=mine), http.delete("/items/heat")):
        assert said.status_code == 503 and said.headers["retry-after"] and "does not answer" in said.json()["error"]
    assert http.post("/outcomes", json={"outcomes": [told, mine]}).status_code == 503
    assert http.delete("/users/ann").status_code == 503, "it would not be forgotten anywhere else"
    broker.start()
    until(lambda: degraded(http) is None)
    until(lambda: http.post("/outcome", json=mine).json() == {"accepted": True, "reward": 1.0})
    assert http.post("/outcome", json=told).json()["accepted"]
    assert len([line for line in raw(broker) if b'"type":"request"' in line]) == 3
    drained(home, broker)
    found = self_check(Workspace(home), 100, 0.02)
    assert found.exact + found.close == len(before) + 6 and found.off == found.damaged == 0, found.said


def test_an_outcome_of_a_decision_that_is_on_its_way_is_refused_and_not_unknown(spooling, broker, monkeypatch):
    http = spooling
    broker.stop(9)
    until(lambda: degraded(http) is not None)
    shown = http.post("/rank", json=RANK).json()["slate"][0]["impression_id"]
    with monkeypatch.context() as patch:
        patch.setattr("bento.spooling_log.move", lambda *_: (_ for _ in ()).throw(OSError(5, "Input/output error")))
        broker.start()
        until(lambda: "cannot be moved: [Errno 5] Input/output error; see whether" in degraded(http))
        said = http.post("/outcome", json={"impression_id": shown, "kind": "rating", "value": 9})
        assert said.status_code == 503 and "cannot be moved" in said.json()["error"]
        assert http.post("/rank", json=RANK).status_code == 200
    until(lambda: degraded(http) is None)
    assert http.post("/outcome", json={"impression_id": shown, "kind": "rating", "value": 9}).json()["accepted"]


def test_readiness_is_off_without_any_request_and_when_the_broker_is_full(http, broker):
    assert http.get("/readyz").status_code == 200
    broker.client.execute_command("CONFIG", "SET", "maxmemory", 1)
    refused = http.post("/rank", json=RANK)
    assert refused.status_code == 503 and "is full; drain it" in refused.json()["error"]
    assert http.get("/readyz").status_code == 503
    broker.client.execute_command("CONFIG", "SET", "maxmemory", 0)
    until(lambda: http.get("/readyz").status_code == 200)
    broker.stop()
    until(lambda: http.get("/readyz").status_code == 503)
    broker.start()


def test_a_service_that_starts_before_its_broker_answers_once_that_is_there(home, monkeypatch, broker):
    monkeypatch.setenv("EVERCURRENT_LOG", broker.url)
    broker.stop()
    with client(home, monkeypatch) as http:
        assert http.post("/rank", json=RANK).status_code == 503
        broker.start()
        until(lambda: http.post("/rank", json=RANK).status_code == 200)


def test_a_new_generation_takes_over_and_the_old_ones_tail_ends(http, home, broker):
    release(home, 2)
    until(lambda: http.get("/generation").json()["generation"] == 2)
    until(lambda: str(broker.client.execute_command("CLIENT", "LIST")).count("xread") == 1)


def following(start, broker, settings):
    return LiveMemory(start.served, start.known_until, _tail(broker), settings.steps)


def _tail(broker):
    return lambda since: StreamTail(broker.stream, since, parse_brief)


class Start:
    def __init__(self, served):
        self.served, self.known_until = served.fork(), served.cutoff


def digest(live):
    return {name: value.tobytes() for name, value in sorted(live.served.memory._arrays().items())}


def test_a_replica_that_starts_late_has_the_memory_of_one_that_was_there_and_of_files(
    home, broker, served, start, settings
):
    log = StreamLog(broker.stream, 7.0)
    there = following(Start(served), broker, settings)
    for n in range(12):
        at = start + n * SECOND
        write_request(log, f"r{n}", at, user=("ann", "bob")[n % 2], items=("heat", "alien"))
        write_outcome(log, f"r{n}-{n % 2}", at + 100_000, value=n % 3 % 2)
        log.append(ItemLine(f"new{n}", at, {"length": float(n)}), at)
        log.sync()
        there.catch_up()
        there.advance(at)
    end = start + 60 * SECOND
    there.advance(end)
    late = following(Start(served), broker, settings)
    late.catch_up()
    late.advance(end)
    drained(home, broker)
    files = LiveMemory(served.fork(), served.cutoff, in_files(home), settings.steps)
    files.advance(end)
    assert there.learned == late.learned == files.learned == 12
    assert there.changes == late.changes == files.changes == 12
    assert digest(there) == digest(late) == digest(files)
    for live in (there, late):
        live.close()
    log.close()


def test_what_was_carried_on_is_known_to_who_starts_and_counted_once_by_who_knew_it(
    home, broker, served, start, settings, monkeypatch
):
    log = StreamLog(broker.stream, 7.0)
    there = following(Start(served), broker, settings)
    for line in (ItemLine("heat", start, {}, True), UserLine("ann", start, {})):
        log.append(line, start)
    log.append(OutcomeLine("r-0", "rating", 1, 1.0, start), start)
    log.sync()
    there.catch_up()
    there.advance(start)
    drained(home, broker)
    monkeypatch.setattr(trimming, "_needed", lambda *_: 1 << 60)
    monkeypatch.setattr(trimming, "_changes_from", lambda *_: 0)
    assert trimming.trim(Workspace(home), None) == 2
    assert len(broker.client.execute_command("XRANGE", "evercurrent", "-", "+")) == 3
    there.catch_up()
    there.advance(start)
    late = following(Start(served), broker, settings)
    late.catch_up()
    late.advance(start)
    assert there.changes == late.changes == 2
    for live in (there, late):
        assert int(live.served.catalogue.hidden.sum()) == 1
        live.close()
    log.close()


def test_the_settings_never_show_the_address():
    told = ServiceSettings.from_environment({"EVERCURRENT_LOG": "redis://:secret@h:1/0"})
    assert "secret" not in repr(told) + str(told) + told.model_dump_json() + repr(told.stream)
