"""The service's decision log -> canonical tables.

The log is JSON lines, written by `bento.decision_log`, which describes them. A file may still be
growing, and its writer may have been killed in the middle of a line: a last line without its
end is left for the next reading. Outcomes that were accepted twice (two workers, one retry)
count once, the first by time.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from components.domain import ContractBroken
from components.ingest.interactions import LogTables

Line = Mapping[str, object]

REQUESTS = ("request_id", "user_id", "at", "generation", "context", "eligible")
IMPRESSIONS = (
    "impression_id",
    "request_id",
    "item_id",
    "position",
    "propensity",
    "score",
    "logit",
    "generation",
    "logging_policy",
    "at",
)
OUTCOMES = ("impression_id", "kind", "value", "grade", "outcome_at")


def read_decision_log(paths: Sequence[Path]) -> LogTables:
    """Requests, impressions and outcomes of a service's log files, each in order of time.

    Raises
    ------
    ContractBroken
        If a whole line is not what the service writes: file, line number, what is wrong.
    """
    requests: list[dict[str, object]] = []
    impressions: list[dict[str, object]] = []
    outcomes: list[dict[str, object]] = []
    for path in sorted(paths):
        servable: dict[object, object] = {}
        for number, line in _lines(path):
            try:
                if line["type"] == "request":
                    requests.append(_request(line, servable))
                    impressions.extend(_impressions(line))
                elif line["type"] == "outcome":
                    outcomes.append(_outcome(line))
                elif line["type"] == "servable":
                    servable[line["generation"]] = line["items"]
                else:
                    raise ValueError(f"type {line['type']!r}; allowed are request, outcome, servable")
            except (KeyError, TypeError, ValueError) as error:
                what = f"lacks {error}" if isinstance(error, KeyError) else str(error)
                raise ContractBroken(f"{path}, line {number}: {what}; see components/ingest/decision_log.py") from None
    return LogTables(
        _table(requests, REQUESTS, "at", "request_id"),
        _table(impressions, IMPRESSIONS, "at", "impression_id"),
        _table(outcomes, OUTCOMES, "outcome_at", "impression_id", "kind"),
    )


def _lines(path: Path) -> Iterator[tuple[int, Line]]:
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise ContractBroken(f"no decision log at {path}") from None
    whole = content[: content.rfind(b"\n") + 1]
    for number, raw in enumerate(whole.splitlines(), 1):
        try:
            line = json.loads(raw)
        except ValueError:
            line = None
        if not isinstance(line, dict):
            raise ContractBroken(f"{path}, line {number} is no JSON object; cut the line out and read again")
        yield number, line


def _request(line: Line, servable: Mapping[object, object]) -> dict[str, object]:
    eligible = line["eligible"]
    if eligible is None:
        if line["generation"] not in servable:
            raise ValueError(f"eligible is null and no line before names the servable items of {line['generation']}")
        eligible = servable[line["generation"]]
    context = json.dumps(line["context"], sort_keys=True) if line["context"] else None
    return {**{name: line[name] for name in REQUESTS}, "context": context, "eligible": eligible}


def _impressions(line: Line) -> Iterator[dict[str, object]]:
    slate = line["slate"]
    if not isinstance(slate, list):
        raise ValueError("slate is no list")
    policy = f"g{int(str(line['generation'])):06d}"
    for shown in slate:
        yield {
            **{name: shown[name] for name in ("impression_id", "item_id", "position", "propensity", "score", "logit")},
            "request_id": line["request_id"],
            "generation": line["generation"],
            "logging_policy": policy,
            "at": line["at"],
        }


def _outcome(line: Line) -> dict[str, object]:
    return {
        "impression_id": line["impression_id"],
        "kind": line["kind"],
        "value": float(str(line["value"])),
        "grade": line.get("grade"),
        "outcome_at": line["at"],
    }


def _table(rows: list[dict[str, object]], columns: Sequence[str], at: str, *key: str) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=list(columns))
    frame = frame.sort_values([at, *key], kind="stable").drop_duplicates(list(key)).reset_index(drop=True)
    whole = {name: np.int64 for name in (at, "generation") if name in frame}
    numbers = {name: np.float64 for name in ("propensity", "score", "logit", "value", "grade") if name in frame}
    return frame.astype({**whole, **numbers, **({"position": np.int32} if "position" in frame else {})})
