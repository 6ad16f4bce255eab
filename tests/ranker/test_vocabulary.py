"""Ids come, wait, settle, leave and return."""

import numpy as np
import pytest

import components.ranker.vocabulary
from components.ranker.hashing import collision_rate, expected_collision_rate
from components.ranker.key_table import KeyTable
from components.ranker.table import initial_rows
from components.ranker.vocabulary import Vocabulary

NEVER = -(2**62)


def see(vocabulary: Vocabulary, keys: list[int], at: list[int] | int = 0) -> None:
    column = np.array(keys, np.uint64)[:, None]
    vocabulary.observe(column, np.broadcast_to(np.array(at, np.int64), len(keys)), np.zeros(1, np.int64))


def rows(vocabulary: Vocabulary, keys: list[int]) -> list[int]:
    return vocabulary.find(np.array(keys, np.uint64)[:, None], np.zeros(1, np.int64))[:, 0].tolist()


def test_an_unknown_key_reads_its_alphabets_row_and_a_missing_one_row_zero() -> None:
    vocabulary = Vocabulary(2)
    found = vocabulary.find(np.array([[5, 5], [0, 5]], np.uint64), np.array([0, 1]))
    assert found.tolist() == [[1, 2], [0, 2]]


def test_an_id_waits_until_it_was_seen_often_enough_across_windows() -> None:
    vocabulary = Vocabulary(1)
    see(vocabulary, [5, 6, 5])
    assert vocabulary.turn_over(3, NEVER, 0).admitted.keys.tolist() == []
    see(vocabulary, [5, 6])
    assert vocabulary.turn_over(3, NEVER, 0).admitted.keys.tolist() == [5]
    assert rows(vocabulary, [5, 6]) == [2, 1]


def test_rows_follow_the_order_of_first_appearance_not_of_the_file() -> None:
    one, other = Vocabulary(1), Vocabulary(1)
    see(one, [9, 7, 8], [1, 2, 3])
    see(other, [8, 7, 9, 9], [3, 2, 1, 5])
    for vocabulary in (one, other):
        vocabulary.turn_over(1, NEVER, 0)
    assert rows(one, [9, 7, 8]) == rows(other, [9, 7, 8]) == [2, 3, 4]


def test_duplicate_rows_count_but_get_one_row() -> None:
    vocabulary = Vocabulary(1)
    see(vocabulary, [5] * 1000)
    vocabulary.turn_over(1, NEVER, 0)
    assert vocabulary.admitted == 1 and vocabulary.by_row.count[2] == 1000


def test_an_expired_id_frees_its_row_for_the_next_and_may_return() -> None:
    vocabulary = Vocabulary(1)
    see(vocabulary, [5, 6], [10, 20])
    vocabulary.turn_over(1, NEVER, 0)
    see(vocabulary, [7], 30)
    turnover = vocabulary.turn_over(1, 15, 0)
    assert (turnover.expired.keys.tolist(), turnover.expired_rows.tolist()) == ([5], [2])
    assert rows(vocabulary, [5, 6, 7]) == [1, 3, 2]
    see(vocabulary, [5], 40)
    assert vocabulary.turn_over(1, 15, 0).admitted_rows.tolist() == [4]


@pytest.mark.parametrize("stretch", [1, 3, 4])
def test_where_a_look_through_all_rows_is_cut_changes_nothing(stretch: int, monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    for at_once in (stretch, components.ranker.vocabulary.LOOKED_AT_ONCE):
        monkeypatch.setattr(components.ranker.vocabulary, "LOOKED_AT_ONCE", at_once)
        one, rng = Vocabulary(1), np.random.default_rng(0)
        for day in range(12):
            see(one, rng.integers(1, 40, 8).tolist(), day)
            came = one.turn_over(1, day - 3, 5)
            told.append(
                [came.admitted_rows.tolist(), came.expired_rows.tolist(), one.admitted, one.by_row.keys.tolist()]
            )
    assert told[:12] == told[12:]
    assert any(expired for _, expired, _, _ in told) and any(
        row < 12 for admitted, *_ in told[4:12] for row in admitted
    )


def test_an_id_seen_again_does_not_expire() -> None:
    vocabulary = Vocabulary(1)
    see(vocabulary, [5], 10)
    vocabulary.turn_over(1, NEVER, 0)
    see(vocabulary, [5], 100)
    assert not len(vocabulary.turn_over(1, 50, 0).expired)


@pytest.mark.parametrize(("floor", "left"), [(0, []), (1, [7]), (2, [6, 7]), (9, [5, 6, 7])])
def test_after_a_long_pause_the_latest_ids_are_kept_up_to_the_floor(floor: int, left: list[int]) -> None:
    vocabulary = Vocabulary(1)
    see(vocabulary, [5, 6, 7], [1, 2, 3])
    vocabulary.turn_over(1, NEVER, 0)
    vocabulary.turn_over(1, 10**9, floor)
    assert sorted(vocabulary.by_row.keys[vocabulary.by_row.keys > 0].tolist()) == left


def test_a_waiting_id_is_forgotten_after_its_ttl() -> None:
    vocabulary = Vocabulary(1)
    see(vocabulary, [5], 1)
    vocabulary.turn_over(2, 10, 0)
    see(vocabulary, [5], 20)
    assert not len(vocabulary.turn_over(2, 10, 0).admitted)


def test_a_fresh_row_is_a_function_of_seed_and_key_not_of_order() -> None:
    keys = np.array([3, 2**63, 7], np.uint64)
    together = initial_rows(keys, 8, 0.1, 5)
    for at, key in enumerate(keys[::-1]):
        np.testing.assert_array_equal(initial_rows(keys[::-1], 8, 0.1, 5)[at], initial_rows(key[None], 8, 0.1, 5)[0])
    assert not np.array_equal(together, initial_rows(keys, 8, 0.1, 6))
    assert not together[:, -2:].any()


def test_fresh_rows_have_the_promised_spread_and_no_correlation() -> None:
    fresh = initial_rows(np.arange(1, 20_001, dtype=np.uint64), 4, 0.1, 0)[:, :4].astype(np.float64)
    assert abs(fresh.std() - 0.1) < 0.001  # standard error of the estimate 0.0002
    assert np.abs(np.corrcoef(fresh.T) - np.eye(4)).max() < 0.035  # five standard errors


def test_an_index_finds_every_key_among_colliding_homes_and_none_else() -> None:
    rng = np.random.default_rng(0)
    keys = np.unique((rng.integers(1, 2**20, 700) << 44 | rng.integers(0, 50, 700)).astype(np.uint64))
    rng.shuffle(keys)
    index = KeyTable()
    index.place(keys[:100], np.arange(100))
    for start in range(100, len(keys), 97):
        index.place(keys[start : start + 97], np.arange(start, min(start + 97, len(keys))))
    assert index.find(keys).tolist() == list(range(len(keys)))
    assert (index.find(keys + np.uint64(50)) == -1).all() and index.find(np.zeros(1, np.uint64)).tolist() == [-1]


@pytest.mark.parametrize("functions", [1, 2])
@pytest.mark.parametrize("load", [0.1, 0.5, 1.0, 2.0, 5.0])
def test_collisions_follow_the_curve(functions: int, load: float) -> None:
    buckets = 4096
    ids = int(load * buckets)
    measured = collision_rate(np.arange(1, ids + 1, dtype=np.uint64) * np.uint64(2**20), buckets, functions)
    expected = expected_collision_rate(ids, buckets, functions)
    spread = 4 * (max(expected, 1 / ids) / ids) ** 0.5  # collisions are at most Poisson-spread
    assert abs(measured - expected) < spread
