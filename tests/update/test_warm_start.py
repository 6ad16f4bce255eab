"""What a warm start carries, provably."""

from pathlib import Path

import numpy as np
import torch

from components.domain import DAY, Examples, FeatureSpec, Field, FieldKind, FieldOf, Matured
from components.ranker.settings import RankerSettings
from components.update.checkpoint import Checkpoint, load_checkpoint, save_checkpoint
from components.update.settings import UpdateSettings
from components.update.train import pretrain
from components.update.warm_start import warm_start

SPEC = FeatureSpec(
    (
        Field("user", FieldKind.ID, FieldOf.USER),
        Field("item", FieldKind.ID, FieldOf.ITEM),
        Field("genre", FieldKind.MULTI, FieldOf.ITEM, 3),
        Field("price", FieldKind.NUMERIC, FieldOf.ITEM, 0),
    )
)
RANKER = RankerSettings(embedding_size=4, hidden_sizes=(8, 4))
UPDATE = UpdateSettings(batch_size=32, max_epochs=3, ttl_days=5.0, floor_rows=0, admission_count=2)


def window(start_day: int, days: int = 3, rows: int = 300, ids: int = 40, first_id: int = 0) -> Matured:
    rng = np.random.default_rng([start_day, rows])
    user = rng.integers(0, ids, rows) + first_id
    item = rng.integers(0, ids, rows) + first_id
    keys = np.zeros((rows, 5), np.uint64)
    keys[:, 0], keys[:, 1] = user + 1_000, item + 2_000
    keys[:, 2:] = np.where(rng.random((rows, 3)) < 0.5, rng.integers(3_000, 3_010, (rows, 3)), 0)
    numeric = rng.normal(size=(rows, 1)).astype(np.float32)
    numeric[::7] = np.nan
    at = np.sort(rng.integers(start_day * DAY, (start_day + days) * DAY, rows))
    reward = ((user + item) % 3 == 0).astype(np.float32)
    return Matured(Examples(keys, numeric, at), reward)


def state(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    model, optimizer = checkpoint.model, checkpoint.optimizer
    named = {f"dense.{k}": v.numpy() for k, v in model.dense.state_dict().items()}
    named |= {f"first.{k}": a.numpy() for k, (a, _) in optimizer.moments.items()}
    named |= {f"second.{k}": b.numpy() for k, (_, b) in optimizer.moments.items()}
    for name, seen in (("rows", model.vocabulary.by_row), ("waiting", model.vocabulary.candidates)):
        named |= {f"{name}.{f}": getattr(seen, f) for f in ("keys", "alphabet", "count", "first", "last")}
    return named | {
        "table": model.table.weight.numpy(),
        "history": model.table.history.numpy(),
        "steps": np.array(optimizer.steps),
    }


def assert_same(a: Checkpoint, b: Checkpoint) -> None:
    left, right = state(a), state(b)
    assert left.keys() == right.keys()
    for name in left:
        assert left[name].tobytes() == right[name].tobytes(), name


def test_a_then_b_equals_a_save_load_b_bit_for_bit(tmp_path: Path) -> None:
    a = pretrain(SPEC, window(0), RANKER, UPDATE, 7).checkpoint
    save_checkpoint(a, tmp_path)
    on, back = a, load_checkpoint(tmp_path)
    assert_same(on, back)
    for start, first_id in ((3, 10), (6, 30), (20, 60), (30, 0)):
        fresh = window(start, first_id=first_id)
        on = warm_start(on, fresh, None, (start + 3) * DAY, UPDATE, 1).checkpoint
        back = warm_start(back, fresh, None, (start + 3) * DAY, UPDATE, 1).checkpoint
        assert_same(on, back)
        save_checkpoint(back, tmp_path)
        back = load_checkpoint(tmp_path)


def test_a_warm_start_leaves_its_parent_alone() -> None:
    a = pretrain(SPEC, window(0), RANKER, UPDATE, 7).checkpoint
    before = {k: v.copy() for k, v in state(a).items()}
    warm_start(a, window(10, first_id=20), window(0), 40 * DAY, UPDATE, 1)
    assert all(before[k].tobytes() == v.tobytes() for k, v in state(a).items())


def test_reading_never_grows_a_table() -> None:
    model = pretrain(SPEC, window(0), RANKER, UPDATE, 7).checkpoint.model
    rows = model.vocabulary.rows
    prediction = model.predict(window(1, first_id=10_000).examples)
    assert model.vocabulary.rows == rows == model.table.rows
    assert torch.isfinite(torch.from_numpy(prediction.logit)).all()
