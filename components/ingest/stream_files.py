"""Files of the decision log that a stream was drained into, and where draining goes on: their names say all of it.

``<day>-stream-<name>-<first entry>-<last entry>.jsonl``: the day is the server's, UTC, of the entries in it; a file
appears whole, once, and its archive keeps the name. So the last entry in any name is the last that was drained, and
nothing else has to be remembered, or can be remembered wrongly.
"""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec

from components.domain import SECOND
from components.ingest.archive import archives
from components.ingest.log_lines import LineBroken, sound
from components.ingest.log_stream import START, EntryId
from components.ingest.log_tail import ENDING, FOLDER, day_of

NAMED = re.compile(r"^\d{4}-\d\d-\d\d-stream-([A-Za-z0-9_.]+)-(\d+)-(\d+)-(\d+)-(\d+)$")


class _Refers(msgspec.Struct):
    """Of a line what says whether it refers to the servable items of a generation."""

    type: str
    generation: int = 0
    eligible: msgspec.Raw = msgspec.Raw(b"[]")


_REFERS: "msgspec.json.Decoder[_Refers]" = msgspec.json.Decoder(_Refers)


def file_of(stream: str, first: EntryId, last: EntryId) -> str:
    """Name of the file that some entries of one day are drained into.

    >>> file_of("evercurrent", EntryId(1_700_000_000_000, 0), EntryId(1_700_000_000_007, 2))
    '2023-11-14-stream-evercurrent-1700000000000-000000-1700000000007-000002.jsonl'
    """
    ends = "-".join(f"{one.ms}-{one.number:06d}" for one in (first, last))  # files sort as the stream does
    return f"{day_of_entry(first)}-stream-{stream}-{ends}{ENDING}"


def day_of_entry(one: EntryId) -> str:
    """UTC day of an entry, by the server's clock."""
    return day_of(one.ms * SECOND // 1000)


def last_drained(home: Path, stream: str) -> EntryId:
    """The last entry of a stream that stands in a file or an archive; `START` where none does."""
    return max((last for name, last in _drained(home) if name == stream), default=START)


def generation_referred_to(raw: bytes) -> int | None:
    """The generation whose servable items a line refers to without saying them; None where it does not."""
    try:
        line = _REFERS.decode(sound(raw.rstrip(b"\n")))
    except LineBroken:
        return None
    return line.generation if line.type == "request" and bytes(line.eligible) == b"null" else None


def _drained(home: Path) -> Iterator[tuple[str, EntryId]]:
    """Stream and last entry of every file that was drained."""
    files = {path.name for path in (home / FOLDER).glob(f"*{ENDING}")} | archives(home).keys()
    for file in files:
        if found := NAMED.match(file.removesuffix(ENDING)):
            yield found[1], EntryId(int(found[4]), int(found[5]))
