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
from components.ranker.layered import Layered
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
    """Rows in use: a base that is mapped from a file, if there is one, and what changed since.

    Attributes
    ----------
    layers : (rows, D + 2) float32.
    """

    def __init__(self, block: "torch.Tensor | Layered[np.float32]") -> None:
        self.layers = block if isinstance(block, Layered) else Layered.whole(block.numpy())

    @classmethod
    def empty(cls, rows: int, embedding_size: int) -> "EmbeddingTable":
        """All rows zero."""
        return cls(torch.zeros(rows, embedding_size + 2))

    def copy(self) -> "EmbeddingTable":
        """An independent copy without spare capacity."""
        return EmbeddingTable(self.layers.copy())

    @property
    def rows(self) -> int:
        """Rows in use."""
        return self.layers.rows

    @property
    def changed(self) -> Ints:
        """(m,) rows that are not as in the base, ascending; all of them where there is none."""
        return self.layers.changed

    @property
    def block(self) -> torch.Tensor:
        """(rows, D + 2) all of them in one piece, a view: a table on a base takes it all in for that."""
        return torch.from_numpy(self.layers.block())

    @property
    def weight(self) -> torch.Tensor:
        """(rows, D + 1) embeddings and first-order weights, as `block`."""
        return self.block[:, :-1]

    @property
    def history(self) -> torch.Tensor:
        """(rows,) accumulated squared gradients, a copy."""
        return torch.from_numpy(self.layers.column(-1))

    def resize(self, rows: int) -> None:
        """At least `rows` rows, new ones zero; doubles the capacity when it is used up."""
        self.layers.resize(rows)

    def put(self, rows: Ints, values: Floats | float) -> None:
        """Overwrite `rows` (m,) with `values` (m, D + 2), or with one number."""
        self.layers.put(rows, values)

    def gather(self, rows: torch.Tensor) -> torch.Tensor:
        """(m, D + 2) a copy of `rows` (m,)."""
        return torch.from_numpy(self.layers.take(rows.numpy()))

    def scatter(self, rows: torch.Tensor, values: torch.Tensor) -> None:
        """Overwrite distinct `rows` (m,) with `values` (m, D + 2)."""
        places = torch.from_numpy(self.layers.claim(rows.numpy()))
        torch.from_numpy(self.layers.own).index_copy_(0, places.long(), values)
