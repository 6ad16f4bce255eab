"""The columns of a user's own log and target: read, typed, and checked row by row."""

from pathlib import Path

import numpy as np
import pandas as pd

from components.domain import ContractBroken, Doubles, Ints
from components.evaluate.logged_decisions import SUM_TOLERANCE


def read_table(path: Path, columns: tuple[str, ...]) -> pd.DataFrame:
    try:
        frame = pd.read_csv(path) if path.suffix == ".csv" else pd.read_parquet(path)
    except FileNotFoundError:
        raise ContractBroken(f"no file at {path}; allowed is a .parquet or .csv file") from None
    except Exception as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ContractBroken(f"{path} cannot be read: {reason}; allowed is a .parquet or .csv file") from None
    missing = [c for c in columns if c not in frame]
    if missing:
        raise ContractBroken(f"{path} lacks column {missing[0]}; needed are {', '.join(columns)}")
    return frame


def typed(frame: pd.DataFrame, columns: tuple[str, ...], name: str) -> pd.DataFrame:
    if frame.empty:
        raise ContractBroken(f"the {name} is empty; allowed is one row or more")
    missing = [c for c in columns if c not in frame]
    if missing:
        raise ContractBroken(f"the {name} lacks column {missing[0]}; needed are {', '.join(columns)}")
    out = frame.reset_index(drop=True).copy()
    out["row"] = np.arange(len(out))
    out["item_id"] = out["item_id"].astype(str)
    out["request_id"] = out["request_id"].astype(str)
    out["position"] = positions_of(out, name) if "position" in out else 0
    out["position"] -= int(out["position"].min()) if out["position"].min() == 1 else 0
    return out


def positions_of(frame: pd.DataFrame, name: str) -> Ints:
    numbers = pd.to_numeric(frame["position"], errors="coerce").to_numpy(float)
    broken = ~(np.isfinite(numbers) & (numbers >= 0) & (numbers == np.floor(numbers)))
    if broken.any():
        row = int(np.flatnonzero(broken)[0])
        raise ContractBroken(f"{name}, row {row}, column position: {frame['position'].iloc[row]!r} is no position")
    return numbers.astype(np.int64)


def check_numbers(frame: pd.DataFrame, columns: tuple[str, ...], name: str) -> None:
    for column in columns:
        if column not in frame:
            continue
        numbers = pd.to_numeric(frame[column], errors="coerce")
        broken = numbers.isna() & frame[column].notna()
        if broken.any():
            row = int(np.flatnonzero(broken)[0])
            raise ContractBroken(f"{name}, row {row}, column {column}: {frame[column].iloc[row]!r} is no number")
        frame[column] = numbers.astype(float)
        check_within(frame[column].to_numpy(float), column, name)


BOUNDS = {
    "reward": (0.0, np.inf, "finite numbers from 0"),
    "p_drop": (0.0, 1.0, "probabilities in [0, 1)"),
    "probability": (0.0, 1.0 + SUM_TOLERANCE, "probabilities in [0, 1]"),
    "champion": (0.0, 1.0 + SUM_TOLERANCE, "probabilities in [0, 1]"),
    "q": (-np.inf, np.inf, "finite expected rewards"),
}
"""Smallest and largest value of each column, and the words for it. Propensities are the diagnostics' to refuse."""


def check_within(numbers: Doubles, column: str, name: str) -> None:
    if column not in BOUNDS:
        return
    low, high, allowed = BOUNDS[column]
    broken = ~(np.isfinite(numbers) & (numbers >= low) & (numbers <= high))
    if broken.any():
        row, more = int(np.flatnonzero(broken)[0]), int(broken.sum()) - 1
        also = f"; so are {more} more rows" if more else ""
        raise ContractBroken(f"{name}, row {row}, column {column}: {numbers[row]:g}; allowed are {allowed}{also}")
