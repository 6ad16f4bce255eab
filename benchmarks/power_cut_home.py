"""A small home for stacks that are ended badly: some days of a made log, and turns over them without a stack."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pandas as pd

from components.domain import instant_of
from flows.stack.environment import ROOT
from flows.turn import finished
from flows.workspace import Workspace

SECONDS = 86_400
FIRST = 15_000
"""The day, since 1970, on which the log begins."""

PER_DAY = 750
DESCRIPTION = """
name = "small"
title = "A small log"
pretrain = "4d"

[columns]
user_id = "who"
item_id = "what"

[time]
column = "when"
unit = "s"

[outcome]
column = "liked"
kind = "like"
equals = 1

[[fields]]
name = "user"
kind = "id"
of = "user"

[[fields]]
name = "item"
kind = "id"
of = "item"
"""
SETTINGS = "[update]\nmax_epochs = 1\n\n[drift]\npage = false\n"


def day(number: int) -> datetime:
    """The instant at which a day of the log begins."""
    return datetime.fromtimestamp((FIRST + number) * SECONDS, UTC)


def make_home(home: Path, days: int) -> None:
    """A home that holds the log and whose first generation knows four days of it."""
    home.mkdir(parents=True)
    (home / "evercurrent.toml").write_text(SETTINGS)
    description, log = home.parent / "small.toml", home.parent / "small.parquet"
    description.write_text(DESCRIPTION)
    _drawn(days).to_parquet(log, index=False)
    _said("ingest", str(log), "--source", str(description), home=home)
    _loop(home, day(4))


def play(twin: Path, home: Path, cutoffs: Sequence[datetime]) -> None:
    """Make the twin of a home, and play turns in it."""
    shutil.copytree(home, twin)
    for cutoff in cutoffs:
        _loop(twin, cutoff)


def digest_of(home: Path, cutoff: datetime) -> str | None:
    """What a finished turn came to; None where it is not finished."""
    record = finished(Workspace(home), instant_of(cutoff))
    return None if record is None else record.digest


def _drawn(days: int) -> pd.DataFrame:
    """Users like one item in four."""
    rng, rows = np.random.default_rng(0), days * PER_DAY
    user, item = rng.integers(0, 400, rows), rng.integers(0, 40, rows)
    at = np.sort(rng.integers(0, days * SECONDS, rows)) + FIRST * SECONDS
    likes = rng.random(rows) < np.where(user % 4 == item % 4, 0.8, 0.3)
    made = pd.DataFrame({"who": user, "what": item, "when": at, "liked": likes.astype(int)})
    return made.drop_duplicates(["who", "what", "when"])


def _loop(home: Path, cutoff: datetime) -> None:
    _said("loop", "--cutoff", cutoff.isoformat(), home=home)


def _said(*words: str, home: Path) -> None:
    plain = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    command = [sys.executable, "-m", "flows.cli", *words, "--home", str(home)]
    done = subprocess.run(command, cwd=ROOT, env=plain, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
