"""Who is answered, and how much is read before somebody says no."""

import os
import time

import pytest

pytest.importorskip("bentoml")
from starlette.testclient import TestClient

from bento.access import Guard, Tokens
from components.domain import ContractBroken
from tests.bento.conftest import ITEMS, release
from tests.bento.test_service import RANK, client, logged

RANKS, TELLS = "rank-0123456789abcdef", "tell-0123456789abcdef"


@pytest.fixture
def tokens(tmp_path):
    path = tmp_path / "tokens.txt"
    path.write_text(f"# who may what\nrank {RANKS}\noutcome,admin {TELLS}\n")
    return path


@pytest.fixture
def http(home):
    monkeypatch = pytest.MonkeyPatch()
    with client(home, monkeypatch) as http:
        yield http
    monkeypatch.undo()


async def app(scope, receive, send):
    body = (await receive())["body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": str(len(body)).encode()})


def guarded(tokens=None, most=100, address="127.0.0.1"):
    return TestClient(Guard(app, tokens, most), client=(address, 4000))


def bearer(token):
    return {"authorization": f"Bearer {token}"}


def test_without_tokens_this_machine_alone_is_answered():
    assert guarded().post("/rank", content=b"x").status_code == 200
    assert guarded(address="::1").post("/rank", content=b"x").status_code == 200
    far = guarded(address="10.1.2.3")
    assert far.post("/rank", content=b"x").status_code == 403
    assert "EVERCURRENT_TOKENS" in far.post("/outcome", content=b"x").json()["error"]
    assert far.get("/metrics").status_code == 403


def test_a_token_does_what_its_scopes_say(tokens):
    http = guarded(Tokens.read(tokens), address="10.1.2.3")
    assert http.post("/rank", content=b"x", headers=bearer(RANKS)).status_code == 200
    assert http.post("/outcome", content=b"x", headers=bearer(TELLS)).status_code == 200
    wrong = http.post("/outcome", content=b"x", headers=bearer(RANKS))
    assert wrong.status_code == 403 and "may rank; /outcome asks for outcome" in wrong.json()["error"]
    for headers in ({}, bearer("guess-0123456789abcdef"), {"authorization": RANKS}, bearer("")):
        refused = http.post("/rank", content=b"x", headers=headers)
        assert refused.status_code == 401
        assert "0123456789" not in refused.text


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "holds no token"),
        ("rank short", "line 1: allowed are scopes"),
        ("# a\nroot 0123456789abcdef01", "line 2: a scope is none of rank, outcome"),
        ("0123456789abcdef01", "line 1: allowed are scopes"),
    ],
)
def test_a_file_of_tokens_that_means_nothing_is_refused_without_telling_what_stands_in_it(tmp_path, text, said):
    path = tmp_path / "tokens"
    path.write_text(text)
    with pytest.raises(ContractBroken, match=said) as refused:
        Tokens.read(path)
    assert "0123456789" not in str(refused.value)
    with pytest.raises(ContractBroken, match="no file of tokens"):
        Tokens.read(tmp_path / "missing")


def test_a_body_is_read_up_to_its_limit_whatever_length_it_claims():
    http = guarded(most=100)
    assert http.post("/rank", content=b"x" * 100).text == "100"
    for body in (b"x" * 101, iter([b"x" * 60, b"x" * 60])):
        refused = http.post("/rank", content=body)
        assert refused.status_code == 413 and "100 bytes" in refused.json()["error"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"eligible": [f"i{n}" for n in range(5001)]}, "eligible names 5001 items; allowed are 5000"),
        ({"eligible": [f"i{n}" for n in range(200)], "slate_size": 101}, "slate_size is 101; allowed is 1 to 100"),
        ({"user_id": "a\u0000b"}, "no control characters"),
        ({"user_id": ""}, "an id has 1 to 256 bytes"),
        ({"user_id": "x" * 257}, "an id has 1 to 256 bytes"),
        ({"eligible": ["heat", ""]}, "an id has 1 to 256 bytes"),
        ({"eligible": ["heat", "\u00e9" * 129]}, "an id has 1 to 256 bytes"),
        ({"eligible": ["heat", "a\nb"]}, "no control characters"),
    ],
)
def test_a_request_beyond_its_limits_is_refused_in_one_line(http, home, change, said):
    refused = http.post("/rank", json=RANK | change)
    assert refused.status_code == 400
    assert said in refused.json()["error"] and len(refused.text) < 400
    assert not (home / "decisions").exists()


def test_duplicates_among_many_items_are_found_at_once(http):
    eligible = [f"i{n}" for n in range(4999)]
    begin = time.process_time()
    refused = http.post("/rank", json=RANK | {"eligible": [*eligible, "i4998"]})
    assert refused.status_code == 400 and "'i4998' twice" in refused.json()["error"]
    assert time.process_time() - begin < 2, "it took 14 seconds when each was counted among all"


def test_a_content_type_nobody_knows_is_no_fault(http, capfd):
    for kind in ("application/vnd.bentoml+pickle", "image/png", "nonsense"):
        body = b'{"user_id": "ann", "slate_size": 1}'
        assert http.post("/rank", content=body, headers={"content-type": kind}).status_code == 200
    assert "Traceback" not in capfd.readouterr().err


def test_many_items_are_ranked_beside_the_loop_and_logged_alike(tmp_path):
    release(tmp_path, 1)
    monkeypatch = pytest.MonkeyPatch()
    monkeypatch.setenv("EVERCURRENT_BESIDE", "3")
    with client(tmp_path, monkeypatch) as http:
        for eligible in (list(ITEMS), list(ITEMS[:3])):
            assert http.post("/rank", json=RANK | {"eligible": eligible}).status_code == 200
    monkeypatch.undo()
    assert logged(tmp_path).requests["eligible"].map(len).tolist() == [5, 3]


def test_no_answer_leaves_before_its_line_is_on_the_disk(http, home, monkeypatch):
    synced, real = {}, os.fsync

    def noted(handle):
        size = os.fstat(handle).st_size
        real(handle)
        synced[os.fstat(handle).st_ino] = size

    monkeypatch.setattr(os, "fsync", noted)
    for _ in range(5):
        shown = http.post("/rank", json=RANK).json()["slate"][0]["impression_id"]
        _nothing_is_only_in_the_kernel(home, synced)
        http.post("/outcome", json={"impression_id": shown, "kind": "rating", "value": 9})
        _nothing_is_only_in_the_kernel(home, synced)


def _nothing_is_only_in_the_kernel(home, synced):
    for path in (home / "decisions").iterdir():
        assert synced[path.stat().st_ino] == path.stat().st_size
