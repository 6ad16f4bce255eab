"""Delivery of letters: best effort inside a budget of seconds, receivers beside each other, each its oldest first.

It runs in a thread of its own, so that no receiver, name server or proxy can hold the turn for longer than that.
"""

import asyncio
import os
import threading
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import httpx
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_exponential_jitter

from components.control_room.notify_settings import NotifySettings, loopback
from components.domain import ContractBroken
from flows.notify.outbox import Letter, Outbox, receiver_of

TRY_AGAIN = (408, 425, 429)
"""Answers below 500 that ask to be asked again."""
GRACE = 0.5
"""Seconds that the thread has to notice that the budget is spent."""


class NotTaken(Exception):
    """A receiver did not take a letter; the text says why, without its address."""


class NotNow(NotTaken):
    """It may take it when asked again."""


@dataclass
class Delivery:
    """What became of the letters: how many were `sent`, and per receiver (host alone) why the others were not."""

    sent: int = 0
    refused: dict[str, str] = field(default_factory=dict)


def deliver(home: Path, settings: NotifySettings) -> Delivery:
    """Send what waits in the outbox of a home, for `budget_seconds` at most; a letter that was taken is gone."""
    outbox, made = Outbox.of(home), Delivery()
    letters = list(outbox.waiting())
    if not letters:
        return made
    try:
        headers = _headers(home, settings)
    except ContractBroken as broken:
        return Delivery(refused={"every receiver": str(broken)})

    def run() -> None:
        asyncio.run(_all(letters, settings, headers, made))

    thread = threading.Thread(target=run, name="notify", daemon=True)
    thread.start()
    thread.join(settings.budget_seconds + GRACE)
    return made


async def _all(
    letters: list[tuple[Path, Letter]], settings: NotifySettings, headers: dict[str, str], made: Delivery
) -> None:
    async def to(url: str) -> None:
        mine = [each for each in letters if each[1].receiver == receiver_of(url)]
        who = _host(url)
        try:
            async with asyncio.timeout(settings.budget_seconds):
                await _each(url, mine, settings, headers, made)
        except (NotTaken, TimeoutError) as error:
            made.refused[who] = str(error) or f"no answer within {settings.budget_seconds:g} s"

    await asyncio.gather(*(to(url) for url in settings.urls))


async def _each(
    url: str, letters: list[tuple[Path, Letter]], settings: NotifySettings, headers: dict[str, str], made: Delivery
) -> None:
    """Letters to one receiver in order; the first that it does not take ends it for this run."""
    here = loopback(urlsplit(url).hostname or "")
    async with httpx.AsyncClient(follow_redirects=False, trust_env=not here, headers=headers) as client:
        for path, letter in letters:
            patient = AsyncRetrying(
                stop=stop_after_attempt(settings.attempts),
                wait=wait_exponential_jitter(initial=0.2, max=4.0, jitter=0.2),
                retry=retry_if_exception_type(NotNow),
                reraise=True,
            )
            async for attempt in patient:
                with attempt:
                    await _post(client, url, letter, settings.timeout_seconds)
            path.unlink(missing_ok=True)
            made.sent += 1


async def _post(client: httpx.AsyncClient, url: str, letter: Letter, seconds: float) -> None:
    """One attempt; the answer's body is not read."""
    try:
        async with (
            asyncio.timeout(seconds),
            client.stream("POST", url, json=letter.note.model_dump(mode="json"), timeout=seconds) as answer,
        ):
            status = answer.status_code
    except (httpx.TransportError, TimeoutError) as error:
        why = (
            f"no answer within {seconds:g} s"
            if isinstance(error, TimeoutError | httpx.TimeoutException)
            else str(error)
        )
        raise NotNow(why or type(error).__name__) from None
    if status >= 500 or status in TRY_AGAIN:
        raise NotNow(f"it answered {status}")
    if status >= 300:
        more = ", and redirects are not followed" if status < 400 else ""
        raise NotTaken(f"it answered {status}{more}")


def _headers(home: Path, settings: NotifySettings) -> dict[str, str]:
    """The header to send along.

    Raises
    ------
    ContractBroken
        If its value is not there, or is more than one line.
    """
    if settings.header_from is None:
        return {}
    kind, _, where = settings.header_from.partition(":")
    if kind == "environment":
        value = os.environ.get(where, "")
    else:
        path = home / where
        value = path.read_text().strip() if path.is_file() else ""
    if not value or not value.isprintable() or not value.isascii():
        raise ContractBroken(
            f"the value of header {settings.header} is missing or not one line; looked for it in {settings.header_from}"
        )
    return {settings.header: value}


def _host(url: str) -> str:
    """Whom a line may name: an address can carry secrets in its path and its query."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname}" + (f":{parts.port}" if parts.port else "")
