"""A client of the service as an application has one: bounded waiting, and another try where the service asks for it.

A 503 says in Retry-After when to come again; a connection that breaks, or an answer that does not come, is tried after
pauses that double, with jitter, so that clients who were sent away together do not come back together (Brooker 2015,
"Exponential backoff and jitter"). Telling an outcome again changes nothing, so it may be repeated; asking for a slate
again makes another one, of which the first stays without outcomes.
"""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

import httpx
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_delay

from components.domain import ContractBroken, EvercurrentError, Transient

PATIENCE_SECONDS = 30.0
"""How long one call is tried again: a service that is started anew takes about ten seconds."""
FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds of the first pause, which doubles, and of the longest."""
TIMEOUT_SECONDS = 12.0
"""Of one answer; the service gives up after ten."""
AGAIN = (502, 503, 504)
UNWELCOME = (401, 403)


class Unwelcome(EvercurrentError):
    """The service asks for another token."""


class Again(Exception):
    """Not now; `after` is what the service asked to wait, in seconds."""

    def __init__(self, why: str, after: float | None = None) -> None:
        super().__init__(why)
        self.after = after


@dataclass
class Client:
    """Calls to one service. `dice` is for the jitter of its pauses; `retried` counts the calls made once more."""

    http: httpx.AsyncClient
    dice: Random
    patience: float = PATIENCE_SECONDS
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    retried: int = field(default=0)

    @classmethod
    def of(cls, url: str, token: str | None, connections: int, dice: Random, patience: float) -> "Client":
        """A client of the service at `url`; `connections` at most."""
        headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        http = httpx.AsyncClient(
            base_url=url.rstrip("/"), headers=headers, limits=limits, timeout=TIMEOUT_SECONDS, trust_env=False
        )
        return cls(http, dice, patience)

    async def get(self, path: str) -> dict[str, Any]:
        """The answer to a GET; see `_call` for what it raises."""
        return await self._call("GET", path, None)

    async def post(self, path: str, body: Mapping[str, object]) -> dict[str, Any]:
        """The answer to a POST; see `_call` for what it raises."""
        return await self._call("POST", path, body)

    async def _call(self, method: str, path: str, body: Mapping[str, object] | None) -> dict[str, Any]:
        """The answer's JSON object.

        Raises
        ------
        Transient
            If the service did not answer within the patience.
        Unwelcome
            If it asks for another token.
        ContractBroken
            If it refuses what was asked, or what answers is not the service.
        """
        try:
            async for attempt in AsyncRetrying(
                retry=retry_if_exception_type(Again),
                wait=self._pause,
                stop=stop_after_delay(self.patience),
                before_sleep=self._count,
                sleep=self.sleep,
                reraise=True,
            ):
                with attempt:
                    return await self._once(method, path, body)
        except Again as error:
            raise Transient(
                f"{self.http.base_url}{path} did not answer within {self.patience:g} s ({error}); "
                "is the service running? evercurrent serve"
            ) from None
        raise AssertionError("a call is answered or raises")

    async def _once(self, method: str, path: str, body: Mapping[str, object] | None) -> dict[str, Any]:
        try:
            answer = await self.http.request(method, path, json=body)
        except (httpx.InvalidURL, httpx.UnsupportedProtocol) as error:
            raise ContractBroken(f"{self.http.base_url}: {error}; allowed is such as http://127.0.0.1:3000") from None
        except httpx.HTTPError as error:
            raise Again(str(error) or type(error).__name__) from None
        if answer.status_code in AGAIN:
            raise Again(f"status {answer.status_code}: {_line(answer)}", _seconds(answer.headers.get("Retry-After")))
        if answer.status_code in UNWELCOME:
            raise Unwelcome(f"{answer.url} answered {answer.status_code}: {_line(answer)}")
        if answer.status_code != 200:
            raise ContractBroken(f"{answer.url} answered {answer.status_code}: {_line(answer)}")
        return _object(answer)

    def _pause(self, state: RetryCallState) -> float:
        raised = state.outcome.exception() if state.outcome else None
        asked = raised.after if isinstance(raised, Again) else None
        doubled = min(FIRST_PAUSE * 2.0 ** (state.attempt_number - 1), LONGEST_PAUSE)
        jitter = self.dice.uniform(0.0, doubled)
        return jitter if asked is None else min(asked, LONGEST_PAUSE) + jitter

    def _count(self, state: RetryCallState) -> None:
        self.retried += 1


def read_token(path: Path | None, named: str | None) -> str | None:
    """The bearer token: of a file, whose first line it is, or as the environment named it.

    Raises
    ------
    ContractBroken
        If the file cannot be read or holds none; says nothing of what stands in it.
    """
    if path is None:
        return named or None
    try:
        lines = path.read_text().split()
    except (OSError, UnicodeDecodeError):
        raise ContractBroken(
            f"no file with a token at {path}; --token-file names one that holds the token alone"
        ) from None
    if len(lines) != 1:
        raise ContractBroken(f"{path} holds {len(lines)} words; allowed is the token alone")
    return lines[0]


def _line(answer: httpx.Response) -> str:
    try:
        told = answer.json()
        said = str(told["error"]) if isinstance(told, dict) and "error" in told else answer.text
    except json.JSONDecodeError:
        said = answer.text
    return " ".join(said.split())[:300]


def _object(answer: httpx.Response) -> dict[str, Any]:
    try:
        found = answer.json()
    except json.JSONDecodeError:
        found = None
    if not isinstance(found, dict):
        raise ContractBroken(f"{answer.url} answered no JSON object; is this the service of evercurrent serve?")
    return found


def _seconds(text: str | None) -> float | None:
    return float(text) if text and text.isdigit() else None
