"""What the replay buffer keeps."""

from pathlib import Path

import numpy as np
import pytest

from components.domain import DAY, ContractBroken, Matured
from components.update.replay_buffer import load_replay, sample, save_replay
from tests.ranker.windows import window


def test_the_sample_does_not_depend_on_order() -> None:
    past = window(0)
    mixed = past.take(np.random.default_rng(1).permutation(len(past)))
    one, other = sample(past, 50, 30.0, 0), sample(mixed, 50, 30.0, 0)
    np.testing.assert_array_equal(one.examples.keys, other.examples.keys)


def test_sampling_in_parts_equals_sampling_at_once() -> None:
    a, b = window(0), window(3)
    both = Matured(type(a.examples).concat([a.examples, b.examples]), np.concatenate([a.reward, b.reward]))
    kept = sample(a, 50, 30.0, 0)
    parts = Matured(type(a.examples).concat([kept.examples, b.examples]), np.concatenate([kept.reward, b.reward]))
    np.testing.assert_array_equal(sample(parts, 50, 30.0, 0).examples.keys, sample(both, 50, 30.0, 0).examples.keys)


def test_more_room_than_rows_keeps_all_and_no_rows_is_no_error() -> None:
    past = window(0)
    assert len(sample(past, 10_000, 30.0, 0)) == len(past)
    assert len(sample(past.take(np.arange(0)), 10, 30.0, 0)) == 0


def test_a_half_life_prefers_the_new_by_the_promised_odds() -> None:
    past = window(0, days=40, rows=20_000)
    young = past.examples.at >= 20 * DAY
    kept = sample(past, 400, 10.0, 0).examples.at >= 20 * DAY
    weight = 2.0 ** (past.examples.at / DAY / 10)
    expected = weight[young].sum() / weight.sum()
    assert abs(kept.mean() - expected) < 4 * (expected * (1 - expected) / 400) ** 0.5
    even = sample(past, 400, float("inf"), 0).examples.at >= 20 * DAY
    assert abs(even.mean() - young.mean()) < 0.1


def test_a_saved_buffer_comes_back_and_a_broken_one_is_one_line(tmp_path: Path) -> None:
    past, path = window(0), tmp_path / "replay.parquet"
    save_replay(past, path)
    back = load_replay(path)
    for a, b in ((past.examples.keys, back.examples.keys), (past.examples.numeric, back.examples.numeric)):
        assert a.tobytes() == b.tobytes()
    assert [p.name for p in tmp_path.iterdir()] == ["replay.parquet"]
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ContractBroken, match="no readable replay buffer at"):
        load_replay(path)
