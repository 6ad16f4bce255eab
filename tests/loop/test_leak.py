"""Nothing held out reaches a challenger: flip every held-out outcome of a window, and only what may move moves."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import pandas as pd
import pytest

from components.memory.memory import ErrorMemory
from components.publish.snapshot import read_snapshot
from components.update.checkpoint import save_checkpoint
from components.whole_file import digest_of
from flows.drill.drilled_turn import drilled_turn
from flows.replay.periods import ingest_period, open_recorded, play_after
from flows.replay.recorded import Recorded
from flows.stages.drift import measure_drift
from flows.stages.evaluate import evaluate
from flows.stages.memory import refresh_memory
from flows.stages.read import read
from flows.stages.results import Challenger, Champion, Judgement, TurnData
from flows.stages.update import update
from flows.stages.validate import validate
from flows.turn import open_turn
from flows.workspace import Workspace
from tests.conftest import TinySource

SETTINGS = """
[update]
max_epochs = 1
replay_share = 0.5

[drift]
page = false

[evaluate]
minimum_users = 20
minimum_ess = 10
margin = 0.5
"""
TURN = 2
"""The turn whose outcomes are flipped: its champion has a parent."""


@dataclass(frozen=True)
class Judged:
    """One turn up to its verdict."""

    workspace: Workspace
    data: TurnData
    champion: Champion
    challenger: Challenger
    judgement: Judgement


def judged(workspace: Workspace, cutoff: int) -> Judged:
    """The stages of a turn up to the verdict, by their public functions."""
    with workspace.held():
        turn = open_turn(workspace, cutoff)
        validate(turn, None)
        data = read(turn)
        drift, champion = measure_drift(turn, data), refresh_memory(turn, data)
        challenger = update(turn, drift, data, champion)
        assert champion is not None and isinstance(challenger, Challenger)
        judgement = evaluate(turn, data, champion, challenger)
        return Judged(workspace, data, champion, challenger, judgement)


def flip(workspace: Workspace, recorded: Recorded, wanted: set[str]) -> int:
    """Turn the wanted outcomes of the window over in its log, before it is ingested; how many those are."""
    path = workspace.replayed(recorded.cutoff(TURN - 1)) / "outcomes.parquet"
    outcomes, impressions = pd.read_parquet(path), pd.read_parquet(path.with_name("impressions.parquet"))
    of_wanted = impressions["impression_id"][impressions["request_id"].isin(wanted)]
    flipped = outcomes["impression_id"].isin(of_wanted)
    outcomes.loc[flipped, "reward"] = 1 - outcomes.loc[flipped, "reward"]
    outcomes.to_parquet(path, index=False)
    return int(flipped.sum())


def played_before(last: int, workspace: Workspace, tiny: TinySource) -> Recorded:
    """A home in which the turns before the `last` one are done; its log."""
    workspace.root.mkdir()
    workspace.settings.write_text(SETTINGS)
    recorded = open_recorded(workspace, str(tiny.description), str(tiny.log))
    for turn in range(last):
        ingest_period(workspace, recorded, turn)
        drilled_turn(workspace, recorded.cutoff(turn))
        play_after(workspace, recorded, turn)
    return recorded


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory, tiny: TinySource) -> tuple[Judged, Judged]:
    """The same turn twice: as it was, and with every held-out outcome of its window flipped."""
    root = tmp_path_factory.mktemp("leak")
    plain, flipped = Workspace(root / "plain"), Workspace(root / "flipped")
    recorded = played_before(TURN, plain, tiny)
    shutil.copytree(plain.root, flipped.root, ignore=shutil.ignore_patterns(".lock"))
    ingest_period(plain, recorded, TURN)
    first = judged(plain, recorded.cutoff(TURN))
    held = first.data.fresh.take(first.data.held)
    assert flip(flipped, recorded, set(held.request_id.to_pylist())) == len(held) > 50
    ingest_period(flipped, recorded, TURN)
    return first, judged(flipped, recorded.cutoff(TURN))


def test_the_flip_arrived_and_only_held_out_rewards_differ(pair: tuple[Judged, Judged]) -> None:
    before, after = (each.data.fresh for each in pair)
    held = pair[0].data.held
    assert (held == pair[1].data.held).all()
    assert before.request_id.equals(after.request_id)
    assert ((before.reward == after.reward) == ~held).all()


def test_weights_optimizer_and_vocabulary_of_the_challenger_are_the_same_bits(
    pair: tuple[Judged, Judged], tmp_path: Path
) -> None:
    for name, each in zip("ab", pair, strict=True):
        save_checkpoint(each.challenger.checkpoint, tmp_path / name)
    files = sorted(path.name for path in (tmp_path / "a").iterdir())
    assert "optimizer.safetensors" in files and "vocabulary.npy" in files
    assert [digest_of(tmp_path / "a" / name) for name in files] == [digest_of(tmp_path / "b" / name) for name in files]


def test_blind_memory_parent_and_policies_are_the_same_bits_and_the_live_memory_is_not(
    pair: tuple[Judged, Judged],
) -> None:
    a, b = pair

    def memories(each: Judged) -> list[str]:
        assert each.champion.parent is not None
        found = (each.challenger.memory, each.champion.blind.memory, each.champion.parent.memory)
        return [cast(ErrorMemory, memory).digest() for memory in found]

    def live(each: Judged) -> str:
        kept = read_snapshot(each.workspace.root, each.champion.live.generation)
        assert kept is not None
        return kept.digest

    assert memories(a) == memories(b)
    assert a.challenger.policy == b.challenger.policy
    assert live(a) != live(b), "what serves may know everything"


def test_what_the_challenger_would_show_is_the_same_and_what_is_said_of_it_is_not(pair: tuple[Judged, Judged]) -> None:
    a, b = pair
    shown = [pd.read_parquet(max(each.workspace.root.glob("turns/*/target.parquet"))) for each in pair]
    assert len(shown[0]) > 50
    pd.testing.assert_frame_equal(shown[0], shown[1], check_exact=True)
    values = [each.judgement.value.estimate for each in pair]
    assert None not in values and values[0] != values[1]
    found = [each.judgement.evaluation for each in (a, b)]
    weights = [(e.diagnostics.ess, e.diagnostics.largest_weight) for e in found if e is not None]
    assert len(weights) == 2 and weights[0] == weights[1]
