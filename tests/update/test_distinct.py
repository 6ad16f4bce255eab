"""Distinct values are those that a sort finds, by where they first stand."""

import numpy as np
import pytest

from components.update.distinct import Distinct


@pytest.mark.parametrize("seed", range(12))
def test_first_and_where_give_back_every_value(seed: int) -> None:
    """None, one, all alike, all different, nought, and values whose hashes share their first bits."""
    rng = np.random.default_rng(seed)
    values = rng.integers(-3, 1 << int(rng.integers(1, 62)), int(rng.integers(0, 400)))
    values = np.append(values, values[::-1]) << int(rng.integers(0, 2))
    found = Distinct.of(values)
    assert values[found.first][found.where].tolist() == values.tolist()
    assert sorted(values[found.first].tolist()) == np.unique(values).tolist()
    assert (np.diff(found.first) > 0).all()


def test_keys_and_what_is_not_in_one_piece() -> None:
    keys = np.arange(12, dtype=np.uint64).reshape(6, 2) // np.uint64(4) << np.uint64(62)
    found = Distinct.of(keys[:, 1])
    assert found.first.tolist() == [0, 2, 4] and found.where.tolist() == [0, 0, 1, 1, 2, 2]
    assert not len(Distinct.of(keys[:0, 0]).first)
