"""A small sample of the past, replayed against forgetting.

Each row gets a priority that is a function of its content alone; the buffer keeps the
rows with the highest. So the sample does not depend on the order or the grouping in
which rows came, and a row that came twice is kept at most once.

Efraimidis, Spirakis: Weighted random sampling with a reservoir, 2006, algorithm A: keep
the largest ``log(u) / w``; with ``w = 2^(at / half_life)`` the newest are likelier.
"""

from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.domain import DAY, ContractBroken, Doubles, Examples, Matured
from components.ranker.features import cross_keys
from components.whole_file import write_whole


def sample(past: Matured, rows: int, half_life_days: float, seed: int) -> Matured:
    """At most `rows` of `past`, in time order; recency-weighted without replacement.

    Parameters
    ----------
    half_life_days : age at which a row is half as likely to be kept; inf weighs all alike.
    """
    keep = np.argsort(-_priority(past, half_life_days, seed), kind="stable")[:rows]
    return past.take(keep[np.lexsort((keep, past.examples.at[keep]))])


def _priority(past: Matured, half_life_days: float, seed: int) -> Doubles:
    at = past.examples.at
    mixed = cross_keys(at.astype(np.uint64) + np.uint64(1), np.full(len(at), seed + 1, np.uint64))
    for column in range(min(2, past.examples.keys.shape[1])):
        mixed = cross_keys(mixed, past.examples.keys[:, column] | np.uint64(1))
    uniform = ((mixed >> np.uint64(11)).astype(np.float64) + 0.5) / 2**53
    # log(-log u) - log w instead of log(u) / w: the same order, and no overflow for old rows
    return -(np.log(-np.log(uniform)) - at / DAY * np.log(2) / half_life_days)


def save_replay(buffer: Matured, path: Path) -> None:
    """Write a buffer as Parquet, atomically."""
    names = [f"key{c}" for c in range(buffer.examples.keys.shape[1])]
    names += [f"numeric{c}" for c in range(buffer.examples.numeric.shape[1])]
    columns = [*buffer.examples.keys.T, *buffer.examples.numeric.T, buffer.examples.at, buffer.reward]
    names += ["at", "reward"]
    if buffer.grade is not None:
        names, columns = [*names, "grade"], [*columns, buffer.grade]
    table = pa.table([pa.array(np.ascontiguousarray(c)) for c in columns], names=names)
    write_whole(path, partial(pq.write_table, table))


def load_replay(path: Path) -> Matured:
    """The buffer at `path`.

    Raises
    ------
    ContractBroken
        If it is missing or not such a file; one line.
    """
    try:
        table = pq.read_table(path)
        keys = [table.column(n).to_numpy() for n in table.column_names if n.startswith("key")]
        numeric = [table.column(n).to_numpy() for n in table.column_names if n.startswith("numeric")]
        at, reward = table.column("at").to_numpy().copy(), table.column("reward").to_numpy().copy()
        grade = table.column("grade").to_numpy().copy() if "grade" in table.column_names else None
    except (OSError, KeyError, pa.ArrowException) as error:
        raise ContractBroken(f"no readable replay buffer at {path}: {type(error).__name__}") from None
    n = len(at)
    return Matured(
        Examples(
            np.stack(keys, 1) if keys else np.empty((n, 0), np.uint64),
            np.stack(numeric, 1) if numeric else np.empty((n, 0), np.float32),
            at,
        ),
        reward,
        grade,
    )
