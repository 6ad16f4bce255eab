"""The history of a user is what was known then, no more."""

import numpy as np
import pytest

from components.domain import Examples, Matured
from components.ranker.history import History, Likes, recent_items, with_history
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


def some_likes(seed: int, start: int, n: int = 200) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    user, item = (rng.integers(0, many, n).astype(str).astype(object) for many in (9, 50))
    return user, item, np.sort(rng.integers(start, start + n // 2, n)), rng.integers(0, 2, n).astype(np.float32)


def rows(likes: Likes) -> list[tuple[str, int, str]]:
    return list(zip(likes.user_id.tolist(), likes.at.tolist(), likes.item_id.tolist(), strict=True))


def test_the_history_kept_while_outcomes_arrive_is_the_one_looked_up_in_the_past() -> None:
    user, item, at, reward = some_likes(0, 0)
    history = History(4, Likes.none())
    data = log(user.astype(int).tolist(), (item.astype(int) + 1).tolist(), np.arange(len(at)).tolist())
    wanted = recent_items(Matured(data, reward), data, 4)
    for i in range(len(at)):
        found = [int(x) + 1 if x is not None else 0 for x in history.recent(user[i : i + 1])[0]]
        assert found == wanted[i].tolist()
        history.learn(*(part[i : i + 1] for part in (user, item, at, reward)))


def test_a_then_b_is_a_carried_over_and_then_b() -> None:
    a, b = some_likes(1, 0), some_likes(2, 90)  # B's first outcomes are of instants A has seen
    whole, first = History(3, Likes.none()), History(3, Likes.none())
    for part in (a, b):
        whole.learn(*part)
    first.learn(*a)
    second = History(3, first.likes())
    second.learn(*b)
    assert rows(second.likes()) == rows(whole.likes())
    assert rows(first.likes()) != rows(whole.likes())


def test_an_outcome_that_comes_late_takes_its_place_in_time() -> None:
    ann, likes = np.array(["ann"], object), np.ones(1, np.float32)
    history = History(2, Likes.none())
    for item, at in (("a", 10), ("c", 30), ("b", 20), ("too old", 5)):
        history.learn(ann, np.array([item], object), np.array([at]), likes)
    assert history.recent(ann).tolist() == [["c", "b"]]


def test_a_copy_learns_for_itself() -> None:
    ann = np.array(["ann"], object)
    history = History(2, Likes(ann, np.array(["a"], object), np.array([1])))
    twin = history.copy()
    twin.learn(ann, np.array(["b"], object), np.array([2]), np.ones(1, np.float32))
    assert history.recent(ann).tolist() == [["a", None]]
    assert twin.recent(ann).tolist() == [["b", "a"]]
