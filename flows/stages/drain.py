"""Drain: what a stream has beyond the files becomes files of the decision log, each whole, each entry once.

A file is written under another name, forced to the disk, and renamed; its name says which entries are in it
(`components.ingest.stream_files`). Killed anywhere, the file is there or it is not, and the next drain goes on behind
the last one that is. Everything after this reads files, and knows nothing of streams.
"""

import logging
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from redis import Redis

from components.domain import ContractBroken
from components.frozen import Frozen
from components.ingest.log_stream import FAULTS, PAGE, START, Entry, EntryId, LogStream
from components.ingest.log_tail import FOLDER
from components.ingest.stream_files import day_of_entry, file_of, generation_referred_to, last_drained
from components.whole_file import write_durably
from flows.log_stream import stream_of
from flows.workspace import Workspace

log = logging.getLogger("evercurrent")

FILE_BYTES = 1 << 25
"""Lines of one file, about: they are held in memory until it is written."""
UNFINISHED = ".*-stream-*.part"


class Drained(Frozen):
    """What a drain brought: files, entries of the stream, and the last of those that is on the disk."""

    files: int
    entries: int
    last: str


@dataclass(slots=True)
class _File:
    """Entries of one day on their way into a file."""

    first: EntryId
    last: EntryId = START
    lines: list[bytes] = field(default_factory=list)
    bytes: int = 0
    entries: int = 0
    refers: set[int] = field(default_factory=set)

    def take(self, entry: Entry) -> None:
        """The entry is in this file; what was carried stands in one already, and counts only by its place."""
        self.last = entry.id
        if entry.carried or not entry.raw:
            return
        self.lines.append(entry.raw)
        self.entries += 1
        self.bytes += len(entry.raw)
        if (generation := generation_referred_to(entry.raw)) is not None:
            self.refers.add(generation)


def drain(workspace: Workspace) -> Drained | None:
    """Bring what the stream has by now into files; None where the log is files already. Held by who holds the home.

    Raises
    ------
    Transient
        If the broker does not answer, or the disk refuses; what was written stays, the next drain goes on.
    ContractBroken
        If the stream ends before what was drained of it, or another home drains it.
    """
    stream = stream_of(workspace)
    if stream is None:
        return None
    try:
        return _drained(workspace.root, stream)
    except FAULTS as error:
        raise stream.refused(error) from None


def _drained(home: Path, stream: LogStream) -> Drained:
    for part in (home / FOLDER).glob(UNFINISHED):  # of a drain that was killed
        part.unlink()
    files = entries = 0
    with stream.client() as client:
        after, until = last_drained(home, stream.name), stream.last(client)
        _check_goes_on(stream, after, until)
        _check_alone(stream, after, cast(bytes | None, client.execute_command("GET", stream.drained)))
        for made in _files(_entries(stream, client, after, until)):
            named = stream.named(client) if made.refers else {}
            names = [named[generation] for generation in sorted(made.refers & named.keys())]
            write_durably(home / FOLDER / file_of(stream.name, made.first, made.last), b"".join(names + made.lines))
            files, entries = files + 1, entries + made.entries
        last = last_drained(home, stream.name)
        client.execute_command("SET", stream.drained, last.text)
    log.info("event=drain stream=%s files=%d entries=%d last=%s", stream.name, files, entries, last.text)
    return Drained(files=files, entries=entries, last=last.text)


def _check_goes_on(stream: LogStream, after: EntryId, until: EntryId) -> None:
    if START < until < after:
        raise ContractBroken(
            f"the stream {stream.name} of {stream.where} ends with entry {until.text}, and {after.text} was drained of "
            "it: it is another stream, or its server's clock was set back; name a new one with [log] stream"
        )


def _check_alone(stream: LogStream, after: EntryId, told: bytes | None) -> None:
    """A stream is drained into one home: what another one has taken, and trimmed, would be missing here."""
    if told is not None and EntryId.of(told) > after:
        raise ContractBroken(
            f"the stream {stream.name} of {stream.where} was drained up to entry {told.decode()}, and this home has it "
            f"up to {after.text}: another home drains it, or files of this one are gone; one home is allowed: bring "
            f"back the files, or go on without them after DEL {stream.drained}"
        )


def _entries(stream: LogStream, client: Redis, after: EntryId, until: EntryId) -> Iterator[Entry]:
    while page := stream.page(client, after, until):
        yield from page
        after = page[-1].id
        if len(page) < PAGE:
            break


def _files(entries: Iterator[Entry]) -> Iterator[_File]:
    """Entries by files: those of one day, up to `FILE_BYTES`; a file without a line is none."""
    made: _File | None = None
    for entry in entries:
        if made is not None and (made.bytes >= FILE_BYTES or day_of_entry(made.first) != day_of_entry(entry.id)):
            if made.lines:
                yield made
            made = None
        made = made or _File(entry.id)
        made.take(entry)
    if made is not None and made.lines:
        yield made
