"""A home that a turn can be run on whose verdict is PROMOTE, made once and copied by every test."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from components.domain import SECOND
from flows.daily_loop import daily_loop
from flows.replay.periods import ingest_period, open_recorded, play_after
from flows.workspace import Workspace
from tests.conftest import TinySource

SETTINGS = """
[update]
max_epochs = 2
replay_share = 0.5

[drift]
page = false

[evaluate]
margin = 0.5
minimum_users = 10
"""
"""A margin that nothing can miss: what is tested is what comes after the verdict."""


@dataclass(frozen=True)
class Played:
    """A home with generation 1 and what its users did since: the turn that ends at `cutoff` promotes."""

    home: Path
    first: datetime
    cutoff: datetime

    @property
    def workspace(self) -> Workspace:
        """Its paths."""
        return Workspace(self.home)

    def set(self, table: str) -> "Played":
        """The same home with more in its settings."""
        path = self.home / "evercurrent.toml"
        path.write_text(path.read_text() + table)
        return self


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory, tiny: TinySource, prefect_server: None) -> Played:
    """The home that is copied."""
    home = tmp_path_factory.mktemp("played") / "home"
    home.mkdir()
    (home / "evercurrent.toml").write_text(SETTINGS)
    workspace = Workspace(home)
    recorded = open_recorded(workspace, str(tiny.description), str(tiny.log))
    first, cutoff = (datetime.fromtimestamp(recorded.cutoff(turn) // SECOND, UTC) for turn in (0, 1))
    ingest_period(workspace, recorded, 0)
    daily_loop(str(home), first)
    play_after(workspace, recorded, 0)
    ingest_period(workspace, recorded, 1)
    return Played(home, first, cutoff)


@pytest.fixture
def played(original: Played, tmp_path: Path) -> Played:
    """A copy of one's own."""
    return copied(original, tmp_path / "home")


@pytest.fixture(scope="module")
def copies(original: Played, tmp_path_factory: pytest.TempPathFactory) -> "Callable[[], Played]":
    """Makes copies that outlive a test."""
    return lambda: copied(original, tmp_path_factory.mktemp("copy") / "home")


def copied(original: Played, home: Path) -> Played:
    """The same home elsewhere."""
    shutil.copytree(original.home, home)
    return Played(home, original.first, original.cutoff)
