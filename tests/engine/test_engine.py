"""Where an update is made is a setting, and nothing that a generation tells."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import pytest

import flows.engine
from components.domain import ContractBroken
from components.engine import EngineSettings
from flows.engine.update import FOLDER
from flows.replay.periods import ingest_period
from flows.stages.drift import measure_drift
from flows.stages.memory import refresh_memory
from flows.stages.read import read
from flows.stages.results import Challenger, Champion, DriftFound, TurnData
from flows.stages.update import update
from flows.stages.validate import validate
from flows.turn import Turn, open_turn
from flows.workspace import Workspace
from tests.conftest import TinySource
from tests.loop.test_leak import TURN, played_before
from tests.update.shard import workers

SHARED = EngineSettings(name="ray", workers=2, shard_examples=1)


@dataclass(frozen=True)
class Opened:
    """A turn up to its update."""

    turn: Turn
    drift: DriftFound
    data: TurnData
    champion: Champion

    def challenger(self, engine: EngineSettings, first: bool = False) -> Challenger:
        """What is learned on an engine; `first`: where there is no champion yet."""
        turn = replace(self.turn, settings=self.turn.settings.model_copy(update={"engine": engine}))
        made = update(turn, self.drift, self.data, None if first else self.champion)
        assert isinstance(made, Challenger)
        return made


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, tiny: TinySource) -> Opened:
    workspace = Workspace(tmp_path_factory.mktemp("engine") / "home")
    recorded = played_before(TURN, workspace, tiny)
    ingest_period(workspace, recorded, TURN)
    with workspace.held():
        turn = open_turn(workspace, recorded.cutoff(TURN), keep=False)
        validate(turn, None)
        data = read(turn)
        drift, champion = measure_drift(turn, data), refresh_memory(turn, data)
    assert champion is not None
    return Opened(turn, drift, data, champion)


def on(share: object, patch: pytest.MonkeyPatch) -> None:
    """Instead of a cluster, whatever `share` is."""
    patch.setattr(flows.engine, "ray_cluster", SimpleNamespace(share=share), raising=False)


@pytest.mark.parametrize("first", [False, True])
def test_a_shared_update_makes_the_challenger_that_a_local_one_makes(
    opened: Opened, first: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    shared_out: list[Path] = []
    on(lambda folder, engine: (workers.run(folder), shared_out.append(folder)), monkeypatch)
    here, shared = opened.challenger(EngineSettings(), first), opened.challenger(SHARED, first)
    assert len(shared_out) == 1
    assert here.checkpoint.model.digest() == shared.checkpoint.model.digest()
    assert here.memory.digest() == shared.memory.digest()
    assert here.update.train_after == shared.update.train_after
    assert here.update.grown == shared.update.grown and len(here.update.admitted) == len(shared.update.admitted)
    assert not (opened.turn.folder / FOLDER).exists()


def test_what_is_small_stays_here_on_any_engine(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(folder: Path, engine: EngineSettings) -> None:
        raise AssertionError("a small update was shared")

    on(never, monkeypatch)
    opened.challenger(EngineSettings(name="ray"))
    opened.challenger(EngineSettings(shard_examples=1))


def test_workers_that_leave_no_whole_part_make_no_challenger(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    on(lambda folder, engine: None, monkeypatch)
    with pytest.raises(ContractBroken, match="did not come to its end"):
        opened.challenger(SHARED)
    assert not (opened.turn.folder / FOLDER).exists()


def test_an_engine_that_is_not_installed_is_named(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    monkeypatch.delitem(sys.modules, "flows.engine.ray_cluster", raising=False)
    monkeypatch.delattr(flows.engine, "ray_cluster", raising=False)
    with pytest.raises(ContractBroken, match=r"ray is not installed; install evercurrent\[ray\], or set it to 'local'"):
        opened.challenger(SHARED)
