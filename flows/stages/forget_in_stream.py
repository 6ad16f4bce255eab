"""Taking forgotten users out of the stream: their entries are deleted where they are still there.

Entries cannot be overwritten. So the entry that says whom to forget is deleted, too, and what a replica needs of it, a
digest and an instant, is written again at the end, in the same transaction, marked as carried: a replica that was away
meanwhile still learns of it, and one that knew already knows a repetition.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from components.ingest.log_lines import (
    ForgetLine,
    LineBroken,
    LogLine,
    OutcomeLine,
    RequestLine,
    UserLine,
    parse_line,
    parts_of,
    written,
)
from components.ingest.log_stream import CARRIED, FAULTS, LINE, START, Entry, EntryId, LogStream
from components.ingest.redact import as_logged, requests_of
from components.ingest.stream_files import last_drained
from flows.log_stream import stream_of
from flows.workspace import Workspace

AT_ONCE = 500
"""Entries that one transaction deletes."""


@dataclass
class _Going:
    """What is deleted: entries, keys of outcomes, and those that say whom to forget, with what is written instead."""

    entries: list[EntryId] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    asked: list[EntryId] = field(default_factory=list)
    instead: list[ForgetLine] = field(default_factory=list)


def write_forget(stream: LogStream, line: ForgetLine) -> None:
    """Say in the stream that a user is to be forgotten, so that every replica does so.

    Raises
    ------
    Transient
        If the broker does not answer: it is not known whether it was said.
    """
    try:
        with stream.client() as client, client.pipeline(transaction=True) as transaction:
            transaction.execute_command(*stream.forgetting(line))
            transaction.execute_command("XADD", stream.name, "*", LINE, written(line))
            transaction.execute()
    except FAULTS as error:
        raise stream.refused(error) from None


def forget_in_stream(workspace: Workspace, forgotten: Mapping[str, int]) -> int:
    """Delete what the stream holds of users until an instant each, as far as it was drained; how many entries.

    Raises
    ------
    Transient
        If the broker does not answer; the next call goes on.
    """
    stream = stream_of(workspace)
    if stream is None or not forgotten:
        return 0
    try:
        going = _going(workspace.root, stream, forgotten)
        for n in range(0, len(going.entries), AT_ONCE):
            _delete(stream, going.entries[n : n + AT_ONCE])
        _say_again(stream, going)
    except FAULTS as error:
        raise stream.refused(error) from None
    return len(going.entries) + len(going.asked)


def _going(home: Path, stream: LogStream, forgotten: Mapping[str, int]) -> _Going:
    names = [as_logged(user).encode() for user in forgotten]
    until = last_drained(home, stream.name)
    requests = requests_of(home, forgotten)
    made = _Going()
    for entry in _drained(stream, until):
        line = _line(entry)
        if line is None:
            theirs = any(name in entry.raw for name in names)
        elif isinstance(line, RequestLine):
            theirs = line.request_id in requests
        elif isinstance(line, OutcomeLine):
            theirs = parts_of(line.impression_id)[0] in requests
        else:
            theirs = isinstance(line, UserLine | ForgetLine) and line.at <= forgotten.get(line.user_id, -1)
        if theirs and isinstance(line, ForgetLine):
            made.asked.append(entry.id)
            made.instead.append(ForgetLine(line.user, line.at))
        elif theirs:
            made.entries.append(entry.id)
            made.keys += [stream.outcome(line.impression_id, line.kind)] if isinstance(line, OutcomeLine) else []
    return made


def _drained(stream: LogStream, until: EntryId) -> Iterator[Entry]:
    after = START
    with stream.client() as client:
        while page := stream.page(client, after, until):
            yield from page
            after = page[-1].id


def _line(entry: Entry) -> LogLine | None:
    with suppress(*LineBroken):
        return parse_line(entry.raw.rstrip(b"\n"))
    return None


def _delete(stream: LogStream, gone: Sequence[EntryId]) -> None:
    with stream.client() as client:
        client.execute_command("XDEL", stream.name, *(one.text for one in gone))


def _say_again(stream: LogStream, going: _Going) -> None:
    """Last, so that whoever is cut off finds whom to forget still said."""
    with stream.client() as client, client.pipeline(transaction=True) as transaction:
        for line in going.instead:
            transaction.execute_command("XADD", stream.name, "*", CARRIED, written(line))
        if going.keys:
            transaction.execute_command("DEL", *going.keys)
        if going.asked:
            transaction.execute_command("XDEL", stream.name, *(one.text for one in going.asked))
        transaction.execute()
