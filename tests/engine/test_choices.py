"""Where it is worked out what generations would have chosen is a setting, and nothing that a verdict tells."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

import flows.engine
from components.coded import Coded
from components.domain import ContractBroken
from components.engine import EngineSettings
from flows.engine import choice_files
from flows.engine.choices import FOLDER, chosen
from flows.stages import choices as pure
from flows.stages import evaluate as stage
from flows.stages.choices import Asked, Choices
from flows.stages.evaluate import evaluate
from flows.stages.held_out import HeldOut
from flows.turn import Turn
from tests.engine.test_engine import Opened, opened

__all__ = ["opened"]

SHARED = EngineSettings(name="ray", shard_entries=1)
TASKS = "import sys; from flows.engine.choice_files import answer; [answer(sys.argv[1], int(k)) for k in sys.argv[2:]]"
Spread = Callable[[str, Callable[[str, int], None], Path, int, EngineSettings], None]


def elsewhere(name: str, work: object, folder: Path, shares: int, engine: EngineSettings) -> None:
    """Every share by a process that knows nothing of this one, the last first, and one of them twice."""
    assert shares > 2
    each = [str(share) for share in (*reversed(range(shares)), 1)]
    subprocess.run([sys.executable, "-c", TASKS, str(folder), *each], check=True, timeout=240)


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three shares or so of what is little."""
    monkeypatch.setattr(choice_files, "ENTRIES", 80)


def on(spread: Spread, patch: pytest.MonkeyPatch) -> None:
    """Instead of a cluster, `spread`."""
    patch.setattr(flows.engine, "ray_tasks", SimpleNamespace(spread=spread), raising=False)


def with_engine(turn: Turn, engine: EngineSettings) -> Turn:
    return replace(turn, settings=turn.settings.model_copy(update={"engine": engine}))


def held_out(opened: Opened) -> HeldOut:
    held, _ = stage._held_out(opened.turn, opened.data)
    assert held is not None and held.asked.entries > 200
    return held


def same(one: dict[str, Choices], other: dict[str, Choices]) -> None:
    assert list(one) == list(other)
    for name, made in one.items():
        np.testing.assert_array_equal(made.probability, other[name].probability, strict=True)
        assert (made.expected is None) == (other[name].expected is None)
        if made.expected is not None and other[name].expected is not None:
            np.testing.assert_array_equal(made.expected, other[name].expected, strict=True)
        assert (made.unrated, made.entries) == (other[name].unrated, other[name].entries)


@pytest.mark.parametrize("entries", [1, 17, 1_000])
def test_where_a_stretch_ends_changes_nothing(opened: Opened, entries: int, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, raters = held_out(opened).asked, stage._raters(opened.turn, opened.champion)
    few = asked.part(3, 40)
    whole = pure.choices(few, opened.data.encoder, raters)
    monkeypatch.setattr(pure, "ENTRIES_AT_ONCE", entries)
    same(whole, pure.choices(few, opened.data.encoder, raters))


def test_shares_by_other_processes_make_what_this_one_makes(
    opened: Opened, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(elsewhere, monkeypatch)
    held = held_out(opened)
    raters = stage._raters(opened.turn, opened.champion) | {"challenger": opened.challenger(EngineSettings()).rater}
    here = chosen(with_engine(opened.turn, EngineSettings(shard_entries=1)), held.asked, opened.data.encoder, raters)
    there = chosen(with_engine(opened.turn, SHARED), held.asked, opened.data.encoder, raters)
    same(here, there)
    assert here["challenger"].expected is not None and here["champion"].expected is None
    assert not (opened.turn.folder / FOLDER).exists()


def test_a_verdict_is_the_same_wherever_it_was_worked_out(
    opened: Opened, small: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    on(elsewhere, monkeypatch)
    challenger = opened.challenger(EngineSettings())
    here = evaluate(opened.turn, opened.data, opened.champion, challenger)
    there = evaluate(with_engine(opened.turn, SHARED), opened.data, opened.champion, challenger)
    assert here.evaluation is not None and there.evaluation is not None
    assert here.evaluation.to_json() == there.evaluation.to_json()


def test_what_is_small_stays_here(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*told: object) -> None:
        raise AssertionError("little was spread")

    on(never, monkeypatch)
    asked, raters = held_out(opened).asked.part(0, 4), stage._raters(opened.turn, opened.champion)
    chosen(with_engine(opened.turn, EngineSettings(name="ray")), asked, opened.data.encoder, raters)


def test_a_share_that_is_missing_is_named(opened: Opened, small: None, monkeypatch: pytest.MonkeyPatch) -> None:
    on(lambda name, work, folder, shares, engine: work(str(folder), 0), monkeypatch)
    asked, raters = held_out(opened).asked, stage._raters(opened.turn, opened.champion)
    with pytest.raises(ContractBroken, match=r"no .*share-1.json: its task did not come to its end"):
        chosen(with_engine(opened.turn, SHARED), asked, opened.data.encoder, raters)


def test_what_users_liked_last_travels_with_their_requests(opened: Opened, tmp_path: Path) -> None:
    asked = held_out(opened).asked.part(0, 3)
    liked = Coded(np.array([[0, 1], [-1, -1], [1, -1]], np.int32), np.array(["a", "b"], object))
    choice_files._write_asked(tmp_path / "share", Asked(asked.requests, liked, asked.shown))
    read = choice_files._read_asked(tmp_path / "share")
    assert read.recent is not None and read.recent.texts().tolist() == [["a", "b"], [None, None], ["b", None]]
    assert read.shown.entry.tolist() == asked.shown.entry.tolist()
    assert read.requests.item.texts().tolist() == asked.requests.item.texts().tolist()
    assert read.requests.context.texts().tolist() == asked.requests.context.texts().tolist()
