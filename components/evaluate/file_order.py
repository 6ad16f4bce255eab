"""A user's log and target brought into one order: decisions by request and position, entries beside their decision."""

import numpy as np
import pandas as pd

from components.domain import ContractBroken, Ints


def ordered(rows: pd.DataFrame, entries: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both by request (in the log's order) and position; requests numbered by first appearance."""
    codes, names = pd.factorize(rows["request_id"])
    rows = rows.assign(request=codes).sort_values(["request", "position", "row"], kind="stable")
    _once(rows, ["request", "position"], "log", "request_id and position")
    _without_gaps(rows)
    number = pd.Index(names).get_indexer(pd.Index(entries["request_id"]))
    entries = entries.assign(request=number)[number >= 0].sort_values(["request", "position"], kind="stable")
    _once(entries, ["request", "position", "item_id"], "target", "request_id, position and item_id")
    return rows.reset_index(drop=True), entries.reset_index(drop=True)


def _without_gaps(rows: pd.DataFrame) -> None:
    expected = rows.groupby("request").cumcount()
    gap = (rows["position"] != expected).to_numpy()
    if gap.any():
        of = rows.iloc[int(np.flatnonzero(gap)[0])]
        raise ContractBroken(
            f"log, row {of['row']}, column position: {of['position']} where {expected[gap].iloc[0]} is due; allowed "
            "are 0, 1, 2, ... within each request"
        )


def _once(frame: pd.DataFrame, columns: list[str], name: str, words: str) -> None:
    again = frame.duplicated(columns)
    if again.any():
        row = int(frame["row"][again].iloc[0])
        raise ContractBroken(f"{name}, row {row}: {words} occur a second time ({int(again.sum())} such rows)")


def offsets_of(rows: pd.DataFrame, entries: pd.DataFrame) -> Ints:
    """(n + 1,) where each decision's entries begin."""
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


def actions_of(rows: pd.DataFrame, entries: pd.DataFrame) -> Ints:
    """(n,) entry that each decision showed."""
    keys = pd.MultiIndex.from_frame(entries[["request", "position", "item_id"]])
    action = keys.get_indexer(pd.MultiIndex.from_frame(rows[["request", "position", "item_id"]]))
    if (action < 0).any():
        at = int(np.flatnonzero(action < 0)[0])
        row, item = int(rows["row"].iloc[at]), rows["item_id"].iloc[at]
        raise ContractBroken(f"log, row {row}, column item_id: {item} is outside the target's eligible set")
    return action.astype(np.int64)
