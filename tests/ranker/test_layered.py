"""Layers answer what one piece would, whatever is done to them; sums and index do not see how rows are held."""

import numpy as np
import pytest

from components.ranker.key_index import KeyIndex, index_of
from components.ranker.layered import Layered
from components.ranker.row_sums import base_sums, row_sums

WIDTH = 3


def on_base(block: np.ndarray) -> Layered[np.float32]:
    return Layered(block.copy(), np.empty(0, np.int64), np.empty((0, WIDTH), np.float32))


@pytest.mark.parametrize("seed", range(20))
def test_whatever_is_done_to_layers_they_hold_what_one_piece_would_hold(seed: int) -> None:
    rng = np.random.default_rng(seed)
    whole = rng.normal(size=(rng.integers(1, 30), WIDTH)).astype(np.float32)
    base = whole.copy()
    layers = on_base(whole)
    left_behind = []
    for _ in range(30):
        rows = rng.integers(0, len(whole), rng.integers(0, 6))
        what = rng.integers(0, 4)
        if what == 0:
            distinct = np.unique(rows)
            values = rng.normal(size=(len(distinct), WIDTH)).astype(np.float32)
            whole[distinct] = values
            layers.put(distinct, values)
        elif what == 1:
            whole[rows] = 7
            layers.put(rows, 7)
        elif what == 2:
            more = len(whole) + int(rng.integers(0, 5))
            whole = np.concatenate([whole, np.zeros((more - len(whole), WIDTH), np.float32)])
            layers.resize(more)
        else:
            left_behind.append((layers, whole.copy()))
            layers = layers.copy()
        assert layers.take(rows).tobytes() == whole[rows].tobytes()
        assert layers.column(1).tobytes() == whole[:, 1].tobytes()
        stretch = slice(int(rng.integers(0, len(whole))), int(rng.integers(0, 2 * len(whole) + 1)))
        assert layers.column(2, stretch).tobytes() == whole[stretch, 2].tobytes()
    left_behind.append((layers, whole))
    for one, expected in left_behind:
        assert one.rows == len(expected) and one.take(np.arange(one.rows)).tobytes() == expected.tobytes()
        outside = np.setdiff1d(np.arange(one.rows), one.changed)
        assert expected[outside].tobytes() == base[outside].tobytes()
        assert row_sums(one, 2).tolist() == row_sums(Layered.whole(expected.copy()), 2).tolist()
    assert layers.base.tobytes() == base.tobytes()
    assert layers.block().tobytes() == whole.tobytes() and not len(layers.base)


def test_sums_tell_a_changed_bit_a_swap_and_a_row_more_apart_and_leave_out_what_does_not_predict() -> None:
    block = np.random.default_rng(0).normal(size=(50, WIDTH)).astype(np.float32)
    known = row_sums(on_base(block), 2, base_sums(block, 2)).tolist()
    bit, swapped, beside = block.copy(), block.copy(), block.copy()
    bit.view(np.uint32)[17, 1] ^= 1
    swapped[[3, 4]] = swapped[[4, 3]]
    beside[:, 2] = 9
    longer = np.concatenate([block, np.zeros((1, WIDTH), np.float32)])
    told = [row_sums(Layered.whole(other), 2).tolist() for other in (bit, swapped, longer, beside)]
    assert [one == known for one in told] == [False, False, False, True]


def test_many_rows_are_summed_piece_by_piece_as_in_one() -> None:
    block = np.arange(2 * 140_000, dtype=np.float32).reshape(-1, 2)
    layers = Layered(block.copy(), np.empty(0, np.int64), np.empty((0, 2), np.float32))
    layers.put(np.arange(0, 140_000), 1.5)
    assert row_sums(layers, 2).tolist() == row_sums(Layered.whole(np.full_like(block, 1.5)), 2).tolist()


@pytest.mark.parametrize("seed", range(10))
def test_an_index_on_a_base_knows_who_came_who_left_and_who_came_back(seed: int) -> None:
    rng = np.random.default_rng(seed)
    keys = np.append(np.uint64(0), rng.integers(1, 2**63, 200, dtype=np.uint64) << np.uint64(seed % 2 * 20))
    keys = np.append(keys[:1], np.unique(keys[1:][keys[1:] > 0]))
    keys[5] = 0  # a row that was free when the base was written
    index = KeyIndex(keys, index_of(keys))
    truth = {int(k): row for row, k in enumerate(keys) if k}
    strangers = rng.integers(1, 2**20, 50, dtype=np.uint64)
    for step in range(20):
        live = np.array(list(truth), np.uint64)
        gone = rng.choice(live, 9, replace=False)
        index.drop(gone)
        for key in gone.tolist():
            del truth[key]
        back = gone[: step % 9]
        new = np.setdiff1d(rng.integers(2**40, 2**41, 3, dtype=np.uint64), np.array(list(truth), np.uint64))
        for comers in (back, new):
            rows = rng.integers(300, 10**6, len(comers))
            index.place(comers, rows)
            truth |= dict(zip(comers.tolist(), rows.tolist(), strict=True))
        asked = np.concatenate([keys, new, strangers])
        assert index.find(asked).tolist() == [truth.get(int(k), -1) for k in asked]
        twin = index.copy()
        twin.drop(new)
        assert (index.find(new) >= 0).all() and (twin.find(new) == -1).all()
