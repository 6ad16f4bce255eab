"""What one period of play left, kept as files so that an interrupted replay goes on where it was."""

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from components.ingest.interactions import LogTables
from components.schema import TABLES
from components.whole_file import write_durably
from components.world.recorded_log import Played
from flows import progress
from warehouse.append import arrow


@contextmanager
def timed(folder: Path, stage: str) -> Iterator[None]:
    """Keep the block's wall seconds beside the turn, for the report; tell who watches."""
    progress.begin(stage)
    begin = time.perf_counter()
    yield
    folder.mkdir(parents=True, exist_ok=True)
    write_durably(folder / f"{stage}.seconds", f"{time.perf_counter() - begin:.4f}".encode())


def seconds(folder: Path) -> dict[str, float]:
    """Stage -> wall seconds of what `timed` measured."""
    return {p.stem: float(p.read_text()) for p in sorted(folder.glob("*.seconds"))}


def save(folder: Path, played: Played, frozen: np.ndarray) -> None:
    """Write a played period whole: three tables of the decision log, and every interaction's scores.

    `frozen` (n,) are generation 1's logits of the same interactions.
    """
    part = folder.with_name(f".{folder.name}.{os.getpid()}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    try:
        for name in TABLES:
            pq.write_table(arrow(getattr(played.log, name), name), part / f"{name}.parquet")
        scored = played.scored
        scores = {
            "at": scored.at,
            "reward": scored.reward,
            "frozen": frozen,
            "champion": scored.champion,
            "champion_with_memory": scored.champion_with_memory,
        }
        pq.write_table(pa.table(scores), part / "scores.parquet")
        part.replace(folder)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def tables(folder: Path) -> LogTables:
    """The decision log of a played period."""
    requests, impressions, outcomes = (pd.read_parquet(folder / f"{name}.parquet") for name in TABLES)
    return LogTables(requests, impressions, outcomes)


def scores(folder: Path) -> pd.DataFrame:
    """Columns at, reward, frozen, champion, champion_with_memory (logits); each scored before its outcome was known."""
    return pd.read_parquet(folder / "scores.parquet")
