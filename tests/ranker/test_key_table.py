"""Keys to rows."""

import numpy as np
import pytest

from components.ranker.key_table import KeyTable


def test_rows_are_given_in_order_of_first_appearance_and_never_change() -> None:
    rng = np.random.default_rng(0)
    keys = rng.integers(1, 2**63, 50_000).astype(np.uint64)
    table, known = KeyTable(), {}
    for part in np.array_split(np.concatenate([keys, keys[:1000]]), 7):
        rows = table.insert(part)
        for key, row in zip(part.tolist(), rows.tolist(), strict=True):
            assert known.setdefault(key, row) == row
    assert sorted(known.values()) == list(range(len(table)))
    assert np.array_equal(table.find(keys), [known[k] for k in keys.tolist()])


@pytest.mark.parametrize(
    "keys",
    [
        pytest.param(np.arange(1, 5000, dtype=np.uint64), id="consecutive"),
        pytest.param(np.arange(1, 5000, dtype=np.uint64) << np.uint64(50), id="high bits only"),
        pytest.param(np.arange(1, 5000, dtype=np.uint64) << np.uint64(20), id="multiples of the table's size"),
    ],
)
def test_keys_of_a_pattern_are_all_found(keys: np.ndarray) -> None:
    table = KeyTable()
    table.insert(keys)
    assert np.array_equal(table.find(keys), np.arange(len(keys)))
    assert (table.find(keys + np.uint64(7)) < len(keys)).all()


def test_the_missing_key_has_no_row_and_gets_none() -> None:
    table = KeyTable()
    assert table.insert(np.array([0, 5, 0], np.uint64)).tolist() == [-1, 0, -1]
    assert len(table) == 1


def test_finding_never_grows_the_table() -> None:
    table = KeyTable()
    table.insert(np.array([3], np.uint64))
    table.find(np.arange(10_000, dtype=np.uint64))
    assert len(table) == 1
    assert table.keys().tolist() == [3]


@pytest.mark.parametrize("which", [0, 1])
def test_a_copy_is_independent_whoever_of_the_two_goes_on(which: int) -> None:
    table = KeyTable.of(np.array([3, 4], np.uint64))
    tables = (table, table.copy())
    writer, other = tables[which], tables[1 - which]
    writer.insert(np.array([9], np.uint64))
    writer.put(np.array([3], np.uint64), np.array([7]))
    assert (len(writer), len(other)) == (3, 2)
    assert other.find(np.array([3, 9], np.uint64)).tolist() == [0, -1]
    writer.insert(np.arange(100, 5_000, dtype=np.uint64))
    assert other.find(np.array([3, 4, 100], np.uint64)).tolist() == [0, 1, -1]


def test_a_copy_holds_the_same_slots_until_one_of_the_two_writes() -> None:
    table = KeyTable.of(np.array([3, 4], np.uint64))
    twin = table.copy()
    twin.insert(np.array([3], np.uint64))
    assert table.slots[0] is twin.slots[0]
    twin.insert(np.array([9], np.uint64))
    assert table.slots[0] is not twin.slots[0]
