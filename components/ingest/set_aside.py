"""Rows of a log that nothing can be made of: without a user, an item, an id that the log promised, or an instant.

They are set aside by name and number and the rest goes on, up to `MOST` of the log; with more, what is left is no
longer the traffic that was served, and the log is refused.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.domain import Bools, ContractBroken
from components.ingest.source import Source

MOST = 0.05
"""Largest share of rows that may be set aside; that of the contracts on a window. Own choice."""


@dataclass(frozen=True, slots=True)
class Sound:
    """The rows that are sound, and of the others how many there are and, per column, which."""

    frame: pd.DataFrame
    set_aside: int
    faults: tuple[str, ...]


def sound_rows(frame: pd.DataFrame, source: Source, origin: str) -> Sound:
    """The rows that can become impressions; `origin` names the log in messages.

    Raises
    ------
    ContractBroken
        If more than `MOST` of the rows cannot: file, column, first row, count.
    """
    broken, faults = np.zeros(len(frame), bool), []
    for column, what in _needed(source).items():
        missing = _missing(frame[column])
        if missing.any():
            broken |= missing
            faults.append(f"{origin}, column {column}: {_rows(missing)} without {what}")
    if broken.mean() > MOST:
        raise ContractBroken(
            f"{'; '.join(faults)}; {broken.mean():.1%} of the rows are unusable, {MOST:.0%} may be set aside: "
            "mend the export, or the columns that the source description names"
        )
    return Sound(frame[~broken] if broken.any() else frame, int(broken.sum()), tuple(faults))


def _needed(source: Source) -> dict[str, str]:
    """Column -> what a row lacks if it has no value there."""
    columns = source.columns
    named = {
        columns.user_id: "a user",
        columns.item_id: "an item",
        columns.request_id: "a request id",
        columns.impression_id: "an impression id",
        columns.position: "a position",
        source.time.column: "a time",
    }
    return {column: what for column, what in named.items() if column is not None}


def _missing(values: pd.Series) -> Bools:
    """Where a value is null, not a time, or an empty text."""
    missing = values.isna().to_numpy()
    if not pd.api.types.is_numeric_dtype(values):
        missing = missing | (values.astype(object).map(lambda v: isinstance(v, str) and not v.strip()).to_numpy(bool))
    return missing


def _rows(broken: Bools) -> str:
    """Which rows, counted from 1 below the head.

    >>> _rows(np.array([False, True, True]))
    '2 rows (the first is row 2)'
    """
    count, first = int(broken.sum()), int(broken.argmax()) + 1
    return f"row {first}" if count == 1 else f"{count} rows (the first is row {first})"
