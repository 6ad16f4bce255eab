"""A user's own log and target as files: Parquet or CSV in, logged decisions and arrays out.

The log, one row per shown item:

===============  ==========================================================================
request_id       text or number; rows of one request are one slate (grain: request x position)
item_id          the item shown
reward           number from 0
propensity       probability of the item given the prefix of the slate; empty = missing
position         optional, from 0 (or from 1), default 0
timestamp        optional, ISO 8601 or numbers of seconds since 1970 (also named ``at``, microseconds)
generation       optional, number of the logging generation
p_drop           optional, probability with which such a request was left out of the log
===============  ==========================================================================

The target, one row per request, position and item (long form):

===============  ==========================================================================
request_id       as in the log
item_id          one of the items that could have been shown; together they are the eligible set
probability      of showing the item at this position given the logged prefix
position         optional, default 0
champion         optional, the champion's probability; default: the logger is the champion, so that
                 its weight is 1
q                optional, expected reward of the item by a model that never saw these rewards;
                 needs the column champion
===============  ==========================================================================
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from components.domain import SECOND, ContractBroken, Doubles, Ints
from components.evaluate.file_columns import check_numbers, read_table, typed
from components.evaluate.logged_decisions import SUM_TOLERANCE, LoggedDecisions, check_policy

LOG_COLUMNS = ("request_id", "item_id", "reward", "propensity")
TARGET_COLUMNS = ("request_id", "item_id", "probability")


@dataclass(frozen=True)
class Evaluable:
    """A log with what is to be evaluated on it: `target`, `champion`, `q` are (nnz,); `q` may be None."""

    log: LoggedDecisions
    target: Doubles
    champion: Doubles
    q: Doubles | None


def read_evaluable(log: Path, target: Path) -> Evaluable:
    """Both files as arrays.

    Raises
    ------
    ContractBroken
        For a missing file, column or row, with file, row and column named; one line.
    """
    return evaluable(read_table(log, LOG_COLUMNS), read_table(target, TARGET_COLUMNS))


def evaluable(log: pd.DataFrame, target: pd.DataFrame) -> Evaluable:
    """As `read_evaluable`, from frames.

    >>> log = pd.DataFrame({"request_id": [1, 2], "item_id": ["a", "b"], "reward": [1, 0], "propensity": [0.5, 0.5]})
    >>> target = pd.DataFrame({"request_id": [1, 1, 2, 2], "item_id": list("abab"), "probability": [0.8, 0.2] * 2})
    >>> evaluable(log, target).target
    array([0.8, 0.2, 0.8, 0.2])
    """
    rows, entries = typed(log, LOG_COLUMNS, "log"), typed(target, TARGET_COLUMNS, "target")
    check_numbers(rows, ("reward", "propensity", "p_drop"), "log")
    check_numbers(entries, ("probability", "champion", "q"), "target")
    if len(rows) == 1:
        raise ContractBroken("log: row 0 is the only decision; an interval needs two or more")
    rows, entries = _ordered(rows, entries)
    offsets = _offsets(rows, entries)
    action = _actions(rows, entries, offsets)
    decisions = LoggedDecisions(
        request=rows["request"].to_numpy(),
        position=rows["position"].to_numpy(),
        offsets=offsets,
        action=action,
        propensity=rows["propensity"].to_numpy(float),
        reward=rows["reward"].to_numpy(float),
        at=_instants(rows),
        logger=rows["generation"].to_numpy(np.int64) if "generation" in rows else np.ones(len(rows), np.int64),
        p_drop=rows["p_drop"].to_numpy(float) if "p_drop" in rows else None,
    )
    _sums(entries, decisions, "probability")
    policy = entries["probability"].to_numpy(float)
    check_policy(decisions, policy, "target")
    champion = _champion(entries, decisions, action)
    q = entries["q"].to_numpy(float) if "q" in entries else None
    return Evaluable(decisions, policy, champion, q)


def _sums(entries: pd.DataFrame, log: LoggedDecisions, column: str) -> None:
    """Probabilities of one decision sum to 1; names the first row of the file that belongs to one that does not."""
    sums = log.per_row(entries[column].to_numpy(float))
    off = np.flatnonzero(~(np.abs(sums - 1) <= SUM_TOLERANCE))
    if len(off):
        of = entries.iloc[log.offsets[off[0]] : log.offsets[off[0] + 1]]
        row, request, position = int(of["row"].min()), of["request_id"].iloc[0], int(of["position"].iloc[0])
        raise ContractBroken(
            f"target, row {row}, column {column}: over the eligible set of request {request}, position {position}, "
            f"it sums to {sums[off[0]]:.6g}; allowed is 1 ({len(off)} such decisions)"
        )


def _ordered(rows: pd.DataFrame, entries: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both by request (in the log's order) and position; requests numbered by first appearance."""
    codes, names = pd.factorize(rows["request_id"])
    rows = rows.assign(request=codes).sort_values(["request", "position", "row"], kind="stable")
    _once(rows, ["request", "position"], "log", "request_id and position")
    number = pd.Index(names).get_indexer(pd.Index(entries["request_id"]))
    entries = entries.assign(request=number)[number >= 0].sort_values(["request", "position"], kind="stable")
    _once(entries, ["request", "position", "item_id"], "target", "request_id, position and item_id")
    return rows.reset_index(drop=True), entries.reset_index(drop=True)


def _once(frame: pd.DataFrame, columns: list[str], name: str, words: str) -> None:
    again = frame.duplicated(columns)
    if again.any():
        row = int(frame["row"][again].iloc[0])
        raise ContractBroken(f"{name}, row {row}: {words} occur a second time ({int(again.sum())} such rows)")


def _offsets(rows: pd.DataFrame, entries: pd.DataFrame) -> Ints:
    keys = pd.MultiIndex.from_frame(rows[["request", "position"]])
    row_of = keys.get_indexer(pd.MultiIndex.from_frame(entries[["request", "position"]]))
    counts = np.bincount(row_of[row_of >= 0], minlength=len(rows))
    if (row_of < 0).any():
        row = int(entries["row"].iloc[int(np.flatnonzero(row_of < 0)[0])])
        raise ContractBroken(f"target, row {row}, column position: the log shows nothing at this position")
    if (counts == 0).any():
        row = int(rows["row"].iloc[int(np.flatnonzero(counts == 0)[0])])
        raise ContractBroken(f"log, row {row}, column request_id: the target has no row for this decision")
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)


def _actions(rows: pd.DataFrame, entries: pd.DataFrame, offsets: Ints) -> Ints:
    keys = pd.MultiIndex.from_frame(entries[["request", "position", "item_id"]])
    action = keys.get_indexer(pd.MultiIndex.from_frame(rows[["request", "position", "item_id"]]))
    if (action < 0).any():
        at = int(np.flatnonzero(action < 0)[0])
        row, item = int(rows["row"].iloc[at]), rows["item_id"].iloc[at]
        raise ContractBroken(f"log, row {row}, column item_id: {item} is outside the target's eligible set")
    return action.astype(np.int64)


def _instants(rows: pd.DataFrame) -> Ints:
    if "at" in rows:
        return rows["at"].to_numpy(np.int64)
    if "timestamp" not in rows:
        return np.arange(len(rows), dtype=np.int64)
    if pd.api.types.is_numeric_dtype(rows["timestamp"]):
        return (rows["timestamp"].to_numpy(float) * SECOND).astype(np.int64)
    instants = pd.to_datetime(rows["timestamp"], utc=True, errors="coerce", format="ISO8601")
    if instants.isna().any():
        row = int(rows["row"][instants.isna()].iloc[0])
        raise ContractBroken(f"log, row {row}, column timestamp: no ISO 8601 instant")
    return instants.dt.tz_localize(None).to_numpy("datetime64[us]").astype(np.int64)


def _champion(entries: pd.DataFrame, log: LoggedDecisions, action: Ints) -> Doubles:
    """The champion's probabilities; without a column, the logger: its propensity, the rest spread evenly.

    Only the shown entry's probability enters a weight. A model's expectation needs all of
    them, so with q the column must be given.
    """
    if "champion" in entries:
        champion = entries["champion"].to_numpy(float)
        _sums(entries, log, "champion")
        check_policy(log, champion, "champion")
        return champion
    if "q" in entries:
        raise ContractBroken("the target has column q but lacks column champion; a model needs both policies whole")
    shown = np.clip(np.nan_to_num(log.propensity, nan=1.0), 0.0, 1.0)
    others = np.maximum(log.eligible - 1, 1)
    champion = np.repeat(np.where(log.eligible > 1, (1 - shown) / others, 0.0), log.eligible)
    champion[action] = np.where(log.eligible > 1, shown, 1.0)
    return champion
