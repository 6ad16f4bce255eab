"""Two generations in one worker: who answers whom, and that both learn what the other's users do."""

import pytest

pytest.importorskip("bentoml")

from components.publish.bundle import write_bundle
from components.publish.canary import Canary, read_canary
from components.publish.pointer import Pointer, Role, clear_pointer, move_pointer
from tests.bento.test_service import client, generation, logged, until
from tests.publish.conftest import make_content

USERS = [f"u{i}" for i in range(60)]


def send_out(home, number=2, share=0.5, champion=1):
    """Write a bundle and make it canary."""
    write_bundle(home / "bundles", make_content(generation=number, seed=number))
    move_pointer(home, Role.CANARY, Canary.beside(champion, number, share))


@pytest.fixture
def http(home, monkeypatch):
    send_out(home)
    with client(home, monkeypatch) as http:
        yield http


def answered_by(http, users=USERS):
    return [http.post("/rank", json={"user_id": u, "slate_size": 2}).json()["generation"] for u in users]


def told(http):
    return http.get("/generation").json()


def test_the_hash_of_the_user_says_who_answers_and_the_log_names_it(http, home):
    expected = [2 if read_canary(home).serves(u) else 1 for u in USERS]
    assert set(expected) == {1, 2}
    assert answered_by(http) == expected == answered_by(http)
    requests = logged(home).requests
    assert dict(zip(requests["user_id"], requests["generation"], strict=True)) == dict(
        zip(USERS, expected, strict=True)
    )
    assert (told(http)["generation"], told(http)["canary"], told(http)["canary_share"]) == (1, 2, 0.5)


def test_both_memories_learn_an_outcome_whoever_showed_it(http):
    for user in USERS[:10]:
        shown = http.post("/rank", json={"user_id": user, "slate_size": 1}).json()["slate"][0]
        told_once = http.post(
            "/outcome", json={"impression_id": shown["impression_id"], "kind": "rating", "value": 1.0}
        ).json()
        assert told_once["accepted"]
    until(lambda: told(http)["outcomes_learned"] == 10)
    until(lambda: told(http)["canary_outcomes_learned"] == 10)


def test_a_canary_that_is_taken_back_leaves_everyone_to_the_champion(http, home):
    clear_pointer(home, Role.CANARY)
    until(lambda: told(http)["canary"] is None)
    assert set(answered_by(http)) == {1}


def test_a_promoted_canary_answers_everyone(http, home):
    move_pointer(home, Role.CHAMPION, Pointer.to(2))
    clear_pointer(home, Role.CANARY)
    until(lambda: generation(http) == 2 and told(http)["canary"] is None)
    assert set(answered_by(http)) == {2}


def test_a_canary_of_another_champion_answers_nobody(http, home):
    send_out(home, number=3, champion=2)
    until(lambda: told(http)["canary"] == 3)
    assert set(answered_by(http)) == {1}


@pytest.mark.parametrize("broken", ["pointer", "bundle"])
def test_a_broken_canary_is_a_fault_and_the_champion_answers_everyone(home, monkeypatch, broken):
    send_out(home)
    path = home / ("pointers/canary.json" if broken == "pointer" else "bundles/g000002/policy.json")
    path.write_text("{")
    with client(home, monkeypatch) as http:
        assert set(answered_by(http)) == {1}
        assert told(http)["canary"] is None
        assert len(told(http)["canary_fault"].splitlines()) == 1
        assert http.get("/readyz").status_code == 200
