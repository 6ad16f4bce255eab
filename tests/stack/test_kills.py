"""Processes that die where it hurts: the next run finishes the same turn with the same result, and nothing is stuck."""

import shutil
from pathlib import Path

import pytest

from components.domain import instant_of
from flows.daily_loop import daily_loop
from flows.lock_holder import lock_holder
from flows.provision import WAREHOUSE
from flows.stack.record import Role
from tests.loop.test_loop import day
from tests.stack.conftest import Raised, kill, until
from tests.stack.held_points import HALF, STAGES
from warehouse import ledger
from warehouse.connect import Warehouse

LOOP = "tests/stack/held_loop.py:held_loop"


@pytest.fixture(scope="module")
def killed(raised: Raised) -> Raised:
    """The stack, with a loop that can be made to stand still, over a home as it was after its first generation."""
    raised.reset()
    raised.deploy_like("daily-loop/daily-loop", LOOP)
    return raised


def hold(raised: Raised, stage: str, cutoff: int) -> tuple[object, Path]:
    """Ask for a turn that stands still after a stage, and wait until it does."""
    for name in ("hold", "held"):
        (raised.home / name).unlink(missing_ok=True)
    (raised.home / "hold").write_text(stage)
    run = raised.run(LOOP, cutoff=day(cutoff).isoformat())
    until(lambda: (raised.home / "held").exists() or raised.read(run).state.is_final())  # type: ignore[union-attr]
    assert (raised.home / "held").exists(), raised.read(run).state
    return run, raised.home / "hold"


@pytest.mark.parametrize(
    "stages",
    [
        pytest.param(("update", HALF), id="some"),
        pytest.param((*STAGES[:-1], HALF), id="every", marks=pytest.mark.long),
    ],
)
def test_killed_after_stage_upon_stage_the_turn_is_finished_with_the_same_result(
    killed: Raised, tmp_path: Path, stages: tuple[str, ...]
) -> None:
    """One turn, killed with its worker after each stage in turn; every run resumes what the one before it left."""
    copy = tmp_path / "undisturbed"
    shutil.copytree(killed.base, copy)
    undisturbed = daily_loop(str(copy), day(5))
    for stage in stages:
        run, _ = hold(killed, stage, 5)
        killed.kill_worker()
        assert lock_holder(killed.workspace.lock) is None, "the kernel gives the lock back"
        killed.up()
        ended = killed.read(run).state  # type: ignore[arg-type]
        assert ended and ended.is_crashed() and "its process is gone" in str(ended.message), stage
    (killed.home / "hold").unlink()
    last = killed.ended(killed.run(LOOP, cutoff=day(5).isoformat()))
    assert last.state and last.state.is_completed(), last.state
    w = Warehouse(killed.home / "warehouse.duckdb", "tiny")
    record = ledger.finished_turn(w, instant_of(day(5)))
    assert record is not None and undisturbed.digest in record
    assert [g.generation for g in ledger.generations(w)] == [1, 2], "no number was used twice, none left out"
    assert sorted(path.name for path in (killed.home / "bundles").iterdir()) == ["g000001", "g000002"]
    assert len(ledger.windows(w, 0, 1 << 60)) == 2
    assert not list(killed.home.rglob("*.part"))
    kept = ledger.releases(w)
    assert [r.kind for r in kept] == [r.kind for r in ledger.releases(Warehouse(copy / "warehouse.duckdb", "tiny"))]


@pytest.mark.long
def test_killed_after_the_last_stage_the_turn_is_done_and_the_next_run_says_so(killed: Raised) -> None:
    run, held = hold(killed, "close_turn", 6)
    killed.kill_worker()
    killed.up()
    held.unlink()
    again = killed.ended(killed.run(LOOP, cutoff=day(6).isoformat()))
    assert again.state and again.state.is_completed()
    assert killed.read(run).state.is_crashed()  # type: ignore[arg-type, union-attr]


def test_after_a_power_cut_the_next_run_starts_at_once(killed: Raised) -> None:
    """Server, worker, service and run are gone together; what held the slots stands on the disk."""
    run, held = hold(killed, "validate", 7)
    parts = [process for part in killed.stack.parts if (process := part.process())]
    kill([*(child for process in parts for child in process.children(recursive=True)), *parts])
    again = killed.up()
    assert again.started == frozenset(Role)
    assert killed.read(run).state.is_crashed()  # type: ignore[arg-type, union-attr]
    held.unlink()
    ended = killed.ended(killed.run(LOOP, cutoff=day(7).isoformat()))
    assert ended.state and ended.state.is_completed(), ended.state
    assert ended.start_time is not None and ended.expected_start_time is not None
    waited = (ended.start_time - ended.expected_start_time).total_seconds()
    assert waited < 60, "no slot was taken by the dead"
    assert killed.ask(lambda client: client.read_global_concurrency_limit_by_name(WAREHOUSE)).active_slots == 0
