"""The service's decision log, read as a whole -> canonical tables.

The loop reads it by parts (`components.ingest.segment`, `components.ingest.log_columns`); this is for whoever wants all
of it at once. A last line without its end is left out. Outcomes that were accepted twice (two workers, one retry) count
once, the first by time.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa

from components.domain import ContractBroken
from components.ingest.interactions import LogTables
from components.ingest.log_columns import LogColumns
from components.ingest.log_lines import ItemLine, UserLine


def read_decision_log(paths: Sequence[Path]) -> LogTables:
    """Requests, impressions and outcomes of a service's log files, each in order of time.

    Raises
    ------
    ContractBroken
        If a whole line is not what the service writes: file, line number, what is wrong.
    """
    found = LogColumns({})
    for path in sorted(paths):
        found.take(str(path), _lines(path), 1, 0)
    found.settle({})
    if found.broken:
        raise ContractBroken(f"{found.broken[0]}; cut the line out and read again")
    asked = found.requests
    requests = asked.to_pandas().assign(context=asked["context"].to_pylist(), eligible=_eligible(found, asked))
    return LogTables(
        entities=entity_changes(found.changes),
        requests=_table(requests.drop(columns="eligible_of"), "at", "request_id"),
        impressions=_table(found.impressions.to_pandas(), "at", "impression_id"),
        outcomes=_table(found.outcome_table.to_pandas(), "outcome_at", "impression_id", "kind"),
    )


def _lines(path: Path) -> list[bytes]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ContractBroken(f"no decision log at {path}") from None
    return content[: content.rfind(b"\n")].split(b"\n") if b"\n" in content else []


def _eligible(found: LogColumns, asked: pa.Table) -> list[list[str] | None]:
    """Eligible sets of all requests: one list for all that refer to one catalogue."""
    shared = {name: list(items) for name, items in found.catalogues.items()}
    own = asked["eligible"].to_pylist()
    return [shared[of] if of else items for of, items in zip(found.eligible_of, own, strict=True)]


def entity_changes(changes: Sequence[ItemLine | UserLine]) -> dict[str, pd.DataFrame]:
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


def _table(frame: pd.DataFrame, at: str, *key: str) -> pd.DataFrame:
    order = [at, *key, *(["reward"] if "reward" in frame else [])]  # of two at one instant the smaller, as live
    frame = frame.sort_values(order, kind="stable").drop_duplicates(list(key)).reset_index(drop=True)
    whole = {name: np.int64 for name in (at, "generation") if name in frame}
    numbers = {name: np.float64 for name in ("propensity", "score", "logit", "reward", "grade") if name in frame}
    return frame.astype({**whole, **numbers, **({"position": np.int32} if "position" in frame else {})})
