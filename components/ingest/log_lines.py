"""The lines of the service's decision log, as the service writes them and ingest reads them: one JSON object each.

`at` is microseconds UTC. A request whose `eligible` is null was answered from the servable items of its generation,
which a line of that type names once per file. The last member of every object is a CRC-32 of what stands before it: a
line that lost a byte, or half of itself, is told from one that was written so.
"""

import math
from hashlib import sha256
from typing import Annotated, Any
from zlib import crc32

import msgspec
from msgspec import Meta, Struct


class ShownLine(Struct, frozen=True, forbid_unknown_fields=True, gc=False):
    """One impression of a slate: `score` is the compensated logit the policy ranked by, `logit` the model's own."""

    impression_id: str
    item_id: str
    position: Annotated[int, Meta(ge=0)]
    propensity: float
    score: float
    logit: float


class RequestLine(Struct, frozen=True, forbid_unknown_fields=True, tag="request"):
    """A request and the slate that answered it.

    The memory that answered knew every outcome before `known_until` (microseconds; of the bundle or a snapshot) and
    the next `learned` of the log after it, and `changes` of the catalogue since the generation's cutoff had been taken
    in: with them the propensities can be computed again. None in logs that do not say. `asides` decisions about windows
    that are not to be learned were in force.
    """

    request_id: str
    user_id: str
    at: int
    generation: int
    context: dict[str, Any]
    eligible: tuple[str, ...] | None
    slate: tuple[ShownLine, ...]
    known_until: int | None = None
    learned: int | None = None
    changes: int = 0
    asides: int = 0


class OutcomeLine(Struct, frozen=True, forbid_unknown_fields=True, tag="outcome"):
    """What a user did: `value` is what the caller sent, `reward` what the generation's rule made of it.

    `grade` says how strong the outcome was; None: unknown.
    """

    impression_id: str
    kind: str
    value: Any
    reward: float
    at: int
    grade: float | None = None


class ServableLine(Struct, frozen=True, forbid_unknown_fields=True, tag="servable"):
    """The items that a generation may serve."""

    generation: int
    items: tuple[str, ...]


class ItemLine(Struct, frozen=True, forbid_unknown_fields=True, tag="item"):
    """An item as the catalogue has it from `at` on: its attributes, all of them, or `hidden`: not to be served."""

    item_id: str
    at: int
    attributes: dict[str, Any]
    hidden: bool = False


class UserLine(Struct, frozen=True, forbid_unknown_fields=True, tag="user"):
    """A user's attributes, all of them, from `at` on."""

    user_id: str
    at: int
    attributes: dict[str, Any]


class ForgetLine(Struct, frozen=True, forbid_unknown_fields=True, tag="forget"):
    """A user is forgotten: what was known of it before `at` is not used from then on, and is taken out.

    `user` is the digest of its id (`user_digest`); `user_id` stands there until it is taken out of the log, `padding`
    afterwards.
    """

    user: str
    at: int
    user_id: str = ""
    padding: str = ""


class GoneLine(Struct, frozen=True, forbid_unknown_fields=True, tag="gone"):
    """Where a line of a forgotten user stood, of the same length; `at` is when that line was written."""

    at: int
    padding: str = ""


ChangeLine = ItemLine | UserLine | ForgetLine
"""What changes the catalogue or what is known of users."""


def user_digest(user_id: str) -> str:
    """SHA-256 of a user's id, hexadecimal: by which a home knows whom it forgot without naming anybody.

    >>> user_digest("ann")[:8]
    '49915e0d'
    """
    return sha256(user_id.encode()).hexdigest()


def impression_id_of(request_id: str, position: int) -> str:
    """Name of an impression: its request's, and its position.

    >>> impression_id_of("r7", 2), parts_of("r7-2"), parts_of("nobody")
    ('r7-2', ('r7', 2), ('nobody', -1))
    """
    return f"{request_id}-{position}"


def parts_of(impression_id: str) -> tuple[str, int]:
    """Request and position of an impression; position -1 where the name tells none."""
    request_id, dash, position = impression_id.rpartition("-")
    if dash and position.isascii() and position.isdigit() and len(position) < POSITION_DIGITS:
        return request_id, int(position)
    return impression_id, -1


POSITION_DIGITS = 7


class BriefItem(Struct, frozen=True, gc=False):
    """Of a shown item what learning needs."""

    item_id: str


class BriefRequest(Struct, frozen=True, gc=False, tag="request"):
    """Of a request what learning from its outcomes needs: reading it takes a third of the time of `RequestLine`."""

    request_id: str
    user_id: str
    at: int
    context: dict[str, Any]
    slate: tuple[BriefItem, ...]


class BriefServable(Struct, frozen=True, tag="servable"):
    """Of the servable items which generation's they are."""

    generation: int


LogLine = RequestLine | OutcomeLine | ServableLine | ItemLine | UserLine | ForgetLine | GoneLine
BriefLine = BriefRequest | OutcomeLine | BriefServable | ItemLine | UserLine | ForgetLine | GoneLine


class LineDamaged(ValueError):
    """A line whose bytes are not those that were written."""


LineBroken = (msgspec.MsgspecError, UnicodeDecodeError, LineDamaged)
"""What `parse_line` raises for what is no line of the log."""
CHECKED = b',"crc":"'
CHECK_BYTES = len(CHECKED) + 8 + 2
"""The end of a line: the last member of its object, the CRC-32 of all that stands before it."""

_LINE: "msgspec.json.Decoder[LogLine]" = msgspec.json.Decoder(LogLine)
_BRIEF: "msgspec.json.Decoder[BriefLine]" = msgspec.json.Decoder(BriefLine)
_ENCODER = msgspec.json.Encoder()


def parse_line(raw: bytes) -> LogLine:
    """The line of one JSON text.

    Raises
    ------
    msgspec.MsgspecError, UnicodeDecodeError, LineDamaged
        If it is none of them (`LineBroken`).
    """
    return _LINE.decode(sound(raw))


def parse_brief(raw: bytes) -> BriefLine:
    """As `parse_line`, without what only an evaluation needs."""
    return _BRIEF.decode(sound(raw))


def sound(raw: bytes) -> bytes:
    """A line without its check, which it has to pass; lines of logs that were written without one pass as they are.

    >>> line = written(ServableLine(7, ("heat",)))[:-1]
    >>> line[-CHECK_BYTES:-10], sound(line)
    (b',"crc":"', b'{"type":"servable","generation":7,"items":["heat"]}')
    """
    if raw[-CHECK_BYTES:-10] != CHECKED:
        return raw
    line, told = raw[:-CHECK_BYTES] + b"}", raw[-10:-2]
    found = b"%08x" % crc32(line)
    if told != found:
        raise LineDamaged(
            f"the line is not as it was written: its CRC-32 is {found.decode()}, it says {told.decode('latin-1')}"
        )
    return line


def written(line: LogLine) -> bytes:
    """The JSON text of a line, with its check and its end.

    Raises
    ------
    ValueError
        For a figure that is no finite number, which JSON cannot tell.
    """
    figures: list[float | None] = []
    if isinstance(line, RequestLine):
        figures = [x for shown in line.slate for x in (shown.propensity, shown.score, shown.logit)]
    elif isinstance(line, OutcomeLine):
        figures = [line.reward, line.grade]
    if not all(x is None or math.isfinite(x) for x in figures):
        raise ValueError(f"a figure of a {type(line).__name__} is no finite number: {line}")
    text = _ENCODER.encode(line)
    return b'%s,"crc":"%08x"}\n' % (text[:-1], crc32(text))
