"""Lines of the decision log -> columns: what one reading found, as Arrow tables.

A request that was answered from all servable items refers to their catalogue by its digest; the catalogue itself is
there once, however many requests refer to it.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
import pyarrow as pa

from components.ingest.log_lines import (
    ForgetLine,
    ItemLine,
    LineBroken,
    LogLine,
    OutcomeLine,
    RequestLine,
    ServableLine,
    UserLine,
    parse_line,
)
from components.schema import IMPRESSIONS, OUTCOMES, REQUESTS, arrow_schema

ELIGIBLE_OF = pa.field("eligible_of", pa.string())
"""Beside the columns of a request: the catalogue that was eligible as a whole; null where `eligible` says itself."""

LONG = 1_000
"""Items from which a list that a request names itself is kept as a catalogue: once a catalogue was changed, the service
writes all servable items into every request. Shorter lists cost less than to ask whether they are here."""


@dataclass(frozen=True, slots=True)
class BrokenRecord:
    """A line that is none, or one that lacks what it refers to.

    `line` counts from 1; `offset` is its first byte in the file; `raw` are its bytes, empty where the line is sound.
    """

    file: str
    line: int
    offset: int
    reason: str
    raw: bytes

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}: {self.reason} (byte {self.offset})"


@dataclass
class FileCounts:
    """What was read of one file: requests, outcomes, and the first and last instant of its lines, if there are any."""

    requests: int = 0
    outcomes: int = 0
    first_at: int | None = None
    last_at: int | None = None

    def take(self, line: LogLine) -> None:
        """Count one line."""
        self.requests += isinstance(line, RequestLine)
        self.outcomes += isinstance(line, OutcomeLine)
        if not isinstance(line, ServableLine):
            self.first_at = line.at if self.first_at is None else min(self.first_at, line.at)
            self.last_at = line.at if self.last_at is None else max(self.last_at, line.at)


@dataclass
class _Unnamed:
    """Requests of a file that refer to servable items which no line before them names."""

    line: int
    offset: int
    rows: list[int] = field(default_factory=list)


class LogColumns:
    """What was read of the log so far.

    Attributes
    ----------
    servable : file -> generation -> catalogue that the file named last, beginning with what earlier readings found.
    catalogues : catalogue -> its items, of those named here.
    broken : what could not be read, in the order of the files. counts : file -> what was read of it.
    forgotten : users whom the log says to forget, and still names -> the latest instant of that.
    """

    def __init__(self, servable: Mapping[str, Mapping[int, str]]) -> None:
        self.servable = {file: dict(named) for file, named in servable.items()}
        self.catalogues: dict[str, tuple[str, ...]] = {}
        self.broken: list[BrokenRecord] = []
        self.forgotten: dict[str, int] = {}
        self.changes: list[ItemLine | UserLine] = []
        self.outcomes: list[OutcomeLine] = []
        self.counts: dict[str, FileCounts] = {}
        self._asked: list[RequestLine] = []
        self.eligible_of: list[str | None] = []
        self._unnamed: dict[tuple[str, int], _Unnamed] = {}

    def take(self, file: str, lines: Iterable[bytes], line: int, offset: int) -> int:
        """Read lines without their ends, the first of them line `line` at byte `offset`; the number of lines."""
        first, named = line, self.servable.setdefault(file, {})
        counts = self.counts.setdefault(file, FileCounts())
        for raw in lines:
            try:
                found = parse_line(raw)
            except LineBroken as error:
                self.broken.append(BrokenRecord(file, line, offset, str(error), raw))
            else:
                counts.take(found)
                self._take(file, named, found, line, offset)
            line, offset = line + 1, offset + len(raw) + 1
        return line - first

    def _take(self, file: str, named: dict[int, str], found: LogLine, line: int, offset: int) -> None:
        if isinstance(found, RequestLine):
            of = named.get(found.generation) if found.eligible is None else self._long(found.eligible)
            if of is None and found.eligible is None:
                key = (file, found.generation)
                self._unnamed.setdefault(key, _Unnamed(line, offset)).rows.append(len(self._asked))
            self._asked.append(found)
            self.eligible_of.append(of)
        elif isinstance(found, OutcomeLine):
            self.outcomes.append(found)
        elif isinstance(found, ServableLine):
            named[found.generation] = catalogue = catalogue_of(found.items)
            self.catalogues[catalogue] = found.items
        elif isinstance(found, ItemLine | UserLine):
            self.changes.append(found)
        elif isinstance(found, ForgetLine) and found.user_id:
            self.forgotten[found.user_id] = max(found.at, self.forgotten.get(found.user_id, 0))

    def _long(self, eligible: tuple[str, ...]) -> str | None:
        """The catalogue that a long list is, None of a short one: of one that many requests name there is one, too."""
        if len(eligible) < LONG:
            return None
        of = catalogue_of(eligible)
        self.catalogues.setdefault(of, eligible)
        return of

    def settle(self, elsewhere: Mapping[int, frozenset[str]]) -> None:
        """Requests whose own file does not name their servable items get those of their generation, if they are known.

        A generation's bundle never changes, so that what another file names is what this one should have. Otherwise the
        eligible set stays unknown, and that is said.

        Parameters
        ----------
        elsewhere : generation -> its catalogues, of all that was read before.
        """
        for (file, generation), found in self._unnamed.items():
            named = {own[generation] for own in self.servable.values() if generation in own}
            known = named | elsewhere.get(generation, frozenset())
            if len(known) == 1:
                (of,) = known
                for row in found.rows:
                    self.eligible_of[row] = of
                continue
            reason = (
                f"what was eligible is not known of {len(found.rows)} requests from here on: no line before names the "
                f"servable items of generation {generation}; they are learned from, and judge nobody"
            )
            self.broken.append(BrokenRecord(file, found.line, found.offset, reason, b""))
        self._unnamed = {}

    @property
    def requests(self) -> pa.Table:
        """Requests as `components.schema` has them, and `eligible_of`."""
        asked = self._asked
        columns = [
            [one.request_id for one in asked],
            [one.user_id for one in asked],
            [one.at for one in asked],
            [one.generation for one in asked],
            [json.dumps(one.context, sort_keys=True) if one.context else None for one in asked],
            [None if of else one.eligible for one, of in zip(asked, self.eligible_of, strict=True)],
            self.eligible_of,
        ]
        return _table(columns, arrow_schema(REQUESTS).append(ELIGIBLE_OF))

    @property
    def impressions(self) -> pa.Table:
        """Impressions as `components.schema` has them."""
        asked, shown = self._asked, [one for asked in self._asked for one in asked.slate]
        of = pa.array(np.repeat(np.arange(len(asked)), [len(one.slate) for one in asked]))
        policy = {one.generation: f"g{one.generation:06d}" for one in asked}
        columns = [
            [one.impression_id for one in shown],
            pa.array([one.request_id for one in asked], pa.string()).take(of),
            [one.item_id for one in shown],
            [one.position for one in shown],
            [one.propensity for one in shown],
            [one.score for one in shown],
            [one.logit for one in shown],
            pa.array([one.generation for one in asked], pa.int32()).take(of),
            pa.array([policy[one.generation] for one in asked], pa.string()).take(of),
            pa.array([one.at for one in asked], pa.int64()).take(of),
        ]
        return _table(columns, arrow_schema(IMPRESSIONS))

    @property
    def outcome_table(self) -> pa.Table:
        """Outcomes as `components.schema` has them."""
        told = self.outcomes
        columns = [
            [one.impression_id for one in told],
            [one.kind for one in told],
            [one.reward for one in told],
            [one.grade for one in told],
            [one.at for one in told],
        ]
        return _table(columns, arrow_schema(OUTCOMES))


def catalogue_of(items: Iterable[str]) -> str:
    r"""Name of a list of items: SHA-256 of its JSON text, hexadecimal.

    >>> catalogue_of(["a", "b"])[:8], catalogue_of(["b", "a"])[:8]
    ('0473ef2d', '02d8bc30')
    """
    return sha256(json.dumps(list(items), ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def _table(columns: list[list[object]] | list[pa.Array], schema: pa.Schema) -> pa.Table:
    made = [c if isinstance(c, pa.Array) else pa.array(c, of.type) for c, of in zip(columns, schema, strict=True)]
    return pa.table(made, schema=schema)
