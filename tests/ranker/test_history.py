"""The history of a user is what was known then, no more."""

import numpy as np
import pytest

from components.domain import Examples, Matured
from components.ranker.history import recent_items, with_history
from tests.ranker.windows import SPEC, window


def log(users: list[int], items: list[int], at: list[int]) -> Examples:
    keys = np.stack([np.array(users), np.array(items)], 1).astype(np.uint64)
    return Examples(keys, np.empty((len(users), 0), np.float32), np.array(at))


def test_it_equals_a_loop_over_the_log() -> None:
    rng = np.random.default_rng(0)
    n, width, delay = 400, 3, 5
    data = log(rng.integers(1, 9, n).tolist(), rng.integers(1, 99, n).tolist(), rng.permutation(n).tolist())
    reward = rng.integers(0, 2, n).astype(np.float32)
    found = recent_items(Matured(data, reward), data, width, delay)
    for i in range(n):
        known = [
            (data.at[j], data.keys[j, 1])
            for j in range(n)
            if reward[j] and data.keys[j, 0] == data.keys[i, 0] and data.at[j] <= data.at[i] - delay
        ]
        wanted = [item for _, item in sorted(known, reverse=True)[:width]]
        assert found[i].tolist() == wanted + [0] * (width - len(wanted))


def test_an_empty_past_is_an_empty_history() -> None:
    nobody = Matured(log([], [], []), np.empty(0, np.float32))
    assert recent_items(nobody, log([1, 2], [3, 4], [5, 6]), 2).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize(("delay", "seen"), [(1, 8), (10, 8), (11, 0)])
def test_an_outcome_that_is_not_known_yet_is_not_history(delay: int, seen: int) -> None:
    past = Matured(log([1], [8], [100]), np.ones(1, np.float32))
    assert recent_items(past, log([1], [9], [110]), 1, delay).tolist() == [[seen]]


def test_the_columns_of_recent_are_filled_and_the_rest_is_left_alone() -> None:
    data = window(0)
    filled = with_history(SPEC, data, data.examples)
    columns = SPEC.columns["recent"]
    others = [c for c in range(SPEC.key_columns) if not columns.start <= c < columns.stop]
    np.testing.assert_array_equal(filled.keys[:, others], data.examples.keys[:, others])
    assert (filled.keys[:, columns] > 0).any() and np.isin(
        filled.keys[:, columns], [0, *data.examples.keys[:, 1]]
    ).all()
