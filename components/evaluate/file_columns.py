"""The columns of a user's own log and target: read, typed, and checked row by row."""

import gzip
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from components.csv_dialect import csv_dialect, is_csv
from components.domain import SECOND, ContractBroken, Doubles, Ints
from components.evaluate.logged_decisions import SUM_TOLERANCE


@dataclass(frozen=True)
class Within:
    """Smallest and largest value of a column, and the words for it; `empty` where a cell may say nothing."""

    low: float
    high: float
    words: str
    empty: bool = False


REWARD = Within(0.0, np.inf, "finite numbers from 0")
PROBABILITY = Within(0.0, 1.0 + SUM_TOLERANCE, "probabilities in [0, 1]")
DROPPED = Within(0.0, 1.0, "probabilities in [0, 1)")
EXPECTED = Within(-np.inf, np.inf, "finite expected rewards")
FEATURE = Within(-np.inf, np.inf, "finite numbers, or empty", empty=True)


def read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    try:
        frame = _read_csv(path) if is_csv(path) else pd.read_parquet(path)
    except FileNotFoundError:
        raise ContractBroken(f"no file at {path}; allowed is a .parquet or .csv file") from None
    except ContractBroken:
        raise
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ContractBroken(f"{path} cannot be read: {reason}; allowed is a .parquet or .csv file") from None
    missing = [c for c in columns if c not in frame]
    if missing:
        raise ContractBroken(f"{path} lacks column {missing[0]}; needed are {', '.join(columns)}")
    return frame


def _read_csv(path: Path) -> pd.DataFrame:
    d = csv_dialect(path)
    with gzip.open(path) if d.compressed else path.open("rb") as file:
        return pd.read_csv(file, sep=d.separator, quotechar=d.quote, decimal=d.decimal, encoding=d.encoding)


def typed(frame: pd.DataFrame, columns: tuple[str, ...], name: str) -> pd.DataFrame:
    """The frame with its row numbers, ids as text and positions from 0."""
    if frame.empty:
        raise ContractBroken(f"the {name} is empty; allowed is one row or more")
    missing = [c for c in columns if c not in frame]
    if missing:
        raise ContractBroken(f"the {name} lacks column {missing[0]}; needed are {', '.join(columns)}")
    out = frame.reset_index(drop=True).copy()
    out["row"] = np.arange(len(out))
    for column in ("item_id", "request_id"):
        _said(out, column, name)
        out[column] = out[column].astype(str)
    out["position"] = positions_of(out, name) if "position" in out else 0
    out["position"] -= int(out["position"].min()) if out["position"].min() == 1 else 0
    return out


def _said(frame: pd.DataFrame, column: str, name: str) -> None:
    empty = frame[column].isna().to_numpy()
    if empty.any():
        row = int(np.flatnonzero(empty)[0])
        raise ContractBroken(f"{name}, row {row}, column {column}: empty; allowed is an id ({empty.sum()} such rows)")


def positions_of(frame: pd.DataFrame, name: str) -> Ints:
    numbers = pd.to_numeric(frame["position"], errors="coerce").to_numpy(float)
    broken = ~(np.isfinite(numbers) & (numbers >= 0) & (numbers == np.floor(numbers)))
    if broken.any():
        row = int(np.flatnonzero(broken)[0])
        raise ContractBroken(f"{name}, row {row}, column position: {frame['position'].iloc[row]!r} is no position")
    return numbers.astype(np.int64)


def numbers_of(frame: pd.DataFrame, column: str, name: str, within: Within | None) -> Doubles:
    """A column as numbers, each within its bounds; None leaves that to whoever reads them."""
    numbers = pd.to_numeric(frame[column], errors="coerce")
    broken = (numbers.isna() & frame[column].notna()).to_numpy()
    if broken.any():
        row = int(np.flatnonzero(broken)[0])
        raise ContractBroken(f"{name}, row {row}, column {column}: {frame[column].iloc[row]!r} is no number")
    out = numbers.to_numpy(float)
    if within is None:
        return out
    outside = ~(np.isfinite(out) & (out >= within.low) & (out <= within.high))
    outside &= ~(within.empty & np.isnan(out))
    first_broken(outside, out, f"{name}, row {{}}, column {column}: {{:g}}; allowed are {within.words}")
    return out


def first_broken(broken: np.ndarray, numbers: Doubles, line: str) -> None:
    """One line for the first broken row, with how many more there are; `line` takes row and number."""
    if broken.any():
        row, more = int(np.flatnonzero(broken)[0]), int(broken.sum()) - 1
        raise ContractBroken(line.format(row, numbers[row]) + (f"; so are {more} more rows" if more else ""))


def users_of(rows: pd.DataFrame) -> Ints | None:
    """(n,) code of each row's user, or None without a column; a request has one user."""
    if "user_id" not in rows:
        return None
    _said(rows.sort_values("row"), "user_id", "log")
    code = pd.factorize(rows["user_id"].astype(str))[0].astype(np.int64)
    first = code[np.unique(rows["request"].to_numpy(), return_index=True)[1]][rows["request"].to_numpy()]
    other = np.flatnonzero(code != first)
    if len(other):
        of = rows.iloc[other[0]]
        raise ContractBroken(
            f"log, row {of['row']}, column user_id: {of['user_id']}; request {of['request_id']} has another user, too"
        )
    return code


def generations_of(rows: pd.DataFrame) -> Ints:
    """(n,) number of the logging generation; 1 without a column."""
    if "generation" not in rows:
        return np.ones(len(rows), np.int64)
    ordered = rows.sort_values("row")
    numbers = numbers_of(ordered, "generation", "log", Within(0, 2**53, "whole numbers from 0"))
    first_broken(
        numbers != np.floor(numbers), numbers, "log, row {}, column generation: {:g}; allowed are whole numbers"
    )
    return rows["generation"].to_numpy(float).astype(np.int64)


def instants_of(rows: pd.DataFrame) -> Ints:
    """(n,) microseconds since 1970; the order of the log where it carries no time."""
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
