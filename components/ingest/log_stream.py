"""The decision log as a Redis stream: where it is, what stands in it, and what is said when it does not answer.

Every line is an entry of one stream; the server numbers them by its clock and in the order in which it took them, so
all who read it see the same order. An entry's one field says what it is: `line`, a line of the log as files have it, or
`carried`, one that stood in the stream before and is in files already. Beside the stream stand the lines that name
servable items, by generation, and the first outcome of each impression and kind, until it expires.

Nothing is tried twice here: a transaction whose answer was lost may have been done.
"""

import re
from dataclasses import dataclass, field
from typing import NamedTuple, cast
from urllib.parse import urlsplit

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import (
    AuthenticationError,
    BusyLoadingError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    RedisError,
    ResponseError,
    TimeoutError,
)
from redis.retry import Retry

from components.domain import ContractBroken, Transient
from components.ingest.log_lines import ForgetLine
from components.ingest.log_settings import STREAM_NAME

Word = str | bytes | int
"""Of a command."""
LINE, CARRIED = b"line", b"carried"
ANSWER_SECONDS = 3.0
"""How long an answer is waited for: a caller of the service waits at most so long before it is told 503."""
FAULTS = (RedisError, OSError)
"""What a broker that does not do as it is told makes redis-py raise."""
SCHEMES = ("redis", "rediss", "unix")
ALLOWED = "allowed is redis://[:PASSWORD@]HOST:PORT/DB, rediss:// or unix://"
PAGE = 1_000
"""Entries that are read at once."""


class EntryId(NamedTuple):
    """Name of an entry: milliseconds of the server's clock, and a number within them.

    >>> EntryId.of(b"1700000000000-3"), EntryId(5, 0).text, EntryId(5, 9) < EntryId(6, 0)
    (EntryId(ms=1700000000000, number=3), '5-0', True)
    """

    ms: int
    number: int

    @classmethod
    def of(cls, text: bytes) -> "EntryId":
        """As the server writes it."""
        ms, _, number = text.partition(b"-")
        return cls(int(ms), int(number))

    @property
    def text(self) -> str:
        """As the server reads it."""
        return f"{self.ms}-{self.number}"


START = EntryId(0, 0)
"""Before every entry."""


class Entry(NamedTuple):
    """An entry of the stream: a line with its end, and whether it is in files already."""

    id: EntryId
    raw: bytes
    carried: bool


@dataclass(frozen=True, slots=True)
class LogStream:
    """A stream and the broker that has it; the address may hold a password and is never shown."""

    url: str = field(repr=False)
    name: str = "evercurrent"

    @classmethod
    def at(cls, url: str, name: str) -> "LogStream":
        """The stream of an address.

        Raises
        ------
        ContractBroken
            If it is no address of a Redis, or the name is none; one line, without the address.
        """
        try:
            parts = urlsplit(url)
            sound = parts.scheme in SCHEMES and bool(parts.path if parts.scheme == "unix" else parts.hostname)
            sound = sound and (parts.port is None or parts.port > 0)
        except ValueError:
            sound = False
        if not sound:
            raise ContractBroken(f"the address of the decision log (EVERCURRENT_LOG, [log] url) is none; {ALLOWED}")
        if not re.match(STREAM_NAME, name):
            raise ContractBroken(
                f"the stream of the decision log (EVERCURRENT_LOG_STREAM, [log] stream) is {name!r}; allowed are up to "
                "64 letters, digits, _ and ."
            )
        return cls(url, name)

    @property
    def where(self) -> str:
        """The broker, without its password."""
        parts = urlsplit(self.url)
        place = parts.path if parts.scheme == "unix" else f"{parts.hostname}:{parts.port or 6379}{parts.path}"
        return f"{parts.scheme}://{place}"

    @property
    def servable(self) -> str:
        """Key of the hash that names servable items: generation -> line."""
        return f"{self.name}:servable"

    @property
    def drained(self) -> str:
        """Key of the last entry that any home has drained."""
        return f"{self.name}:drained"

    @property
    def forgotten(self) -> str:
        """Key of the hash of who was ever forgotten: digest of a user -> until when, microseconds."""
        return f"{self.name}:forgotten"

    @property
    def moved(self) -> str:
        """Key of the hash of files that replicas wrote while the broker was away: how far each is in the stream."""
        return f"{self.name}:moved"

    def forgetting(self, line: ForgetLine) -> tuple[Word, ...]:
        """The command that keeps whom a line forgets, for what was decided before and comes later."""
        return ("HSET", self.forgotten, line.user, line.at)

    @property
    def trial(self) -> str:
        """Key that is written to see whether the broker takes anything."""
        return f"{self.name}:trial"

    def outcome(self, impression_id: str, kind: str) -> str:
        """Key of the first outcome of an impression and kind."""
        return f"{self.name}:outcome:{impression_id}:{kind}"

    def client(self, answer_seconds: float = ANSWER_SECONDS) -> Redis:
        """A client that tries once, and waits so long for an answer; it connects when it is first used."""
        return Redis.from_url(
            self.url,
            socket_timeout=answer_seconds,
            socket_connect_timeout=ANSWER_SECONDS,
            retry=Retry(NoBackoff(), 0),
            protocol=2,
            decode_responses=False,
            client_name="evercurrent",
        )

    def refused(self, error: Exception) -> Transient:
        """Why the broker did not do as it was told: one line, without password and without what it was told."""
        return Transient(f"the decision log's broker {self.where} {_reason(error)}")

    def last(self, client: Redis) -> EntryId:
        """The last entry that is there; `START` where there is none."""
        found = client.execute_command("XREVRANGE", self.name, "+", "-", "COUNT", 1)
        return EntryId.of(found[0][0]) if found else START

    def page(self, client: Redis, after: EntryId, until: EntryId, most: int = PAGE) -> list[Entry]:
        """The entries after one, up to another, in order; `most` at a time."""
        found = client.execute_command("XRANGE", self.name, f"({after.text}", until.text, "COUNT", most)
        return entries(found)

    def following(self, client: Redis, after: EntryId, block_ms: int) -> list[Entry]:
        """The entries after one; where there is none yet, wait for one."""
        words = ["XREAD", "COUNT", PAGE, "BLOCK", block_ms, "STREAMS", self.name, after.text]
        found = client.execute_command(*words)
        return entries(found[0][1]) if found else []

    def named(self, client: Redis) -> dict[int, bytes]:
        """Generation -> the line that names its servable items."""
        found = cast(dict[bytes, bytes], client.execute_command("HGETALL", self.servable))
        return {int(generation): raw for generation, raw in found.items()}


def entries(found: "list[tuple[bytes, dict[bytes, bytes] | None]]") -> list[Entry]:
    """Entries as the server gave them; what holds no line, written by somebody else, is an empty one."""
    made = []
    for name, fields in found:
        fields = fields or {}
        carried = LINE not in fields
        made.append(Entry(EntryId.of(name), fields.get(CARRIED if carried else LINE, b""), carried))
    return made


def _reason(error: Exception) -> str:
    """What is wrong, and what to do about it."""
    for kind, said in _REASONS:
        if isinstance(error, kind):
            return said
    if isinstance(error, ResponseError):
        text = str(error).rpartition("caused error: ")[2]
        if text.startswith("MISCONF"):
            return "cannot write to its own disk; free space there"
        return f"refuses: {text.split(':')[0][:80]}; see its log"
    return "does not answer; see whether it runs, and EVERCURRENT_LOG or [log] url"


_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (AuthenticationError, "refuses the password; see EVERCURRENT_LOG or [log] url"),
    (NoPermissionError, "does not allow that to this user; see its ACL"),
    (OutOfMemoryError, "is full; drain it (evercurrent loop, refresh-memory), or give it more maxmemory"),
    (ReadOnlyError, "is a copy that takes no lines; name the primary"),
    (BusyLoadingError, "is loading its data; wait for it"),
    (TimeoutError, f"did not answer within {ANSWER_SECONDS:g} s; see whether it is overloaded"),
)
