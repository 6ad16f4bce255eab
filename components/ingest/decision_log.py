"""The service's decision log -> canonical tables.

The log is JSON lines (`components.ingest.log_lines`), written by `bento.decision_log`. A file may still be growing, and
its writer may have been killed in the middle of a line: a last line without its end is left for the next reading.
Outcomes that were accepted twice (two workers, one retry) count once, the first by time.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from components.domain import ContractBroken
from components.ingest.interactions import LogTables
from components.ingest.log_lines import (
    ItemLine,
    LineBroken,
    LogLine,
    OutcomeLine,
    RequestLine,
    ServableLine,
    UserLine,
    parse_line,
)
from components.schema import IMPRESSIONS, OUTCOMES, REQUESTS, names

Row = tuple[object, ...]
"""One row of a table, in the order of its columns."""


def read_decision_log(paths: Sequence[Path]) -> LogTables:
    """Requests, impressions and outcomes of a service's log files, each in order of time.

    Raises
    ------
    ContractBroken
        If a whole line is not what the service writes: file, line number, what is wrong.
    """
    found = _Rows()
    for path in sorted(paths):
        found.servable = {}
        for number, line in _lines(path):
            try:
                found.take(line)
            except ValueError as error:
                raise ContractBroken(f"{path}, line {number}: {error}; see components/ingest/log_lines.py") from None
    return LogTables(
        entities=_entities(found.changes),
        requests=_table(found.requests, REQUESTS, "at", "request_id"),
        impressions=_table(found.impressions, IMPRESSIONS, "at", "impression_id"),
        outcomes=_table(found.outcomes, OUTCOMES, "outcome_at", "impression_id", "kind"),
    )


@dataclass
class _Rows:
    """The rows of the lines read so far; `servable` holds what the file named, by generation."""

    requests: list[Row] = field(default_factory=list)
    impressions: list[Row] = field(default_factory=list)
    outcomes: list[Row] = field(default_factory=list)
    servable: dict[int, list[str]] = field(default_factory=dict)
    changes: list[ItemLine | UserLine] = field(default_factory=list)

    def take(self, line: LogLine) -> None:
        """Add the rows of one line."""
        if isinstance(line, RequestLine):
            self.requests.append(_request(line, self.servable))
            self.impressions.extend(_impressions(line))
        elif isinstance(line, ItemLine | UserLine):
            self.changes.append(line)
        elif isinstance(line, OutcomeLine):
            self.outcomes.append((line.impression_id, line.kind, line.reward, line.grade, line.at))
        elif isinstance(line, ServableLine):
            self.servable[line.generation] = list(line.items)


def _lines(path: Path) -> Iterator[tuple[int, LogLine]]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ContractBroken(f"no decision log at {path}") from None
    whole = content[: content.rfind(b"\n") + 1]
    for number, raw in enumerate(whole.splitlines(), 1):
        try:
            yield number, parse_line(raw)
        except LineBroken as error:
            raise ContractBroken(f"{path}, line {number}: {error}; cut the line out and read again") from None


def _request(line: RequestLine, servable: Mapping[int, list[str]]) -> Row:
    if line.eligible is None and line.generation not in servable:
        raise ValueError(f"eligible is null and no line before names the servable items of {line.generation}")
    eligible = servable[line.generation] if line.eligible is None else list(line.eligible)
    context = json.dumps(line.context, sort_keys=True) if line.context else None
    return line.request_id, line.user_id, line.at, line.generation, context, eligible


def _entities(changes: Sequence[ItemLine | UserLine]) -> dict[str, pd.DataFrame]:
    """The last change of each item and user."""
    last = {(type(line), _name(line)): line for line in sorted(changes, key=lambda line: line.at)}
    out = {}
    for name, kind in (("items", ItemLine), ("users", UserLine)):
        lines = [line for (of, _), line in last.items() if of is kind]
        out[name] = pd.DataFrame(
            {
                "entity_id": [_name(line) for line in lines],
                "attributes": [json.dumps(line.attributes, sort_keys=True) for line in lines],
                "changed_at": np.array([line.at for line in lines], "datetime64[us]"),
                "hidden": [isinstance(line, ItemLine) and line.hidden for line in lines],
            }
        )
    return out


def _name(line: ItemLine | UserLine) -> str:
    return line.item_id if isinstance(line, ItemLine) else line.user_id


def _impressions(line: RequestLine) -> Iterator[Row]:
    policy = f"g{line.generation:06d}"
    for s in line.slate:
        own = (s.impression_id, line.request_id, s.item_id, s.position, s.propensity, s.score, s.logit)
        yield (*own, line.generation, policy, line.at)


def _table(rows: list[Row], table: str, at: str, *key: str) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(names(table)))
    order = [at, *key, *(["reward"] if "reward" in frame else [])]  # of two at one instant the smaller, as live
    frame = frame.sort_values(order, kind="stable").drop_duplicates(list(key)).reset_index(drop=True)
    whole = {name: np.int64 for name in (at, "generation") if name in frame}
    numbers = {name: np.float64 for name in ("propensity", "score", "logit", "reward", "grade") if name in frame}
    return frame.astype({**whole, **numbers, **({"position": np.int32} if "position" in frame else {})})
