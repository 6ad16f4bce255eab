"""Open Bandit files as logged decisions (Saito et al. 2020, "Open Bandit Dataset and Pipeline").

A row of a file is one item shown in one of three slots, with the true propensity of that
item in that slot; all items of the campaign were eligible. Rows are separate rounds, as in
the dataset's own evaluation: a slate's three rows are not linked in the files.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.domain import ContractBroken, Doubles, Ints
from components.evaluate.logged_decisions import LoggedDecisions

COLUMNS = ("timestamp", "item_id", "position", "click", "propensity_score")


@dataclass(frozen=True)
class OpenBandit:
    """A log of n rounds over k items.

    Attributes
    ----------
    item : (k,) item ids in the order of the entries. slot : (n,) slot 0, 1 or 2 of each round.
    """

    log: LoggedDecisions
    item: Ints
    slot: Ints


def open_bandit(frame: pd.DataFrame, items: int | None = None) -> OpenBandit:
    """Rounds of one file in its order; `items` is the campaign's number of items, default as seen.

    Raises
    ------
    ContractBroken
        If a column is missing, or an item lies outside ``0 .. items - 1``.
    """
    missing = [c for c in COLUMNS if c not in frame]
    if missing:
        raise ContractBroken(f"the Open Bandit file lacks column {missing[0]}; needed are {', '.join(COLUMNS)}")
    shown = frame["item_id"].to_numpy(np.int64)
    k = int(shown.max()) + 1 if items is None else items
    if shown.max() >= k or shown.min() < 0:
        row = int(np.flatnonzero((shown >= k) | (shown < 0))[0])
        raise ContractBroken(f"row {row}, column item_id: {shown[row]}; allowed is 0 to {k - 1}")
    n = len(frame)
    offsets = np.arange(n + 1, dtype=np.int64) * k
    instants = pd.to_datetime(frame["timestamp"], utc=True, format="ISO8601").dt.tz_localize(None)
    log = LoggedDecisions(
        request=np.arange(n),
        position=np.zeros(n, np.int64),
        offsets=offsets,
        action=offsets[:-1] + shown,
        propensity=frame["propensity_score"].to_numpy(float),
        reward=frame["click"].to_numpy(float),
        at=instants.to_numpy("datetime64[us]").astype(np.int64),
        logger=np.ones(n, np.int64),
    )
    slot = frame["position"].to_numpy(np.int64)
    return OpenBandit(log, np.arange(k), slot - slot.min())


def uniform(log: LoggedDecisions) -> Doubles:
    """(nnz,) the uniform policy on each row's eligible set."""
    return np.repeat(1 / log.eligible, log.eligible)


def slot_policy(source: OpenBandit, other: OpenBandit) -> Doubles:
    """(nnz of `source`,) how often `other`'s logger shows each item in each slot: a context-free copy of it."""
    k, slots = len(source.item), int(max(source.slot.max(), other.slot.max())) + 1
    shown = other.log.action - other.log.offsets[:-1]
    counts = np.bincount(other.slot * k + shown, minlength=slots * k).reshape(slots, k)
    return (counts / counts.sum(axis=1, keepdims=True))[source.slot].ravel()
