"""The parts of a table together hold what the table would, whatever is done to all of them."""

from types import SimpleNamespace
from typing import cast

import numpy as np
import pytest
import torch

from components.ranker.layered import Layered
from components.ranker.table import EmbeddingTable
from components.update.shard.group import Group
from components.update.shard.table import TablePart, owner_of

WIDTH = 3


def parts_of(table: EmbeddingTable, size: int) -> list[TablePart]:
    return [TablePart.of(table, cast(Group, SimpleNamespace(rank=rank, size=size))) for rank in range(size)]


@pytest.mark.parametrize(("size", "on_base"), [(1, True), (2, True), (3, True), (5, True), (3, False)])
def test_parts_hold_what_one_table_holds(size: int, on_base: bool) -> None:
    """Also a base that is shorter than there are workers, and one with changes of its own before it is shared out."""
    rng = np.random.default_rng(size)
    for _ in range(20):
        block = rng.normal(size=(int(rng.integers(1, 30)), WIDTH)).astype(np.float32)
        whole = Layered(block, np.empty(0, np.int64), block[:0]) if on_base else Layered.whole(block)
        table = EmbeddingTable(whole)
        table.resize(len(block) + int(rng.integers(0, 3)))
        table.put(rng.integers(0, table.rows, 2), 5.0)
        parts = parts_of(table, size)
        for _ in range(8):
            table.resize(table.rows + int(rng.integers(0, 4)))
            rows = rng.permutation(table.rows)[: int(rng.integers(0, 9))]
            values = rng.normal(size=(len(rows), WIDTH)).astype(np.float32)
            table.put(rows, values)
            left = [(part, part.copy()) for part in parts]
            for part in parts:
                part.resize(table.rows)
                part.put(rows, values)
            parts = [part if rng.integers(0, 2) else copy for part, copy in left]
            for part in parts:
                part.resize(table.rows)
                part.put(rows, values)
            told = np.concatenate([part.changed for part in parts])
            assert sorted(told.tolist()) == table.changed.tolist()
            for rank, part in enumerate(parts):
                own = np.flatnonzero(owner_of(np.arange(table.rows), size) == rank)
                assert part.rows == table.rows
                assert part.gather(torch.from_numpy(own)).equal(table.gather(torch.from_numpy(own)))
                moved = torch.from_numpy(own[:2])
                part.scatter(moved, table.gather(moved) + 1)
                table.scatter(moved, table.gather(moved) + 1)
