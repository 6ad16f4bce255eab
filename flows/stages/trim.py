"""Trim: what was drained, and no replica needs to start from, leaves the stream.

A replica that starts reads what came since a retention before its generation's cutoff, so that stays, for champion and
canary. Changes of the catalogue, and who was forgotten, are needed for longer, as long as a bundle is kept that was
made before: they are written again at the end of the stream, in the transaction that takes the old entries away, marked
as carried, so that no drain brings them twice and every replica has them.
"""

import logging
from collections.abc import Iterator

from components.domain import DAY
from components.ingest.log_lines import ForgetLine, ItemLine, LineBroken, UserLine, parse_line
from components.ingest.log_stream import CARRIED, FAULTS, START, Entry, EntryId, LogStream
from components.ingest.stream_files import last_drained
from components.ingest.stream_tail import MARGIN_MS
from flows.log_stream import log_settings, stream_of
from flows.workspace import Workspace
from warehouse import ledger
from warehouse.connect import Warehouse

log = logging.getLogger("evercurrent")

NAMED_KEPT = 16
"""Generations whose servable items the stream still names: older ones stand in drained files."""


def trim(workspace: Workspace, w: Warehouse) -> int:
    """Take away what nobody needs of the stream; how many entries went. Held by who holds the home.

    Raises
    ------
    Transient
        If the broker does not answer.
    """
    stream = stream_of(workspace)
    if stream is None:
        return 0
    needed = _needed(workspace, w)
    if needed is None:
        return 0
    bound = min(last_drained(workspace.root, stream.name), EntryId(max(needed // 1000 - 2 * MARGIN_MS, 0), 0))
    try:
        return _trimmed(stream, bound, _changes_from(workspace, w))
    except FAULTS as error:
        raise stream.refused(error) from None


def _needed(workspace: Workspace, w: Warehouse) -> int | None:
    """From when on a replica that starts reads, microseconds; None where there is no generation yet."""
    out, champion = ledger.canary_out(w), ledger.champion(w)
    numbers = {champion, *([] if out is None else [out.generation, out.champion])} - {None}
    made = [g.cutoff for g in ledger.generations(w) if g.generation in numbers]
    return min(made) - round(log_settings(workspace).keep_days * DAY) if made else None


def _changes_from(workspace: Workspace, w: Warehouse) -> int:
    """The first cutoff of a bundle that is kept: earlier changes are in all of them."""
    return min((g.cutoff for g in ledger.generations(w) if workspace.bundle(g.generation).exists()), default=0)


def _trimmed(stream: LogStream, bound: EntryId, changes_from: int) -> int:
    """Everything before `bound` goes: at most what was drained but for the last of it, by which the stream is known."""
    going, carried = 0, list[bytes]()
    for entry in _before(stream, bound):
        going += 1
        if _is_change(entry, changes_from):
            carried.append(entry.raw)
    if not going:
        return 0
    with stream.client() as client, client.pipeline(transaction=True) as transaction:
        for raw in carried:
            transaction.execute_command("XADD", stream.name, "*", CARRIED, raw)
        transaction.execute_command("XTRIM", stream.name, "MINID", bound.text)
        for generation in sorted(stream.named(client))[:-NAMED_KEPT]:
            transaction.execute_command("HDEL", stream.servable, generation)
        transaction.execute()
    log.info("event=trim stream=%s entries=%d carried=%d before=%s", stream.name, going, len(carried), bound.text)
    return going


def _before(stream: LogStream, bound: EntryId) -> Iterator[Entry]:
    after = START
    with stream.client() as client:
        while page := stream.page(client, after, bound):
            yield from (entry for entry in page if entry.id < bound)
            after = page[-1].id


def _is_change(entry: Entry, since: int) -> bool:
    try:
        line = parse_line(entry.raw.rstrip(b"\n"))
    except LineBroken:
        return False
    return isinstance(line, ItemLine | UserLine | ForgetLine) and line.at >= since
