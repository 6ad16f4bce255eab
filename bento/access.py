"""Who may ask what, and how much: decided before a body is parsed.

Without a file of tokens only this machine is answered, whatever address the service listens on. With one every request
but those for health and for the API's own description needs a bearer token of the right scope.
"""

import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from ipaddress import ip_address
from pathlib import Path

from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bento.openapi import PATH, document, scope_of
from bento.schemas import CONTROL, refuse
from components.domain import ContractBroken

SCOPES = ("rank", "outcome", "catalogue", "admin")
SHORTEST = 16
"""Characters of a token, at least: shorter ones are guessed."""
_LINE = re.compile(r"(?P<scopes>[a-z,]+)\s+(?P<token>\S+)")


@dataclass(frozen=True)
class Tokens:
    """SHA-256 of each token, and what it may do: tokens themselves are not kept."""

    scopes: Mapping[bytes, frozenset[str]]

    @classmethod
    def read(cls, path: Path) -> "Tokens":
        """The tokens of a file: a line each, scopes separated by commas, a space, the token; ``#`` begins a comment.

        Raises
        ------
        ContractBroken
            If the file is missing or a line is not so; names the line, and never what stands in it.
        """
        try:
            lines = path.read_text().splitlines()
        except (OSError, UnicodeDecodeError):
            raise ContractBroken(f"no file of tokens at {path}; EVERCURRENT_TOKENS names it") from None
        found: dict[bytes, frozenset[str]] = {}
        for number, line in enumerate(lines, 1):
            if line.strip() and not line.lstrip().startswith("#"):
                digest, scopes = _told(line.strip(), f"{path}, line {number}")
                found[digest] = scopes
        if not found:
            raise ContractBroken(
                f"{path} holds no token; a line is such as: rank,outcome <{SHORTEST} characters or more>"
            )
        return cls(found)

    def allowed(self, token: str) -> frozenset[str] | None:
        """The scopes of a token, None for an unknown one; takes as long for any."""
        digest, found = _digest(token), None
        for known, scopes in self.scopes.items():
            if hmac.compare_digest(digest, known):
                found = scopes
        return found


class Guard:
    """ASGI middleware: access first, then the size of the body, which is read whole here or refused."""

    def __init__(self, app: ASGIApp, tokens: Tokens | None, body_bytes: int) -> None:
        self._app, self._tokens, self._most = app, tokens, body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass on, or refuse in one line."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = dict(scope["headers"])
        if scope["path"] == PATH and scope["method"] == "GET":
            await JSONResponse(document(_version()))(scope, receive, send)
            return
        refused = self._refused(scope, headers) or self._too_large(headers)
        if refused is None and CONTROL.search(scope["path"]):
            refused = refuse(400, f"the path is {scope['path']!r}; allowed are ids without control characters")
        if refused is None and scope["method"] in ("POST", "PUT"):
            body = await _whole(receive, self._most)
            if body is None:
                refused = self._larger()
            else:
                scope, receive = _as_json(scope), _once(body, receive)
        if refused is not None:
            await refused(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _refused(self, scope: Scope, headers: Mapping[bytes, bytes]) -> Response | None:
        needed = scope_of(scope["path"])
        if needed is None:
            return None
        if self._tokens is None:
            return None if _local(scope) else refuse(403, _FAR)
        kind, _, token = headers.get(b"authorization", b"").decode("latin-1").partition(" ")
        allowed = self._tokens.allowed(token.strip()) if kind.lower() == "bearer" else None
        if allowed is None:
            return refuse(401, "no bearer token that is known here; send one in the header Authorization")
        if needed not in allowed:
            return refuse(403, f"this token may {', '.join(sorted(allowed))}; {scope['path']} asks for {needed}")
        return None

    def _too_large(self, headers: Mapping[bytes, bytes]) -> Response | None:
        length = headers.get(b"content-length", b"0")
        return self._larger() if length.isdigit() and int(length) > self._most else None

    def _larger(self) -> Response:
        return refuse(413, f"the body is larger than {self._most} bytes, which are allowed (EVERCURRENT_BODY_BYTES)")


def _version() -> str:
    """Of the installed package; a Bento carries the code alone."""
    try:
        return version("evercurrent")
    except PackageNotFoundError:
        return "unknown"


_FAR = "only this machine is answered while no tokens are set; EVERCURRENT_TOKENS names a file of them"


def _local(scope: Scope) -> bool:
    """Whether the caller is on this machine; a caller without an address came through a socket of this machine."""
    client = scope.get("client")
    if client is None:
        return True
    try:
        return ip_address(client[0]).is_loopback
    except ValueError:
        return client[0] == "testclient"  # Starlette's own, which has no network


def _as_json(scope: Scope) -> Scope:
    """Bodies are read as JSON whatever they are called: BentoML writes a traceback for a name it does not know."""
    others = [(name, value) for name, value in scope["headers"] if name != b"content-type"]
    return {**scope, "headers": [*others, (b"content-type", b"application/json")]}


async def _whole(receive: Receive, most: int) -> bytes | None:
    """The body, or None where it is longer than `most` or its sender is gone."""
    found = bytearray()
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return None
        found += message.get("body", b"")
        if len(found) > most:
            return None
        if not message.get("more_body", False):
            return bytes(found)


def _once(body: bytes, receive: Receive) -> Receive:
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()  # the end of the connection
        told = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


def _told(line: str, where: str) -> tuple[bytes, frozenset[str]]:
    found = _LINE.fullmatch(line)
    if found is None or len(found["token"]) < SHORTEST:
        raise ContractBroken(f"{where}: allowed are scopes, a space, and a token of {SHORTEST} characters or more")
    scopes = frozenset(found["scopes"].split(","))
    if not scopes <= set(SCOPES):
        raise ContractBroken(f"{where}: a scope is none of {', '.join(SCOPES)}")
    return _digest(found["token"]), scopes


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
