"""A tiny log and its variations, for tables of cases."""

import dataclasses
from typing import Any

import numpy as np

from components.evaluate.logged_decisions import LoggedDecisions


def tiny(**changed: Any) -> LoggedDecisions:
    """Four requests of two eligible entries each; `changed` columns replace these."""
    columns: dict[str, Any] = {
        "request": [10, 11, 12, 13],
        "position": [0, 0, 0, 0],
        "offsets": [0, 2, 4, 6, 8],
        "action": [0, 3, 4, 7],
        "propensity": [0.5, 0.25, 0.5, 0.75],
        "reward": [1.0, 0.0, 0.0, 1.0],
        "at": [0, 1, 2, 3],
        "logger": [1, 1, 1, 1],
    }
    return LoggedDecisions(**(columns | changed))


def many(n: int, seed: int, rate: float = 0.5, k: int = 4) -> tuple[LoggedDecisions, np.ndarray, np.ndarray]:
    """n requests of k entries with a uniform logger; a target that leans to the first entry; its q."""
    rng = np.random.default_rng(seed)
    q = rng.uniform(0.5 * rate, min(1.5 * rate, 1.0), (n, k))
    shown = rng.integers(k, size=n)
    offsets = np.arange(n + 1) * k
    reward = (rng.random(n) < q[np.arange(n), shown]).astype(float)
    rows = np.arange(n)
    log = LoggedDecisions(rows, 0 * rows, offsets, offsets[:-1] + shown, np.full(n, 1 / k), reward, rows, np.ones(n))
    target = np.full((n, k), 0.8 / k)
    target[:, 0] += 0.2
    return log, target.ravel(), q.ravel()


def replaced(log: LoggedDecisions, **changed: Any) -> LoggedDecisions:
    """The log with some columns replaced."""
    return dataclasses.replace(log, **changed)
