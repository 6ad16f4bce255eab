"""The shared embedding table: one row per id of every field.

A row is its D numbers, its first-order weight, and its own learning history (the
optimizer's accumulated squared gradient, see `components.update.optimizer`). The history
lives in the row so that one gather and one scatter move all of it, and so that a row that
changes hands cannot keep the history of the id before it.

The table grows geometrically. A fresh row is a function of ``(seed, key)`` alone: not of
the order in which ids came, nor of how often one came back. Row 0, "no value", is zero.
"""

import numpy as np
import torch

from components.domain import Floats, Ints, Keys
from components.ranker.splitmix import GOLDEN, mix


def initial_rows(keys: Keys, embedding_size: int, scale: float, seed: int) -> Floats:
    """(m, D + 2) fresh rows: D uniform numbers of standard deviation `scale`, weight 0, history 0.

    Number d of a key is splitmix64's finaliser of ``key + (seed' + d) golden``.
    """
    with np.errstate(over="ignore"):
        start = np.uint64(seed % 2**32) * np.uint64(0xD1342543DE82EF95)
        mixed = keys[:, None] + (start + np.arange(1, embedding_size + 1, dtype=np.uint64)) * GOLDEN
    uniform = (mix(mixed) >> np.uint64(11)).astype(np.float64) / 2**53
    rows = np.zeros((len(keys), embedding_size + 2), np.float32)
    rows[:, :-2] = (2 * uniform - 1) * (scale * 3**0.5)
    return rows


class EmbeddingTable:
    """Rows in use, and spare capacity behind them.

    Attributes
    ----------
    block : (rows, D + 2) float32, a view of the rows in use.
    """

    def __init__(self, block: torch.Tensor) -> None:
        self._buffer = block
        self.block = block

    @classmethod
    def empty(cls, rows: int, embedding_size: int) -> "EmbeddingTable":
        """All rows zero."""
        return cls(torch.zeros(rows, embedding_size + 2))

    def copy(self) -> "EmbeddingTable":
        """An independent copy without spare capacity."""
        return EmbeddingTable(self.block.clone())

    @property
    def rows(self) -> int:
        """Rows in use."""
        return len(self.block)

    @property
    def weight(self) -> torch.Tensor:
        """(rows, D + 1) embeddings and first-order weights, a view."""
        return self.block[:, :-1]

    @property
    def history(self) -> torch.Tensor:
        """(rows,) accumulated squared gradients, a view."""
        return self.block[:, -1]

    def resize(self, rows: int) -> None:
        """At least `rows` rows, new ones zero; doubles the capacity when it is used up."""
        used = self.rows
        if rows > len(self._buffer):
            buffer = torch.zeros(max(rows, 2 * len(self._buffer)), self._buffer.shape[1])
            buffer[:used] = self.block
            self._buffer = buffer
        self.block = self._buffer[: max(rows, used)]

    def put(self, rows: Ints, values: Floats | float) -> None:
        """Overwrite `rows` (m,) with `values` (m, D + 2), or with one number."""
        self.block[torch.from_numpy(rows)] = torch.as_tensor(values)

    def gather(self, rows: torch.Tensor) -> torch.Tensor:
        """(m, D + 2) a copy of `rows` (m,)."""
        return self.block.index_select(0, rows)
