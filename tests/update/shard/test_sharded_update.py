"""Several workers with a part of the table each come to what one process comes to."""

from pathlib import Path

import numpy as np
import pytest

from components.domain import DAY, ContractBroken, Matured
from components.ranker.settings import RankerSettings
from components.update.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from components.update.settings import UpdateSettings
from components.update.shard.files import Asked, ask, put_together
from components.update.shard.work import check_shardable
from components.update.train import Update, pretrain
from components.update.warm_start import warm_start
from tests.ranker.windows import SPEC, window
from tests.update.shard import workers
from tests.update.test_warm_start import assert_same, graded, state

RANKER = RankerSettings(embedding_size=4, hidden_sizes=(8, 4))
UPDATE = UpdateSettings(batch_size=64, max_epochs=2, ttl_days=5.0, floor_rows=20, admission_count=2)
NEAR = 1e-5
COUNTS = ("rows.", "waiting.", "graded_labels.", "steps")


@pytest.fixture(scope="module")
def parent() -> Checkpoint:
    return pretrain(SPEC, graded(window(0, rows=1_500)), RANKER, UPDATE, 7).checkpoint


def sharded(
    folder: Path,
    count: int,
    parent: Checkpoint,
    fresh: Matured,
    replay: Matured | None,
    cutoff: int,
    settings: UpdateSettings = UPDATE,
) -> Update:
    """What `count` workers make of it."""
    ask(folder, Asked(cutoff=cutoff, seed=1, workers=count, settings=settings), parent, fresh, replay)
    workers.run(folder)
    return put_together(folder, parent, count)


def assert_near(a: Checkpoint, b: Checkpoint) -> None:
    """Counts and ids alike, weights to `NEAR`."""
    left, right = state(a), state(b)
    assert left.keys() == right.keys()
    for name in left:
        if name.startswith(COUNTS):
            assert left[name].tobytes() == right[name].tobytes(), name
        else:
            assert np.abs(left[name] - right[name]).max(initial=0) <= NEAR, name


def assert_same_figures(a: Update, b: Update) -> None:
    for name in ("grown", "rows", "replayed", "examples_processed", "diverged"):
        assert getattr(a, name) == getattr(b, name), name
    for ids in ("admitted", "expired"):
        for part in ("field", "keys", "last"):
            assert getattr(getattr(a, ids), part).tolist() == getattr(getattr(b, ids), part).tolist(), (ids, part)
    for name in ("train_before", "train_after", "holdout_before", "holdout_after"):
        assert getattr(a, name) == pytest.approx(getattr(b, name), abs=1e-5, nan_ok=True), name
    np.testing.assert_allclose(a.curve, b.curve, atol=1e-5)


def test_one_worker_comes_to_the_same_bits(parent: Checkpoint, tmp_path: Path) -> None:
    fresh = graded(window(3, rows=900, first_id=10), 1)
    here = warm_start(parent, fresh, window(0), 6 * DAY, UPDATE, 1)
    made = sharded(tmp_path, 1, parent, fresh, window(0), 6 * DAY)
    assert_same(here.checkpoint, made.checkpoint)
    assert_same_figures(here, made)
    assert here.curve.tobytes() == made.curve.tobytes()
    assert here.checkpoint.model.digest() == made.checkpoint.model.digest()


@pytest.mark.parametrize("count", [2, 3])
def test_several_workers_come_to_the_same_weights_day_after_day(
    parent: Checkpoint, count: int, tmp_path: Path
) -> None:
    """Ids come, wait, go and come back, the number of workers changes, and what one number wrote another reads."""
    on = back = parent
    days = ((3, 10, count), (6, 30, 1), (20, 60, count), (30, 0, 5 - count))
    for start, first_id, several in days:
        fresh = graded(window(start, rows=700, first_id=first_id), start)
        here = warm_start(on, fresh, window(0), (start + 3) * DAY, UPDATE, 1)
        made = sharded(tmp_path / str(start), several, back, fresh, window(0), (start + 3) * DAY)
        assert_same_figures(here, made)
        assert_near(here.checkpoint, made.checkpoint)
        save_checkpoint(made.checkpoint, tmp_path / "kept")
        on, back = here.checkpoint, load_checkpoint(tmp_path / "kept")


def test_strange_windows(parent: Checkpoint, tmp_path: Path) -> None:
    """Fewer examples than workers, nothing to replay, one row of all, everything new and everything gone."""
    windows = {
        "few": window(3, rows=2),
        "same": window(3).take(np.zeros(100, np.int64)),
        "new": window(300, first_id=5_000),
    }
    for name, fresh in windows.items():
        cutoff = int(fresh.examples.at.max()) + 1
        here = warm_start(parent, fresh, None, cutoff, UPDATE, 1)
        made = sharded(tmp_path / name, 3, parent, fresh, None, cutoff)
        assert_same_figures(here, made)
        assert_near(here.checkpoint, made.checkpoint)


def test_a_challenger_that_diverged_is_the_parent(parent: Checkpoint, tmp_path: Path) -> None:
    wild = UPDATE.model_copy(update={"table_rate": 300.0, "dense_rate": 3.0})
    made = sharded(tmp_path, 2, parent, window(3), None, 6 * DAY, wild)
    assert made.checkpoint is parent and "diverged" in str(made.diverged)


def test_a_worker_that_is_killed_leaves_no_update_and_the_next_try_makes_it(
    parent: Checkpoint, tmp_path: Path
) -> None:
    fresh = window(3, rows=3_000)
    small = UPDATE.model_copy(update={"batch_size": 8, "epochs": 50})
    ask(tmp_path, Asked(cutoff=6 * DAY, seed=1, workers=2, settings=small), parent, fresh, None)
    first, second = workers.start(tmp_path, 2)
    with pytest.raises(Exception, match="timed out"):
        first.wait(4)
    second.kill()
    assert first.wait(workers.PATIENCE) != 0
    for worker in (first, second):
        worker.communicate()
    with pytest.raises(ContractBroken, match="did not come to its end"):
        put_together(tmp_path, parent, 2)
    made = sharded(tmp_path, 2, parent, fresh, None, 6 * DAY)
    assert_near(warm_start(parent, fresh, None, 6 * DAY, UPDATE, 1).checkpoint, made.checkpoint)


def test_parts_of_another_number_of_workers_are_refused(parent: Checkpoint, tmp_path: Path) -> None:
    sharded(tmp_path, 2, parent, window(3), None, 6 * DAY)
    with pytest.raises(ContractBroken, match="made by 2 workers; allowed are the 1"):
        put_together(tmp_path, parent, 1)


def test_a_loss_that_needs_the_parent_is_not_sharded() -> None:
    looped = UPDATE.model_copy(update={"reloop_alpha": 0.3})
    with pytest.raises(ContractBroken, match="reloop_alpha is 0.3; a sharded update allows 0"):
        check_shardable(Asked(cutoff=0, seed=0, workers=2, settings=looped))
