"""The client: when it comes again, when it gives up, and what it says then."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import httpx
import pytest

from components.domain import ContractBroken, Transient
from flows.live.client import Client, Unwelcome, read_token


def asked(answer: Callable[[httpx.Request], httpx.Response], patience: float = 5.0) -> tuple[Client, Any, list[float]]:
    """A client of a made-up service, what it got or raised, and how long it slept each time."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    http = httpx.AsyncClient(base_url="http://test", transport=httpx.MockTransport(answer))
    client = Client(http, Random(0), patience, sleep)

    async def ask() -> Any:
        async with http:
            try:
                return await client.post("/rank", {})
            except Exception as error:
                return error

    return client, asyncio.run(ask()), slept


def told(*answers: httpx.Response | Exception) -> Callable[[httpx.Request], httpx.Response]:
    """One answer after another."""
    coming = iter(answers)

    def answer(request: httpx.Request) -> httpx.Response:
        made = next(coming)
        if isinstance(made, Exception):
            raise made
        return made

    return answer


def test_a_service_that_is_busy_is_asked_again_when_it_said_so() -> None:
    busy = httpx.Response(503, headers={"Retry-After": "3"}, json={"error": "the disk is full"})
    answers = told(busy, httpx.ConnectError("refused"), httpx.Response(200, json={"slate": []}))
    client, got, slept = asked(answers, 60)
    assert got == {"slate": []}
    assert client.retried == 2
    assert 3.0 <= slept[0] <= 3.1, "as long as it asked for, and a little"
    assert 0 <= slept[1] <= 0.2, "an own pause, of at most twice the first"


def test_patience_ends_in_one_line_that_says_what_was_in_the_way() -> None:
    _, got, _ = asked(lambda _: httpx.Response(503, headers={"Retry-After": "1"}, json={"error": "no champion yet"}), 0)
    assert isinstance(got, Transient)
    assert str(got) == (
        "http://test/rank did not answer within 0 s (status 503: no champion yet); "
        "is the service running? evercurrent serve"
    )


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        (httpx.Response(401, json={"error": "no bearer token"}), Unwelcome, "answered 401: no bearer token"),
        (httpx.Response(403, json={"error": "may outcome"}), Unwelcome, "answered 403: may outcome"),
        (httpx.Response(400, json={"error": "eligible is empty"}), ContractBroken, "answered 400: eligible is empty"),
        (httpx.Response(404, text="<html>\nnowhere"), ContractBroken, "answered 404: <html> nowhere"),
        (httpx.Response(200, text="hello"), ContractBroken, "no JSON object"),
        (httpx.Response(200, json=[1]), ContractBroken, "no JSON object"),
    ],
)
def test_what_another_try_would_not_change_is_said_at_once(answer: httpx.Response, kind: type, says: str) -> None:
    client, got, _ = asked(told(answer))
    assert isinstance(got, kind)
    assert says in str(got)
    assert client.retried == 0


def test_a_token_comes_from_its_file_and_else_from_the_environment(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("0123456789abcdef\n")
    assert read_token(tmp_path / "token", "other") == "0123456789abcdef"
    assert read_token(None, "other") == "other"
    assert read_token(None, "") is None


@pytest.mark.parametrize("content", [b"", b"rank 0123456789abcdef", b"\xff"])
def test_a_file_of_something_else_is_refused_without_a_word_of_it(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "token").write_bytes(content)
    with pytest.raises(ContractBroken) as error:
        read_token(tmp_path / "token", None)
    assert "0123456789abcdef" not in str(error.value)
