"""What a warm start carries, provably, and what it does with strange windows."""

from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from components.domain import DAY, ContractBroken, Examples, Matured
from components.ranker import model, strides
from components.ranker.settings import RankerSettings
from components.ranker.table import initial_rows
from components.update.checkpoint import Checkpoint, load_checkpoint, load_model, save_checkpoint, write_parts
from components.update.learn import log_loss
from components.update.settings import UpdateSettings
from components.update.train import pretrain
from components.update.warm_start import Change, judge, warm_start
from tests.ranker.windows import SPEC, window

RANKER = RankerSettings(architecture="deepfm", embedding_size=4, hidden_sizes=(8, 4), dropout=0.1)
UPDATE = UpdateSettings(batch_size=32, max_epochs=3, ttl_days=5.0, floor_rows=0, admission_count=2)
EVERY = UPDATE.model_copy(update={"admission_count": 1})


@pytest.fixture(scope="module")
def parent() -> Checkpoint:
    return pretrain(SPEC, window(0), RANKER, UPDATE, 7).checkpoint


def state(checkpoint: Checkpoint) -> dict[str, np.ndarray]:
    model, optimizer = checkpoint.model, checkpoint.optimizer
    named = {f"dense.{k}": v.numpy() for k, v in model.dense.state_dict().items()}
    named |= {f"first.{k}": a.numpy() for k, (a, _) in optimizer.moments.items()}
    named |= {f"second.{k}": b.numpy() for k, (_, b) in optimizer.moments.items()}
    for name, seen in (("rows", model.vocabulary.by_row), ("waiting", model.vocabulary.candidates)):
        named |= {f"{name}.{f}": getattr(seen, f) for f in ("keys", "shared", "count", "first", "last")}
    named |= {f"calibration.{k}": a for k, a in model.calibration.state().items()}
    named |= {f"graded_labels.{k}": a for k, a in asdict(model.graded_labels).items()}
    table = model.table.layers.take(np.arange(model.table.rows))
    return named | {"table": table, "steps": np.array(optimizer.steps)}


def assert_same(a: Checkpoint, b: Checkpoint) -> None:
    left, right = state(a), state(b)
    assert left.keys() == right.keys()
    for name in left:
        assert left[name].tobytes() == right[name].tobytes(), name


def graded(data: Matured, seed: int = 0) -> Matured:
    """The same outcomes, with strengths that follow them and some that nobody knows."""
    rng = np.random.default_rng(seed)
    grade = np.round(5 * data.reward + rng.normal(0, 2, len(data))).astype(np.float32)
    grade[::11] = np.nan
    return Matured(data.examples, data.reward, grade)


def none_of(data: Matured) -> Matured:
    return data.take(np.arange(0))


@pytest.mark.parametrize("architecture", ["fm", "deepfm", "dcnv2", "din"])
def test_a_then_b_equals_a_save_load_b_bit_for_bit(architecture: str, tmp_path: Path) -> None:
    ranker = RANKER.model_copy(update={"architecture": architecture})
    on = pretrain(SPEC, window(0), ranker, UPDATE, 7).checkpoint
    save_checkpoint(on, tmp_path)
    back = load_checkpoint(tmp_path)
    assert_same(on, back)
    for start, first_id in ((3, 10), (6, 30), (20, 60), (30, 0)):
        fresh = window(start, first_id=first_id)
        on = warm_start(on, fresh, window(0), (start + 3) * DAY, UPDATE, 1).checkpoint
        back = warm_start(back, fresh, window(0), (start + 3) * DAY, UPDATE, 1).checkpoint
        assert_same(on, back)
        save_checkpoint(back, tmp_path)
        back = load_checkpoint(tmp_path)


def test_scores_of_outcomes_and_calibration_are_carried_bit_for_bit(tmp_path: Path) -> None:
    history = graded(window(0, rows=1_500))
    on = pretrain(SPEC, history, RANKER, UPDATE, 7).checkpoint
    assert not on.model.graded_labels.is_plain and on.model.calibration.weight[1] != 1
    save_checkpoint(on, tmp_path)
    back = load_checkpoint(tmp_path)
    fresh = graded(window(3, first_id=10), 1)
    on, back = (warm_start(c, fresh, history, 6 * DAY, UPDATE, 1).checkpoint for c in (on, back))
    assert_same(on, back)
    assert on.model.predict(fresh.examples).logit.tobytes() == back.model.predict(fresh.examples).logit.tobytes()


def test_a_graded_model_says_probabilities_of_the_reward() -> None:
    history = graded(window(0, rows=6_000))
    made = pretrain(SPEC, history, RANKER.model_copy(update={"dropout": 0.0}), UPDATE, 7).checkpoint
    unseen = graded(window(1, rows=3_000), 2)
    said, raw = made.model.predict(unseen.examples).probability, made.model.predict_raw(unseen.examples).probability
    assert abs(said.mean() - unseen.reward.mean()) < abs(raw.mean() - unseen.reward.mean())
    assert abs(said.mean() - unseen.reward.mean()) < 0.04


def test_a_warm_start_leaves_its_parent_alone(parent: Checkpoint) -> None:
    before = {k: v.copy() for k, v in state(parent).items()}
    warm_start(parent, window(10, first_id=20), window(0), 40 * DAY, UPDATE, 1)
    assert all(before[k].tobytes() == v.tobytes() for k, v in state(parent).items())


def test_no_new_data_is_a_normal_turn(parent: Checkpoint) -> None:
    update = warm_start(parent, none_of(window(0)), None, 3 * DAY, UPDATE, 1)
    assert (update.rows, update.examples_processed, update.grown, update.diverged) == (0, 0, 0, None)
    assert np.isnan(update.holdout_after)
    examples = window(0).examples
    assert update.checkpoint.model.predict(examples).logit.tobytes() == parent.model.predict(examples).logit.tobytes()


def test_ids_that_are_all_new_all_get_rows(parent: Checkpoint) -> None:
    fresh = window(3, first_id=5_000)
    update = warm_start(parent, fresh, None, 6 * DAY, EVERY, 1)
    wanted = np.unique(fresh.examples.keys[:, :2])
    assert np.isin(wanted, update.admitted.keys).all()
    assert (update.checkpoint.model.rows(fresh.examples.keys)[:, :2] > len(SPEC.vocabularies)).all()
    assert update.grown == len(update.admitted) - len(update.expired)


def test_a_returning_id_starts_from_the_same_row_as_the_first_time(parent: Checkpoint) -> None:
    gone = warm_start(parent, none_of(window(0)), None, 60 * DAY, EVERY, 1)
    assert gone.checkpoint.model.vocabulary.admitted == 0 and not gone.checkpoint.model.table.block[4:].any()
    still = EVERY.model_copy(update={"table_rate": 1e-12, "dense_rate": 1e-12})
    back = warm_start(gone.checkpoint, window(58), None, 61 * DAY, still, 1).checkpoint.model
    key = window(58).examples.keys[:1, :1]
    fresh = initial_rows(key[0], 4, RANKER.init_scale, back.seed)[0, :4]
    np.testing.assert_allclose(back.table.block[back.rows(np.repeat(key, 7, 1))[0, 0], :4], fresh, atol=1e-9)


def test_a_row_that_changed_hands_has_no_history(parent: Checkpoint) -> None:
    still = EVERY.model_copy(update={"table_rate": 1e-12, "dense_rate": 1e-12, "holdout_share": 0.0})
    one = window(50, rows=1, first_id=7_000)
    model = warm_start(parent, one, None, 53 * DAY, still, 1).checkpoint.model
    row = model.rows(one.examples.keys)[0, 0]
    assert parent.model.table.history[row] > model.table.history[row]


def test_duplicate_rows_are_learned_and_nothing_breaks(parent: Checkpoint) -> None:
    data = window(3)
    doubled = data.take(np.repeat(np.arange(20), 30))
    update = warm_start(parent, doubled, None, 6 * DAY, EVERY, 1)
    assert update.diverged is None and update.train_after < update.train_before


def test_a_window_of_one_class_moves_towards_it_and_stays_finite(parent: Checkpoint) -> None:
    data = window(3)
    update = warm_start(parent, Matured(data.examples, np.zeros_like(data.reward)), None, 6 * DAY, EVERY, 1)
    assert update.diverged is None and update.holdout_after < update.holdout_before
    assert torch.isfinite(update.checkpoint.model.table.block).all()


def test_a_challenger_that_diverged_is_discarded_with_the_reason(parent: Checkpoint) -> None:
    wild = EVERY.model_copy(update={"table_rate": 300.0, "dense_rate": 3.0})
    update = warm_start(parent, window(3), None, 6 * DAY, wild, 1)
    assert update.checkpoint is parent and update.diverged is not None
    assert "diverged" in str(update.diverged) and update.diverged.figure > update.diverged.limit


@pytest.mark.parametrize(
    ("train", "holdout", "diverged"),
    [
        ([], [], False),
        ([0.0] * 50, [0.0] * 50, False),
        ([-0.1] * 50, [3.0], False),
        ([-0.1] * 50, [0.3, -0.3] * 20, False),
        ([-0.1] * 50, [0.1] * 40, True),
        ([-0.1] * 50, [np.nan] + [-1.0] * 40, True),
        ([9e5, -0.5, 1e6, -0.6], [], True),
        ([np.inf], [], True),
    ],
)
def test_the_guard_acts_on_what_is_sure(train: list[float], holdout: list[float], diverged: bool) -> None:
    changes = [
        Change(np.full(len(rise), 0.6, np.float32), (0.6 + np.array(rise)).astype(np.float32))
        for rise in (train, holdout)
    ]
    assert (judge(changes[0], changes[1], 0.02) is not None) is diverged


def test_the_reloop_loss_changes_what_is_learned_and_still_learns(parent: Checkpoint) -> None:
    fresh = window(3)
    plain = warm_start(parent, fresh, None, 6 * DAY, EVERY, 1)
    looped = warm_start(parent, fresh, None, 6 * DAY, EVERY.model_copy(update={"reloop_alpha": 0.5}), 1)
    assert looped.train_after < looped.train_before and looped.train_after != plain.train_after


def test_replay_keeps_the_old_window_better_than_forgetting(parent: Checkpoint) -> None:
    settings = EVERY.model_copy(update={"epochs": 8, "ttl_days": 99.0, "table_rate": 0.3})
    old, fresh = window(0), window(3)
    turned = Matured(fresh.examples, 1 - fresh.reward)
    alone = warm_start(parent, turned, None, 6 * DAY, settings, 1).checkpoint.model
    replayed = warm_start(parent, turned, old, 6 * DAY, settings, 1).checkpoint.model
    assert log_loss(replayed, old).mean() < log_loss(alone, old).mean()


def test_learning_what_was_held_out_is_one_more_warm_start(parent: Checkpoint) -> None:
    first = warm_start(parent, window(3).take(np.s_[:200]), None, 6 * DAY, EVERY, 1)
    rest = window(3).take(np.s_[200:])
    second = warm_start(first.checkpoint, rest, None, 6 * DAY, EVERY, 2)
    assert second.rows == second.examples_processed == len(rest)


def test_an_optimizer_that_does_not_fit_the_weights_is_refused(parent: Checkpoint, tmp_path: Path) -> None:
    save_checkpoint(parent, tmp_path)
    path = tmp_path / "optimizer.safetensors"
    tensors = load_file(path)
    save_file({k: v for k, v in tensors.items() if k != "first.network.bias"}, path)
    write_parts(tmp_path)
    with pytest.raises(ContractBroken, match=r"first\.network\.bias is absent, allowed is \(\)"):
        load_checkpoint(tmp_path)
    save_file(tensors | {"second.numeric.weight": tensors["second.numeric.weight"][:, :-1].contiguous()}, path)
    write_parts(tmp_path)
    with pytest.raises(ContractBroken, match=r"second\.numeric\.weight is \(1, 4\), allowed is \(1, 5\)"):
        load_checkpoint(tmp_path)


@pytest.mark.parametrize(
    "name",
    [
        "model.json",
        "model.safetensors",
        "candidates.parquet",
        "table.npy",
        "vocabulary.npy",
        "index.npy",
    ],
)
def test_a_missing_or_cut_file_is_one_line(parent: Checkpoint, tmp_path: Path, name: str) -> None:
    save_checkpoint(parent, tmp_path)
    whole = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(ContractBroken) as cut:
        load_model(tmp_path)
    (tmp_path / name).unlink()
    with pytest.raises(ContractBroken) as gone:
        load_model(tmp_path)
    assert all("\n" not in str(error.value) and str(tmp_path) in str(error.value) for error in (cut, gone))


def test_an_empty_pretraining_stretch_is_refused_in_one_line() -> None:
    with pytest.raises(ContractBroken, match="0 examples"):
        pretrain(SPEC, none_of(window(0)), RANKER, UPDATE, 0)


def test_pretraining_does_not_depend_on_the_order_of_the_file() -> None:
    data = window(0)
    at = np.arange(len(data)) * 1_000_000
    data = Matured(Examples(data.examples.keys, data.examples.numeric, at), data.reward)
    mixed = data.take(np.random.default_rng(0).permutation(len(data)))
    assert_same(pretrain(SPEC, data, RANKER, UPDATE, 0).checkpoint, pretrain(SPEC, mixed, RANKER, UPDATE, 0).checkpoint)


def test_the_number_of_threads_changes_nothing_and_is_left_as_it_was(parent: Checkpoint) -> None:
    before = torch.get_num_threads()
    updates = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        updates.append(warm_start(parent, window(3), window(0), 6 * DAY, EVERY, 1))
        assert torch.get_num_threads() == threads
    torch.set_num_threads(before)
    assert_same(updates[0].checkpoint, updates[1].checkpoint)


@pytest.mark.parametrize("alpha", [0.0, 0.3], ids=["plain", "beside its parent"])
def test_where_a_stretch_ends_changes_no_bit_of_an_update(
    parent: Checkpoint, alpha: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are predicted, looked up and counted a stretch at a time, in a big window as in a small one."""
    settings = EVERY.model_copy(update={"reloop_alpha": alpha})
    fresh, replay = graded(window(5, first_id=20)), window(0, rows=90)
    whole = warm_start(parent, fresh, replay, 8 * DAY, settings, 3)
    first = pretrain(SPEC, fresh, RANKER, settings, 7)
    monkeypatch.setattr(strides, "AT_ONCE", 37)
    monkeypatch.setattr(model, "COUNTED_AT_ONCE", 41)
    parts = warm_start(parent, fresh, replay, 8 * DAY, settings, 3)
    assert_same(parts.checkpoint, whole.checkpoint)
    assert parts.curve.tobytes() == whole.curve.tobytes()
    assert (parts.holdout_before, parts.train_after) == (whole.holdout_before, whole.train_after)
    assert len(whole.admitted) > 0 and whole.admitted.keys.tolist() == parts.admitted.keys.tolist()
    assert_same(pretrain(SPEC, fresh, RANKER, settings, 7).checkpoint, first.checkpoint)
