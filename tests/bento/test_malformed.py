"""Bodies that mean nothing: each is refused with one line, and the service answers on."""

import pytest

from benchmarks.serving_fuzz import WAYS, fuzz, malformed, read
from tests.bento.test_service import http  # noqa: F401 - a fixture


def test_malformed_bodies_are_refused_with_a_reason_and_leave_no_line(http, home):  # noqa: F811
    def ask(path, body):
        answered = http.post(path, content=body)
        return read(answered.status_code, answered.content)

    found = fuzz(ask, seed=3, count=300)
    assert found.wrong == ()
    assert set(found.statuses) <= {"400", "404", "413"}
    assert all(found.by_way.values()), "every way was tried"
    assert found.alive
    lines = [line for path in (home / "decisions").iterdir() for line in path.read_text().splitlines()]
    assert len(lines) == 1, "of the sound request alone"


def test_the_same_seed_makes_the_same_bodies():
    assert list(malformed(1, 50)) == list(malformed(1, 50)) != list(malformed(2, 50))
    assert {way for way, _ in malformed(0, 400)} == set(WAYS)


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ({"user_id": "ann", "slate_size": True}, "slate_size: Input should be a valid integer; received True"),
        ({"user_id": "ann", "slate_size": "2"}, "slate_size: Input should be a valid integer; received '2'"),
    ],
)
def test_what_only_looks_like_a_number_is_none(http, body, line):  # noqa: F811
    assert line in http.post("/rank", json=body).json()["error"]


@pytest.mark.parametrize("grade", [True, "3"])
def test_a_grade_is_a_number(http, grade):  # noqa: F811
    told = {"impression_id": "never-0", "kind": "rating", "value": 9, "grade": grade}
    got = http.post("/outcome", json=told)
    assert got.status_code == 400
    assert "grade: Input should be a valid number" in got.json()["error"]


def test_ids_are_described_as_they_are_read(http):  # noqa: F811
    schemas = http.get("/docs.json").json()["components"]["schemas"]
    asked = schemas["RankRequest"]["properties"]
    text, number = asked["user_id"]["anyOf"]
    assert (text["minLength"], text["maxLength"], number) == (1, 256, {"type": "number"})
    assert asked["slate_size"]["minimum"] == 1
    assert http.post("/rank", json={"user_id": 7, "slate_size": 1, "eligible": [1, 2]}).status_code == 200
