"""Which memories a turn makes, which of them it holds on to, and what the last one has learned."""

import gc
import weakref
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import cast

import numpy as np
import pytest

from components.domain import Verdict
from components.memory.gain import learn_all
from components.memory.memory import ErrorMemory
from components.publish.snapshot import resumed
from components.serving.served import Served
from components.update.warm_start import warm_start
from flows.replay.periods import ingest_period
from flows.stages import memory as making
from flows.stages.drift import measure_drift
from flows.stages.forget import released
from flows.stages.memory import refresh_memory
from flows.stages.read import read
from flows.stages.results import Challenger, Champion, Judgement, TurnData
from flows.stages.update import learn_held_out, update
from flows.stages.validate import validate
from flows.turn import Turn, open_turn
from flows.workspace import Workspace
from tests.conftest import TinySource
from tests.loop.test_leak import TURN, played_before

PROMOTED = Judgement(Verdict.PROMOTE, ("better",))


@dataclass(frozen=True)
class Opened:
    """A turn up to its verdict; `alive` says of each live memory whether it was there when the blind one was made."""

    turn: Turn
    data: TurnData
    champion: Champion
    challenger: Challenger
    alive: tuple[bool, ...]
    live: tuple["weakref.ref[ErrorMemory]", ...]


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory, tiny: TinySource) -> Opened:
    workspace = Workspace(tmp_path_factory.mktemp("memories") / "home")
    recorded = played_before(TURN, workspace, tiny)
    ingest_period(workspace, recorded, TURN)
    live: list[weakref.ref[ErrorMemory]] = []
    alive: list[bool] = []
    with workspace.held(), pytest.MonkeyPatch.context() as patch:
        turn = open_turn(workspace, recorded.cutoff(TURN), keep=False)
        validate(turn, None)
        data = read(turn)
        patch.setattr(making, "keep", _watched(making.keep, live))
        patch.setattr(making, "_blind", _looking(making._blind, live, alive))
        champion = refresh_memory(turn, data)
        challenger = update(turn, measure_drift(turn, data), data, champion)
    assert champion is not None and isinstance(challenger, Challenger)
    assert data.held.sum() > 50
    return Opened(turn, data, champion, challenger, tuple(alive), tuple(live))


def _watched(
    keep: Callable[[Turn, Served, ErrorMemory], None], live: "list[weakref.ref[ErrorMemory]]"
) -> Callable[[Turn, Served, ErrorMemory], None]:
    def kept(turn: Turn, served: Served, memory: ErrorMemory) -> None:
        keep(turn, served, memory)
        live.append(weakref.ref(memory))

    return kept


def _looking(
    blind: Callable[..., ErrorMemory], live: "list[weakref.ref[ErrorMemory]]", alive: list[bool]
) -> Callable[..., ErrorMemory]:
    def made(*inputs: object) -> ErrorMemory:
        alive.extend(one() is not None for one in live)
        return blind(*inputs)

    return made


def test_the_live_memory_is_gone_before_the_blind_one_is_made_and_no_result_holds_it(opened: Opened) -> None:
    gc.collect()
    assert opened.alive == (False,)
    assert [one() for one in opened.live] == [None]


def test_the_champion_is_read_without_its_memory_which_whoever_asks_it_is_told(opened: Opened) -> None:
    assert opened.data.champion is not None
    with pytest.raises(AttributeError, match="read without its memory, which was asked for compensate"):
        opened.data.champion.appraise(opened.data.fresh.examples)


def test_what_is_told_of_the_live_memory_is_what_its_snapshot_knows(opened: Opened) -> None:
    workspace = opened.turn.workspace
    kept = cast(ErrorMemory, resumed(workspace.root, released(workspace, TURN)).served.memory)
    told, blind = opened.champion.live, cast(ErrorMemory, opened.champion.blind.memory)
    assert (told.generation, told.nbytes, told.trust) == (TURN, kept.nbytes, kept.trust_report())
    assert told.trust.outcomes == len(kept) > len(blind)
    assert told.gain is not None and told.gain.rows == len(opened.data.fresh)


def _learned_first(opened: Opened) -> Challenger:
    """The held-out learned by the memory before the model is trained on them, as the words of it go."""
    turn, data, judged = opened.turn, opened.data, opened.challenger
    memory = judged.memory.copy()
    learn_all(memory, data.fresh.arrived, judged.checkpoint.model.predict, np.flatnonzero(data.held))
    made = warm_start(judged.checkpoint, data.held_out, None, turn.window.cutoff, turn.settings.update, turn.seed)
    memory.rebase(made.checkpoint.model.predict, made.checkpoint.model.digest())
    return replace(judged, checkpoint=made.checkpoint, memory=memory)


def test_held_out_outcomes_are_learned_from_what_the_judged_challenger_said_of_them(opened: Opened) -> None:
    wanted, made = _learned_first(opened), learn_held_out(opened.turn, opened.data, opened.challenger, PROMOTED)
    assert made is not None and made is not opened.challenger
    assert made.memory.digest() == wanted.memory.digest() != opened.challenger.memory.digest()
    assert made.checkpoint.model.digest() == wanted.checkpoint.model.digest()
    assert len(made.memory) - len(opened.challenger.memory) == opened.data.held.sum()


def test_a_stage_that_is_tried_again_learns_nothing_twice_and_leaves_blind_and_judged_as_they_were(
    opened: Opened,
) -> None:
    def left() -> tuple[str, str, str]:
        blind, judged = cast(ErrorMemory, opened.champion.blind.memory), opened.challenger
        return blind.digest(), judged.memory.digest(), judged.checkpoint.model.digest()

    before = left()
    first, second = (learn_held_out(opened.turn, opened.data, opened.challenger, PROMOTED) for _ in range(2))
    assert first is not None and second is not None
    assert first.memory.digest() == second.memory.digest()
    assert first.checkpoint.model.digest() == second.checkpoint.model.digest()
    assert left() == before
