"""Several workers with a part of the table each come to what one process comes to."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from components.domain import DAY, ContractBroken, Matured
from components.ranker.settings import RankerSettings
from components.update.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from components.update.place import CHUNK
from components.update.settings import UpdateSettings
from components.update.shard.files import Asked, ask, put_together
from components.update.shard.work import check_shardable
from components.update.train import Update, begin, pretrain
from components.update.warm_start import warm_start
from tests.ranker.windows import SPEC, window
from tests.update.shard import workers
from tests.update.test_warm_start import assert_same, graded

RANKER = RankerSettings(embedding_size=4, hidden_sizes=(8, 4))
UPDATE = UpdateSettings(batch_size=64, max_epochs=2, ttl_days=5.0, floor_rows=20, admission_count=2)
LARGE = UPDATE.model_copy(update={"batch_size": 2 * CHUNK + 300})
"""Batches of three chunks, and shorter ones at the end of a pass."""


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


def assert_same_figures(a: Update, b: Update) -> None:
    for name in ("grown", "rows", "replayed", "examples_processed", "diverged"):
        assert getattr(a, name) == getattr(b, name), name
    for ids in ("admitted", "expired"):
        for part in ("field", "keys", "last"):
            assert getattr(getattr(a, ids), part).tolist() == getattr(getattr(b, ids), part).tolist(), (ids, part)
    for name in ("train_before", "train_after", "holdout_before", "holdout_after"):
        assert getattr(a, name) == pytest.approx(getattr(b, name), abs=0, nan_ok=True), name
    assert a.curve.tobytes() == b.curve.tobytes()


def zipf(data: Matured, ids: int = 60) -> Matured:
    """With a few users and items that are nearly everywhere."""
    rng = np.random.default_rng(len(data))
    keys = data.examples.keys.copy()
    for column in range(2):
        keys[:, column] = keys[:, column].min() + (rng.zipf(1.2, len(keys)) - 1) % np.uint64(ids)
    return replace(data, examples=replace(data.examples, keys=keys))


def test_any_number_of_workers_comes_to_the_same_bits_day_after_day(parent: Checkpoint, tmp_path: Path) -> None:
    """Ids come, wait, go and come back, the number of workers changes, and what one number wrote another reads."""
    on = back = parent
    for start, first_id, several in ((3, 10, 2), (20, 60, 4), (30, 0, 1)):
        fresh = zipf(graded(window(start, rows=5_000, first_id=first_id), start))
        here = warm_start(on, fresh, window(0), (start + 3) * DAY, LARGE, 1)
        made = sharded(tmp_path / str(start), several, back, fresh, window(0), (start + 3) * DAY, LARGE)
        assert_same_figures(here, made)
        assert here.checkpoint.model.digest() == made.checkpoint.model.digest()
        assert_same(here.checkpoint, made.checkpoint)
        save_checkpoint(made.checkpoint, tmp_path / "kept")
        on, back = here.checkpoint, load_checkpoint(tmp_path / "kept")


@pytest.mark.parametrize(("several", "renewed"), [(2, True), (4, False)])
def test_a_first_generation_is_the_same_bits_wherever_it_is_trained(
    several: int, renewed: bool, tmp_path: Path
) -> None:
    """Passes until the loss rises, from a table that is fresh each time and from one that is not."""
    data = zipf(graded(window(0, rows=4_000), 1))
    changes = {"max_epochs": 3, "renew_table": renewed, "reloop_alpha": 0.3, "admission_count": 30}
    settings = LARGE.model_copy(update=changes)
    here, begun = pretrain(SPEC, data, RANKER, settings, 7), begin(SPEC, data, RANKER, settings, 7)
    asked = Asked(cutoff=0, seed=7, workers=several, settings=settings, first=True)
    check_shardable(asked)
    ask(tmp_path, asked, begun.checkpoint, begun.data, None)
    workers.run(tmp_path)
    made = begun.told(put_together(tmp_path, begun.checkpoint, several))
    assert_same_figures(here, made)
    assert len(here.admitted) and len(here.checkpoint.model.vocabulary.candidates)
    assert here.checkpoint.model.digest() == made.checkpoint.model.digest()
    assert_same(here.checkpoint, made.checkpoint)


def test_a_table_of_hashed_rows_is_shared_as_one_with_a_row_for_each_id(tmp_path: Path) -> None:
    """Two rows a key, and none of them anybody's own."""
    ranker = RANKER.model_copy(update={"table": "double_hashed", "buckets": 97})
    parent = pretrain(SPEC, graded(window(0, rows=1_500)), ranker, UPDATE, 7).checkpoint
    fresh = zipf(graded(window(3, rows=4_000, first_id=10), 3))
    here = warm_start(parent, fresh, window(0), 6 * DAY, LARGE, 1)
    made = sharded(tmp_path, 2, parent, fresh, window(0), 6 * DAY, LARGE)
    assert_same_figures(here, made)
    assert here.checkpoint.model.digest() == made.checkpoint.model.digest()


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
        made = sharded(tmp_path / name, 2, parent, fresh, None, cutoff)
        assert_same_figures(here, made)
        assert_same(here.checkpoint, made.checkpoint)


def test_a_challenger_that_diverged_is_the_parent(parent: Checkpoint, tmp_path: Path) -> None:
    wild = UPDATE.model_copy(update={"table_rate": 300.0, "dense_rate": 3.0})
    made = sharded(tmp_path, 2, parent, window(3), None, 6 * DAY, wild)
    assert made.checkpoint is parent and "diverged" in str(made.diverged)


def test_a_worker_that_is_killed_leaves_no_update_and_the_next_try_makes_it(parent: Checkpoint, tmp_path: Path) -> None:
    fresh, slow = window(3, rows=3_000), UPDATE.model_copy(update={"batch_size": 8, "epochs": 500})
    made = sharded(tmp_path, 2, parent, fresh, None, 6 * DAY)
    ask(tmp_path, Asked(cutoff=6 * DAY, seed=1, workers=2, settings=slow), parent, fresh, None)
    workers.kill_one_at_work(tmp_path)
    with pytest.raises(ContractBroken, match="did not come to its end"):
        put_together(tmp_path, parent, 2)
    again = sharded(tmp_path, 2, parent, fresh, None, 6 * DAY)
    assert_same(made.checkpoint, again.checkpoint)


def test_parts_of_another_number_of_workers_are_refused(parent: Checkpoint, tmp_path: Path) -> None:
    sharded(tmp_path, 2, parent, window(3), None, 6 * DAY)
    with pytest.raises(ContractBroken, match="made by 2 workers; allowed are the 1"):
        put_together(tmp_path, parent, 1)


def test_a_loss_that_needs_the_parent_is_not_sharded() -> None:
    looped = UPDATE.model_copy(update={"reloop_alpha": 0.3})
    with pytest.raises(ContractBroken, match=r"reloop_alpha is 0\.3; a sharded update allows 0"):
        check_shardable(Asked(cutoff=0, seed=0, workers=2, settings=looped))
