"""What the cells of one column say: each typed, missing, or broken. Nothing here raises for a single cell."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.domain import Bools, ContractBroken
from components.ingest.amount_scale import AmountScale

UNITS = {"s": 1_000_000, "ms": 1_000, "us": 1}
"""Unit of a column of times -> microseconds."""
EXACT = 2**53
"""Whole numbers up to here are exact in floating point; as microseconds the year 2255."""


@dataclass(frozen=True, slots=True)
class Cells:
    """One column of n rows as what it is meant to be.

    `typed` (n,) is meaningless where `missing` or `broken`, both (n,), never both at once; `allowed` says what a
    cell may hold.
    """

    typed: np.ndarray
    missing: Bools
    broken: Bools
    allowed: str

    def first_broken(self, values: pd.Series) -> str:
        """What the first broken cell of the column held, as people write it."""
        received = values.iloc[int(self.broken.argmax())]
        return repr(received.item() if isinstance(received, np.generic) else received)[:40]


def missing_in(values: pd.Series) -> Bools:
    """(n,) where a value is null or a blank text."""
    missing = values.isna().to_numpy(bool)
    if not pd.api.types.is_numeric_dtype(values):
        missing = missing | values.astype(object).map(lambda v: isinstance(v, str) and not v.strip()).to_numpy(bool)
    return missing


def instants_of(values: pd.Series, unit: str) -> Cells:
    """Microseconds UTC, from 1970 to 2255; int64, 0 where there is none.

    Raises
    ------
    ContractBroken
        If the column holds numbers and the unit is for text, or the other way round.
    """
    missing = missing_in(values)
    if unit == "iso":
        _refuse(values, pd.api.types.is_numeric_dtype(values), "numbers; allowed in unit iso are text and timestamps")
        times = pd.to_datetime(values, utc=True, format="ISO8601", errors="coerce").dt.as_unit("us")
        read = times.notna().to_numpy(copy=True)
        instants = times.dt.tz_localize(None).to_numpy("datetime64[us]").astype(np.int64)
    else:
        timestamps = pd.api.types.is_datetime64_any_dtype(values)
        _refuse(values, timestamps, f"timestamps; allowed in unit {unit} are numbers, and for timestamps unit iso")
        numbers = pd.to_numeric(values, errors="coerce").fillna(-1).to_numpy()
        read = (numbers >= 0) & (numbers <= EXACT // UNITS[unit])
        exact = np.int64 if numbers.dtype.kind in "iu" else np.float64
        instants = np.round(np.where(read, numbers, 0).astype(exact) * UNITS[unit]).astype(np.int64)
    read &= (instants >= 0) & (instants <= EXACT)
    return Cells(np.where(read, instants, 0), missing, ~read & ~missing, f"a time from 1970 to 2255 in unit {unit}")


def numbers_of(values: pd.Series) -> Cells:
    """Finite numbers; float64, nan where there is none."""
    missing = missing_in(values)
    if pd.api.types.is_datetime64_any_dtype(values):
        numbers = np.full(len(values), np.nan)
    else:
        plain = values.astype(object) if isinstance(values.dtype, pd.CategoricalDtype) else values
        numbers = pd.to_numeric(plain, errors="coerce").to_numpy(float, na_value=np.nan)
    read = np.isfinite(numbers)
    return Cells(np.where(read, numbers, np.nan), missing, ~read & ~missing, "a finite number")


def amounts_of(values: pd.Series, scale: AmountScale) -> Cells:
    """Numbers on a scale; float64, counted from its lower end, nan where there is none."""
    cells = numbers_of(values)
    high = np.inf if scale.high is None else scale.high
    read = (cells.typed >= scale.low) & (cells.typed <= high)
    return Cells(np.where(read, cells.typed - scale.low, np.nan), cells.missing, ~read & ~cells.missing, scale.allowed)


def wholes_of(values: pd.Series) -> Cells:
    """Whole numbers of 32 bits; int64, 0 where there is none."""
    cells = numbers_of(values)
    numbers = np.nan_to_num(cells.typed)
    read = np.isfinite(cells.typed) & (numbers % 1 == 0) & (numbers >= -(2**31)) & (numbers < 2**31)
    whole = np.where(read, numbers, 0).astype(np.int64)
    return Cells(whole, cells.missing, ~read & ~cells.missing, "a whole number of 32 bits")


def lists_of(values: pd.Series) -> Cells:
    """Lists of distinct ids, from lists or from text cut at ``|``; object, None where there is none."""
    missing = missing_in(values)
    lists = np.empty(len(values), object)
    lists[:] = [_distinct(value) for value in values]
    read = np.array([items is not None for items in lists], bool)
    return Cells(lists, missing, ~read & ~missing, "a list of ids, none of them missing or named twice")


def ids_of(values: pd.Series) -> pd.Series:
    """Ids as text, whole numbers without a fraction however the file stored them; missing where there is none.

    Raises
    ------
    ContractBroken
        If the column is floating point with fractions, or beyond what tells whole numbers apart.
    """
    if pd.api.types.is_float_dtype(values):
        known = values[values.notna()].to_numpy(float)
        inexact = (known != np.round(known)) | (np.abs(known) >= EXACT)
        _refuse(values, bool(inexact.any()), "ids in floating point that it cannot tell apart; write text or integers")
    return texts_of(values)


def texts_of(values: pd.Series) -> pd.Series:
    """Values as text, whole numbers without a fraction if all are whole; missing where there is none.

    >>> texts_of(pd.Series([1.0, 3.0])).tolist()
    ['1', '3']
    """
    if pd.api.types.is_float_dtype(values) and (values.dropna() % 1 == 0).all():
        values = values.astype("Int64")
    return values.astype(object).where(values.notna(), None).map(lambda v: v if v is None else str(v))


def items_of(value: object) -> list[str] | None:
    """The ids or words of a list, or of text cut at ``|``, without missing ones; None where it is no list.

    >>> items_of("a|b"), items_of(np.array([1.0, np.nan])), items_of(None)
    (['a', 'b'], ['1'], None)
    """
    items = _items(value)
    return None if items is None else [item for item in items if item]


def _items(value: object) -> list[str] | None:
    """As `items_of`, with an empty text for each missing one."""
    if isinstance(value, str):
        return value.split("|")
    if not isinstance(value, list | tuple | np.ndarray):
        return None
    return [_text(item) for item in (value.tolist() if isinstance(value, np.ndarray) else value)]


def _text(value: object) -> str:
    if value is None or value != value:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _distinct(value: object) -> list[str] | None:
    items = _items(value)
    sound = items is not None and all(items) and len(set(items)) == len(items)
    return items if sound else None


def _refuse(values: pd.Series, is_so: bool, what: str) -> None:
    if is_so:
        raise ContractBroken(f"column {values.name} holds {what}")
