"""What every test may lean on: a tiny described log, and one Prefect server for the whole run."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from flows.workspace import QUIET, SILENT
from warehouse.quiet_end import end_quietly

pytest.register_assert_rewrite("tests.contracts")  # so that a check that fails says with which values

os.environ.update(QUIET | SILENT)
os.environ.setdefault("PREFECT_LOGGING_TO_API_WHEN_MISSING_FLOW", "ignore")
os.environ.pop("PREFECT_API_URL", None)
os.environ.pop("EVERCURRENT_HOME", None)

DAY = 86_400
ROOT = Path(__file__).resolve().parent.parent

DESCRIPTION = """
name = "tiny"
title = "A tiny log"
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

[[fields]]
name = "genre"
kind = "multi"
of = "item"
column = "kinds"
width = 2

[world]
period = "day"
"""


@dataclass(frozen=True)
class TinySource:
    """A description and a log of it, as a user would have them."""

    description: Path
    log: Path
    frame: pd.DataFrame


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> TinySource:
    """Eight days of 400 users and 40 items; users like one genre, items have one or two."""
    folder = tmp_path_factory.mktemp("tiny")
    rng = np.random.default_rng(0)
    rows = 6000
    user, item = rng.integers(0, 400, rows), rng.integers(0, 40, rows)
    at = np.sort(rng.integers(0, 8 * DAY, rows)) + 15_000 * DAY
    likes = rng.random(rows) < np.where(user % 4 == item % 4, 0.8, 0.3) * np.where(item < 10, 1.2, 0.9)
    kinds = [f"g{i % 4}|g{i % 7}" for i in item]
    frame = pd.DataFrame({"who": user, "what": item, "when": at, "liked": likes.astype(int), "kinds": kinds})
    frame = frame.drop_duplicates(["who", "what", "when"])
    description, log = folder / "tiny.toml", folder / "tiny.parquet"
    description.write_text(DESCRIPTION)
    frame.to_parquet(log, index=False)
    return TinySource(description, log, frame)


@pytest.fixture(scope="session")
def prefect_server() -> Iterator[None]:
    """One throw-away Prefect server; flows without the heartbeat that costs a second per run."""
    from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings
    from prefect.testing.utilities import prefect_test_harness

    with (
        prefect_test_harness(server_startup_timeout=120),
        temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}),
    ):
        yield


def pytest_configure(config: pytest.Config) -> None:
    """Tests that import DuckDB and never connect end as quietly as those that do."""
    end_quietly()
