"""The service over HTTP, in this process."""

import json
import re
import resource
import shutil
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

pytest.importorskip("bentoml")
from starlette.testclient import TestClient

from components.ingest.decision_log import read_decision_log
from components.ingest.reward_rule import RewardRule
from components.policy.slates import Shown
from components.publish.pointer import Pointer, Role, move_pointer, pointer_path
from components.publish.read_bundle import load_bundle
from components.serving.served import RankRequests
from flows.stages.self_check import self_check
from flows.stages.training_data import context_arrays
from flows.workspace import Workspace
from tests.bento.conftest import ITEMS, release
from tests.publish.conftest import RECENT_SPEC

RANK = {"user_id": "ann", "slate_size": 2}


def client(home, monkeypatch):
    monkeypatch.setenv("EVERCURRENT_HOME", str(home))
    monkeypatch.setenv("EVERCURRENT_POINTER_SECONDS", "0.02")
    monkeypatch.setenv("EVERCURRENT_TICK_SECONDS", "0.02")
    monkeypatch.setenv("BENTOML_HOME", str(home / "bentoml"))
    from bento.service import Evercurrent

    _forget_metrics()
    return TestClient(Evercurrent.to_asgi())


def _forget_metrics():
    """BentoML registers its metrics once per application and process; here every test has an application."""
    from prometheus_client import REGISTRY

    for collector, names in list(REGISTRY._collector_to_names.items()):
        if any(name.startswith("bentoml_service") for name in names):
            REGISTRY.unregister(collector)


@pytest.fixture
def http(home, monkeypatch):
    with client(home, monkeypatch) as http:
        yield http


def until(condition, seconds=20):
    """Wait for something the service does in its own time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.01)


def generation(http):
    return http.get("/generation").json()["generation"]


def logged(home):
    return read_decision_log(sorted((home / "decisions").iterdir()))


def test_a_slate_has_all_that_its_evaluation_needs(http, home):
    body = http.post("/rank", json=RANK).json()
    assert body["generation"] == 1
    assert [s["position"] for s in body["slate"]] == [0, 1]
    assert {s["item_id"] for s in body["slate"]} < set(ITEMS)
    tables = logged(home)
    assert tables.requests["eligible"][0] == list(ITEMS)
    assert tables.impressions["impression_id"].tolist() == [s["impression_id"] for s in body["slate"]]
    assert tables.impressions["propensity"].tolist() == [s["propensity"] for s in body["slate"]]


def test_the_logged_propensity_is_the_one_recomputed_from_the_bundle(http, home):
    for _ in range(5):
        http.post("/rank", json=RANK | {"eligible": ["heat", "brazil", "unheard of"], "slate_size": 3})
    tables, served = logged(home), load_bundle(home / "bundles" / "g000001")
    for _, request in tables.requests.iterrows():
        asked = RankRequests.of([request["user_id"]], np.array([request["at"]]), [request["eligible"]])
        scored = served.score_eligible(asked)
        shown = tables.impressions[tables.impressions["request_id"] == request["request_id"]].sort_values("position")
        entries = Shown(np.array([request["eligible"].index(i) for i in shown["item_id"]]), np.array([0, 3]))
        again = served.policy.score(scored.score, scored.offsets, entries)
        assert np.array_equal(again, shown["propensity"].to_numpy())


def test_what_a_user_liked_is_in_the_next_answer_and_in_the_log_as_it_was_used(tmp_path, monkeypatch):
    release(tmp_path, 1, spec=RECENT_SPEC, architecture="din")
    with client(tmp_path, monkeypatch) as http:
        for item in ("heat", "brazil"):
            learned = http.get("/generation").json()["outcomes_learned"]
            shown = http.post("/rank", json=RANK | {"eligible": [item], "slate_size": 1}).json()["slate"][0]
            http.post("/outcome", json={"impression_id": shown["impression_id"], "kind": "rating", "value": 9})
            until(lambda n=learned: http.get("/generation").json()["outcomes_learned"] == n + 1)
        http.post("/rank", json=RANK | {"context": {"device": "tv"}})
        http.post("/rank", json=RANK | {"context": {"recent": ["alien"]}})
    tables, served = logged(tmp_path), load_bundle(tmp_path / "bundles" / "g000001")
    context = context_arrays(tables.requests["context"])
    assert context["recent"].tolist() == [[], ["heat"], ["brazil", "heat"], ["alien"]]
    for row, request in tables.requests.iterrows():  # encoded again from the log alone, bit for bit
        asked = {name: values[row : row + 1] for name, values in context.items()}
        offline = served.score_eligible(
            RankRequests.of([request["user_id"]], np.array([request["at"]]), [request["eligible"]], asked)
        )
        shown = tables.impressions[tables.impressions["request_id"] == request["request_id"]]
        entries = [request["eligible"].index(item) for item in shown["item_id"]]
        assert offline.prediction.logit[entries].astype(float).tolist() == shown["logit"].tolist()


def test_an_outcome_that_is_measured_is_taken_down_and_not_learned(tmp_path, monkeypatch):
    bought = RewardRule(kind="purchase", equals=1, attribution=60)
    release(tmp_path, 1, outcome=RewardRule(kind="rating", at_least=8, attribution=60, measured=(bought,)))
    with client(tmp_path, monkeypatch) as http:
        shown = http.post("/rank", json=RANK).json()["slate"][0]["impression_id"]
        for kind, value, reward in (("rating", 3, 0.0), ("purchase", 1, 1.0)):
            told = http.post("/outcome", json={"impression_id": shown, "kind": kind, "value": value}).json()
            assert told == {"accepted": True, "reward": reward}
        again = {"impression_id": shown, "kind": "purchase", "value": 0}
        assert http.post("/outcome", json=again).json() == {"accepted": False, "reward": 1.0}, "the first stands"
        refused = http.post("/outcome", json={"impression_id": shown, "kind": "refund", "value": 1})
        assert refused.status_code == 400
        assert "learns from 'rating' alone and takes down purchase" in refused.text
    assert logged(tmp_path).outcomes["kind"].tolist() == ["rating", "purchase"]


def test_a_body_is_read_as_json_whatever_it_is_called(http):
    for kind in ("application/x-www-form-urlencoded", "text/plain", "application/vnd.bentoml+pickle"):
        assert http.post("/rank", content=json.dumps(RANK), headers={"content-type": kind}).status_code in (200, 415)
    assert http.post("/rank", content=json.dumps(RANK)).status_code == 200


def test_unknown_users_and_items_are_served(http):
    body = http.post("/rank", json={"user_id": "stranger", "slate_size": 1, "eligible": ["unheard of"]}).json()
    assert body["slate"][0]["item_id"] == "unheard of"
    assert body["slate"][0]["propensity"] == 1.0


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ({"user_id": "ann"}, "slate_size: Field required"),
        ({"slate_size": 1}, "user_id: Field required"),
        (RANK | {"slate_size": 0}, "slate_size is 0; allowed is 1 to 5"),
        (RANK | {"slate_size": 6}, "slate_size is 6; allowed is 1 to 5"),
        (RANK | {"slate_size": "many"}, "slate_size: Input should be a valid integer"),
        (RANK | {"eligible": []}, "eligible is empty; give at least one item"),
        (RANK | {"eligible": ["a", "b", "a"]}, "eligible names item 'a' twice"),
        (RANK | {"eligible": "heat"}, "eligible: Input should be a valid array"),
        (RANK | {"context": {"devise": "tv"}}, "context has 'devise'; allowed is device"),
        (
            RANK | {"context": {"device": ["tv"]}},
            "allowed is a single value",
        ),
        (RANK | {"size": 3}, "size: Extra inputs are not permitted; received 3; allowed fields are user_id"),
        ([], "body: Input should be"),
    ],
)
def test_a_bad_request_is_told_in_one_line_what_is_allowed(http, home, body, line):
    got = http.post("/rank", json=body)
    assert got.status_code == 400
    assert line in got.json()["error"]
    assert "\n" not in got.json()["error"]
    assert not (home / "decisions").exists()


def test_a_body_that_is_no_json_is_told_so(http):
    got = http.post("/rank", content=b"user_id=ann")
    assert got.status_code == 400
    assert "Invalid JSON" in got.json()["error"]


@pytest.mark.parametrize(
    "content",
    [
        b'{"user_id": "\\ud800", "slate_size": 1}',
        b'{"user_id": "\xff", "slate_size": 1}',
        b'{"user_id": "ann", "slate_size": 1e30}',
        b"",
    ],
)
def test_a_body_that_could_not_be_logged_is_refused(http, home, content):
    got = http.post("/rank", content=content)
    assert got.status_code == 400
    assert "\n" not in got.json()["error"]
    assert not (home / "decisions").exists()


def test_an_outcome_is_accepted_once_and_reaches_the_memory(http, home):
    impression = http.post("/rank", json=RANK).json()["slate"][0]["impression_id"]
    told = {"impression_id": impression, "kind": "rating", "value": 9}
    assert http.post("/outcome", json=told).json() == {"accepted": True, "reward": 1.0}
    assert http.post("/outcome", json=told).json() == {"accepted": False, "reward": 1.0}
    assert http.post("/outcome", json=told | {"value": 2}).json() == {"accepted": False, "reward": 1.0}
    until(lambda: http.get("/generation").json()["outcomes_learned"] == 1)
    assert logged(home).outcomes[["reward", "grade"]].to_numpy().tolist() == [[1.0, 9.0]]


@pytest.mark.parametrize(
    ("change", "status", "line"),
    [
        ({"impression_id": "r-0"}, 404, "impression_id 'r-0' is unknown; allowed are those answered by /rank"),
        ({"kind": "click"}, 400, "outcome kind is 'click'; this generation learns from 'rating' alone"),
        ({"value": "lovely"}, 400, "outcome value is 'lovely'; allowed is a finite number"),
        ({"value": None}, 400, "value"),
        ({"stars": 5}, 400, "stars: Extra inputs are not permitted"),
    ],
)
def test_a_bad_outcome_is_told_in_one_line_what_is_allowed(http, home, change, status, line):
    impression = http.post("/rank", json=RANK).json()["slate"][0]["impression_id"]
    got = http.post("/outcome", json={"impression_id": impression, "kind": "rating", "value": 9} | change)
    assert got.status_code == status
    assert line in got.json()["error"]
    assert len(logged(home).outcomes) == 0


def test_without_a_champion_the_service_says_what_to_do_and_wakes_when_there_is_one(tmp_path, monkeypatch):
    with client(tmp_path, monkeypatch) as http:
        for got in (http.post("/rank", json=RANK), http.get("/generation")):
            assert got.status_code == 503
            assert "no champion yet" in got.json()["error"]
            assert "make run" in got.json()["error"]
        assert http.get("/readyz").status_code == 503
        assert http.get("/livez").status_code == 200
        release(tmp_path, 1)
        until(lambda: http.get("/readyz").status_code == 200)
        assert http.post("/rank", json=RANK).status_code == 200


def test_a_moved_pointer_swaps_the_champion_and_drops_no_request(http, home):
    assert generation(http) == 1
    release(home, 2)
    answers = []

    def swapped():
        answers.append(http.post("/rank", json=RANK))
        return answers[-1].json()["generation"] == 2

    until(swapped)
    assert {a.status_code for a in answers} == {200}
    move_pointer(home, Role.CHAMPION, Pointer.to(1))
    until(lambda: generation(http) == 1)


def test_outcomes_told_to_one_champion_are_known_to_the_next(http, home):
    impression = http.post("/rank", json=RANK).json()["slate"][0]["impression_id"]
    told = {"impression_id": impression, "kind": "rating", "value": 9}
    http.post("/outcome", json=told)
    release(home, 2)
    until(lambda: generation(http) == 2)
    assert http.post("/outcome", json=told).json()["accepted"] is False
    until(lambda: http.get("/generation").json()["outcomes_learned"] == 1)


@pytest.mark.parametrize("damage", ["digest", "half-written", "pointer", "golden"])
def test_a_broken_release_leaves_the_old_champion_in_service(http, home, damage, monkeypatch):
    folder = release(home, 2)
    until(lambda: generation(http) == 2)
    pointer = pointer_path(home, Role.CHAMPION)
    move_pointer(home, Role.CHAMPION, Pointer.to(1))
    until(lambda: generation(http) == 1)
    if damage == "digest":
        (folder / "policy.json").write_text("{}")
    elif damage == "golden":
        monkeypatch.setattr("components.publish.golden.TOLERANCE", -1.0)
    elif damage == "half-written":
        (folder / "manifest.json").unlink()
    if damage == "pointer":
        pointer.write_text("{")
    else:
        move_pointer(home, Role.CHAMPION, Pointer.to(2))
    until(lambda: fault(http) is not None)
    assert generation(http) == 1
    assert http.post("/rank", json=RANK).status_code == 200
    move_pointer(home, Role.CHAMPION, Pointer.to(1))
    until(lambda: fault(http) is None)
    monkeypatch.setattr("components.publish.golden.TOLERANCE", 1e-5)
    release(home, 3)
    until(lambda: generation(http) == 3)


def fault(http):
    return http.get("/generation").json()["fault"]


def test_an_answer_that_cannot_be_logged_is_not_given(http, home):
    http.post("/rank", json=RANK)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    size = next((home / "decisions").iterdir()).stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 40, hard))
    try:
        got = http.post("/rank", json=RANK)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert got.status_code == 503
    assert got.headers["retry-after"] == "1"
    assert "cannot write the decision log" in got.json()["error"]
    assert len(logged(home).requests) == 1
    assert http.post("/rank", json=RANK).status_code == 200


def test_while_the_disk_takes_nothing_the_service_is_not_ready_and_recovers_by_itself(http, home):
    http.post("/rank", json=RANK)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (next((home / "decisions").iterdir()).stat().st_size + 40, hard))
    try:
        assert http.post("/rank", json=RANK).status_code == 503
        assert http.get("/readyz").status_code == 503
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    until(lambda: http.get("/readyz").status_code == 200)
    assert http.post("/rank", json=RANK).status_code == 200
    assert not [path for path in (home / "decisions").iterdir() if path.suffix != ".jsonl"]


def test_every_logged_propensity_is_computed_again_to_the_bit_from_log_and_bundles(http, home):
    for step in range(12):
        body = RANK | ({} if step % 3 else {"eligible": ["heat", "brazil", "unheard of"]}) | {"user_id": f"u{step % 4}"}
        shown = http.post("/rank", json=body).json()["slate"][0]["impression_id"]
        known = http.get("/generation").json()["outcomes_learned"]
        http.post("/outcome", json={"impression_id": shown, "kind": "rating", "value": 9 if step % 2 else 2})
        until(lambda n=known: http.get("/generation").json()["outcomes_learned"] == n + 1)
    found = self_check(Workspace(home), 1000, 0.02)
    assert (found.exact, found.close, found.off, found.gone, found.unnamed) == (24, 0, 0, 0, 0)
    assert found.passed and found.requests == 12
    path = next((home / "decisions").iterdir())
    whole = path.read_text()
    path.write_text(whole.replace('"learned":7', '"learned":2'))
    damaged = self_check(Workspace(home), 1000, 0.02)
    assert damaged.damaged == 1 and not damaged.passed and "1 lines of the log are not as they were" in damaged.said
    path.write_text(re.sub(r',"crc":"\w{8}"', "", whole).replace('"learned":7', '"learned":2'))
    assert self_check(Workspace(home), 1000, 0.02).exact < 24
    path.write_text(re.sub(r'"propensity":[^,]+', '"propensity":0.9', path.read_text()))
    assert not self_check(Workspace(home), 1000, 0.02).passed


def test_without_an_eligible_set_what_was_retrieved_is_the_eligible_set_and_is_logged(tmp_path, monkeypatch):
    release(tmp_path, 1)
    monkeypatch.setenv("EVERCURRENT_CANDIDATES", "3")
    monkeypatch.setenv("EVERCURRENT_EXPLORED", "0.4")
    with client(tmp_path, monkeypatch) as http:
        for _ in range(20):
            assert len(http.post("/rank", json=RANK).json()["slate"]) == 2
        refused = http.post("/rank", json=RANK | {"slate_size": 4})
        assert refused.status_code == 400 and "allowed is 1 to 3" in refused.json()["error"]
    eligible = logged(tmp_path).requests["eligible"]
    assert (eligible.map(len) == 3).all() and len({items[2] for items in eligible}) > 1
    assert self_check(Workspace(tmp_path), 1000, 0.02).exact == 40


def test_what_is_excluded_is_not_shown_and_not_eligible(http, home):
    for body in (RANK | {"exclude": ["heat", "unheard of"]}, RANK | {"eligible": list(ITEMS), "exclude": ["heat"]}):
        for _ in range(10):
            assert "heat" not in {s["item_id"] for s in http.post("/rank", json=body).json()["slate"]}
    assert logged(home).requests["eligible"].map(set).eq(set(ITEMS) - {"heat"}).all()
    refused = http.post("/rank", json=RANK | {"eligible": ["heat"], "exclude": ["heat"]})
    assert refused.status_code == 400 and "leave none of the eligible" in refused.json()["error"]
    assert self_check(Workspace(home), 1000, 0.02).exact == 40


def test_filters_choose_by_attributes_and_name_what_they_do_not_know(http, home):
    for _ in range(10):
        answered = http.post("/rank", json=RANK | {"slate_size": 1, "filters": {"item": ["heat", "alien"]}}).json()
        assert answered["slate"][0]["item_id"] in {"heat", "alien"}
    assert logged(home).requests["eligible"].map(set).eq({"heat", "alien"}).all()
    for filters, line in (
        ({"colour": ["red"]}, "filters name 'colour'; allowed are item"),
        ({"item": ["nothing like it"]}, "leave none of the eligible"),
    ):
        refused = http.post("/rank", json=RANK | {"filters": filters})
        assert refused.status_code == 400 and line in refused.json()["error"]
    both = http.post("/rank", json=RANK | {"eligible": ["heat"], "filters": {"item": ["heat"]}})
    assert both.status_code == 400 and "both given" in both.json()["error"]
    assert self_check(Workspace(home), 1000, 0.02).exact == 10


def test_several_outcomes_are_each_told_what_became_of_them(http, home):
    shown = [s["impression_id"] for s in http.post("/rank", json=RANK).json()["slate"]]
    told = [
        {"impression_id": shown[0], "kind": "rating", "value": 9},
        {"impression_id": shown[0], "kind": "rating", "value": 1},
        {"impression_id": "nobody-0", "kind": "rating", "value": 9},
        {"impression_id": shown[1], "kind": "rating", "value": "lovely"},
        {"impression_id": shown[1], "kind": "click", "value": 1},
    ]
    found = http.post("/outcomes", json={"outcomes": told}).json()["outcomes"]
    assert [f["status"] for f in found] == ["accepted", "repeated", "unknown", "refused", "refused"]
    assert found[1]["reward"] == 1.0 and "finite number" in found[3]["error"]
    assert len(logged(home).outcomes) == 1
    for body in ({"outcomes": []}, {"outcomes": told * 300}, {"outcomes": [{"impression_id": ""}]}, {}):
        refused = http.post("/outcomes", json=body)
        assert refused.status_code == 400 and "outcomes" in refused.json()["error"]


def test_an_explained_score_is_the_sum_of_what_it_is_made_of(http, home):
    plain = http.post("/rank", json=RANK).json()
    assert all("explanation" not in shown for shown in plain["slate"])
    first = plain["slate"][0]["impression_id"]
    assert http.post("/outcome", json={"impression_id": first, "kind": "rating", "value": 9}).json()["accepted"]
    until(lambda: http.get("/generation").json()["outcomes_learned"] == 1)
    told = http.post("/rank", json=RANK | {"slate_size": 3, "explain": True}).json()
    for shown in told["slate"]:
        because = shown["explanation"]
        assert {"intercept", "base logit", "outcome", "residual"} <= set(because["memory"])
        assert because["base"] + sum(because["memory"].values()) == pytest.approx(shown["score"], abs=1e-5)


def test_a_batch_is_scored_together_and_answered_each_for_itself(http, home):
    asked = [RANK, RANK | {"slate_size": 99}, RANK | {"user_id": "bob", "eligible": list(ITEMS)}]
    answers = http.post("/rank_batch", json={"requests": asked}).json()["answers"]
    assert [len(a.get("slate", ())) for a in answers] == [2, 0, 2] and "slate_size is 99" in answers[1]["error"]
    assert set(logged(home).requests["user_id"]) == {"ann", "bob"}
    assert self_check(Workspace(home), 1000, 0.02).exact == 4
    for body in ({"requests": []}, {"requests": [RANK] * 101}, {"requests": [{}]}):
        refused = http.post("/rank_batch", json=body)
        assert refused.status_code == 400 and "requests" in refused.json()["error"]


def test_many_who_ask_at_once_get_what_each_would_get_alone(http, home):
    with ThreadPoolExecutor(16) as pool:
        asked = [RANK | {"user_id": f"u{n % 7}", "slate_size": 1 + n % 3} for n in range(120)]
        answers = list(pool.map(lambda body: http.post("/rank", json=body).json(), asked))
    assert [len(a["slate"]) for a in answers] == [1 + n % 3 for n in range(120)]
    assert len({a["request_id"] for a in answers}) == 120
    found = self_check(Workspace(home), 1000, 0.02)
    assert found.exact == sum(len(a["slate"]) for a in answers)


def test_the_reports_of_who_answers_can_be_read_and_nothing_else(http, home):
    told = http.get("/reports").json()
    assert told["generation"] == 1 and "drift.html" in told["reports"]
    page = http.get("/reports/drift.html")
    assert page.status_code == 200 and page.headers["content-type"].startswith("text/html")
    assert told["site"] is None
    for name in ("nothing.html", "..%2fmanifest.json", "%2fetc%2fpasswd"):
        assert http.get(f"/reports/{name}").status_code == 404


@pytest.fixture
def site(home):
    """The site of the home, with a secret beside it and one that a link leads to."""
    folder = home / "reports"
    for path in ("index.html", "turns/7/drift.html", "assets/evidently-1.js", "forgotten/7.json"):
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(path)
    (home / "secret.html").write_text("secret")
    (folder / "linked.html").symlink_to(home / "secret.html")
    yield folder
    shutil.rmtree(folder)
    (home / "secret.html").unlink()


def test_the_site_of_the_home_is_served_and_a_browser_is_led_to_it(http, site):
    assert http.get("/reports").json()["site"] == "/reports/index.html"
    led = http.get("/reports", headers={"accept": "text/html,*/*"}, follow_redirects=False)
    assert (led.status_code, led.headers["location"]) == (307, "reports/index.html")
    for path in ("index.html", "turns/7/drift.html", "assets/evidently-1.js"):
        found = http.get(f"/reports/{path}")
        assert (found.status_code, found.text) == (200, path)
    assert http.get("/reports/index.html").headers["x-content-type-options"] == "nosniff"
    assert http.get("/reports/drift.html").status_code == 200


@pytest.mark.parametrize(
    "path",
    [
        "../secret.html",
        "..%2fsecret.html",
        "turns/%2e%2e/%2e%2e/secret.html",
        "turns/..%2f..%2fsecret.html",
        "%2fsecret.html",
        "linked.html",
        "forgotten/7.json",
        "turns",
        "turns/7/",
        ".html",
        "index.html%00.html",
    ],
)
def test_nothing_but_pages_of_the_site_is_served_whatever_the_path_tries(http, site, path):
    found = http.get(f"/reports/{path}")
    assert found.status_code in (400, 404)
    assert "secret" not in found.text or "no page" in found.text


def test_the_figures_for_prometheus_tell_what_was_shown_and_learned(http, home):
    shown = http.post("/rank", json=RANK | {"user_id": "nobody knows me"}).json()["slate"]
    http.post("/outcome", json={"impression_id": shown[0]["impression_id"], "kind": "rating", "value": 9})
    http.post("/outcome", json={"impression_id": "nobody-0", "kind": "rating", "value": 9})
    until(lambda: http.get("/generation").json()["outcomes_learned"] == 1)
    from prometheus_client import REGISTRY

    value = REGISTRY.get_sample_value
    assert value("evercurrent_generation") == 1 and value("evercurrent_memory_behind_seconds") == 0
    assert value("evercurrent_shown_total") >= 2 and value("evercurrent_shown_unknown_user_total") >= 2
    assert value("evercurrent_outcomes_told_total", {"status": "accepted"}) >= 1
    assert value("evercurrent_outcomes_told_total", {"status": "unknown"}) >= 1
    assert value("evercurrent_trust_weight", {"signal": "base logit"}) is not None
    assert value("evercurrent_stage_seconds_count", {"stage": "durable"}) >= 1


def test_the_description_of_the_api_is_whole_and_every_example_fits(http):
    told = http.get("/docs.json").json()
    assert set(told["paths"]) >= {"/rank", "/outcome", "/outcomes", "/generation", "/readyz", "/metrics"}
    for reference in re.findall(r"#/components/schemas/(\w+)", json.dumps(told)):
        assert reference in told["components"]["schemas"]
    for path in ("/rank", "/rank_batch", "/outcome", "/outcomes"):
        posted = told["paths"][path]["post"]
        example = posted["requestBody"]["content"]["application/json"]["example"]
        for body in (example, {}, example | {"strange": 1}):
            assert str(http.post(path, json=body).status_code) in posted["responses"]
        assert http.post(path, json=example).status_code in (200, 404)


def test_the_service_imports_neither_warehouse_nor_flows(http):
    import subprocess
    import sys

    code = (
        "import sys, bento.service; print([m for m in ('duckdb', 'prefect', 'warehouse', 'flows') if m in sys.modules])"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
