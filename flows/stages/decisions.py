"""Ingest of the service's decision log: what was written since the last reading, each byte once.

A file of the log is read on from where the last reading ended, and how far it was read is entered in the transaction
that brings its rows: killed anywhere, nothing is lost and nothing is there twice. What is no line of the log is named
and kept aside; the rest is read (docs/decisions/0022-the-log-by-segments.md).
"""

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from components.ingest.archive import archives, restore
from components.ingest.log_columns import LogColumns
from components.ingest.log_tail import ENDING
from components.ingest.redact import finish_redaction
from components.ingest.segment import Span, Taken, read_on, reckoned
from components.ingest.source import read_source
from flows.stages.drain import drain
from flows.stages.trim import trim
from flows.workspace import Workspace
from warehouse import segments
from warehouse.append import Batch
from warehouse.connect import Warehouse
from warehouse.segments import SegmentTaken

log = logging.getLogger("evercurrent")

SPAN = 1 << 25
"""Bytes of the log that are read, and brought in by one transaction: 300 MB of memory, whatever the log is."""


def take_decisions(workspace: Workspace) -> Batch | None:
    """Bring in what the service's decision log has beyond the last reading; None where there is nothing.

    A log that is a stream is drained into files first, and trimmed once they are in the warehouse.

    Raises
    ------
    ContractBroken
        If a file is shorter than what was taken of it, or was changed there otherwise than by forgetting: it is told,
        and not read again.
    Transient
        If the log is a stream, and its broker does not answer.
    """
    if not workspace.source.exists():
        return None
    drain(workspace)
    if not workspace.decisions.is_dir():
        return None
    w = Warehouse(workspace.database, read_source(workspace.source).name)
    finish_redaction(workspace.root, lambda files: settle_redacted(workspace, w, files))
    taken: Batch | None = None
    with TemporaryDirectory(prefix="evercurrent-") as room:
        for spans in _readings(workspace, segments.segments(w), Path(room)):
            taken = both(taken, _bring(w, spans, str(workspace.decisions)))
    trim(workspace, w)
    return taken


def settle_redacted(workspace: Workspace, w: Warehouse, files: frozenset[str]) -> None:
    """Enter anew what was taken of files of which lines were overwritten to forget somebody."""
    known = segments.segments(w)
    there = {file: workspace.decisions / file for file in files & known.keys() - archives(workspace.root).keys()}
    again = [reckoned(path, known[file].taken) for file, path in there.items() if path.exists()]
    if again:
        segments.reckon_again(w, again)


def _readings(workspace: Workspace, known: Mapping[str, SegmentTaken], room: Path) -> Iterator[list[Span]]:
    """What is new, about `SPAN` bytes at a time; every file at most once in each."""
    spans: list[Span] = []
    for file, path in _files(workspace, known, room):
        before = known[file].taken if file in known else Taken(file)
        for span in read_on(path, before, SPAN):
            again = any(one.after.file == file for one in spans)
            if spans and (again or sum(len(one.content) for one in spans) + len(span.content) > SPAN):
                yield spans
                spans = []
            spans.append(span)
    if spans:
        yield spans


def _files(workspace: Workspace, known: Mapping[str, SegmentTaken], room: Path) -> Iterator[tuple[str, Path]]:
    """Files of the log in order; an archived one is made a file again where this warehouse does not know it."""
    archived = archives(workspace.root)
    there = {path.name: path for path in workspace.decisions.glob(f"*{ENDING}")}
    for file in sorted(there.keys() | archived.keys()):
        if file not in archived:
            yield file, there[file]
        elif file not in known:
            restore(archived[file], room / file)
            yield file, room / file
            (room / file).unlink()


def _bring(w: Warehouse, spans: list[Span], path: str) -> Batch:
    named = segments.named(w, [span.after.file for span in spans])
    found = LogColumns(named.files)
    for span in spans:
        found.take(span.before.file, span.lines, span.before.lines + 1, span.before.bytes)
    found.settle(named.anywhere)
    for broken in found.broken:
        log.warning("stage=ingest event=broken_record %s", broken)
    return segments.append_spans(w, spans, found, path)


def both(first: Batch | None, second: Batch) -> Batch:
    """Two readings as one, named by the later."""
    if first is None:
        return second
    return Batch(
        second.digest,
        first.rows + second.rows,
        first.duplicates + second.duplicates,
        first.new or second.new,
        first.set_aside + second.set_aside,
        first.faults + second.faults,
        first.left_out + second.left_out,
    )
