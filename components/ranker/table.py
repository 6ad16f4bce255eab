"""The shared embedding table: one row per id of every field, D numbers and a first-order weight.

It grows geometrically and a fresh row is a function of ``(seed, key)`` alone: not of the
order in which ids came, nor of how often one came back. Row 0, "no value", is zero.
"""

import numpy as np
import torch

from components.domain import Floats, Ints, Keys

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)


def initial_rows(keys: Keys, embedding_size: int, scale: float, seed: int) -> Floats:
    """(m, D + 1) fresh rows: D uniform numbers of standard deviation `scale`, then a weight of 0.

    Number d of a key is splitmix64's finaliser of ``key + (seed' + d) golden``.
    """
    with np.errstate(over="ignore"):
        start = np.uint64(seed % 2**32) * np.uint64(0xD1342543DE82EF95)
        mixed = keys[:, None] + (start + np.arange(1, embedding_size + 1, dtype=np.uint64)) * _GOLDEN
        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        mixed ^= mixed >> np.uint64(31)
    uniform = (mixed >> np.uint64(11)).astype(np.float64) / 2**53
    rows = np.zeros((len(keys), embedding_size + 1), np.float32)
    rows[:, :-1] = (2 * uniform - 1) * (scale * 3**0.5)
    return rows


class EmbeddingTable:
    """(rows, D + 1) float32 with spare capacity behind it.

    Attributes
    ----------
    weight : the rows in use, a view; shape (rows, D + 1).
    """

    def __init__(self, weight: torch.Tensor) -> None:
        self._buffer = weight
        self.weight = weight

    def copy(self) -> "EmbeddingTable":
        """An independent copy without spare capacity."""
        return EmbeddingTable(self.weight.clone())

    def resize(self, rows: int) -> None:
        """At least `rows` rows, new ones zero; doubles the capacity when it is used up."""
        used = len(self.weight)
        if rows > len(self._buffer):
            buffer = torch.zeros(max(rows, 2 * len(self._buffer)), self._buffer.shape[1])
            buffer[:used] = self.weight
            self._buffer = buffer
        self.weight = self._buffer[: max(rows, used)]

    def put(self, rows: Ints, values: Floats) -> None:
        """Overwrite `rows`."""
        self.weight[torch.from_numpy(rows)] = torch.from_numpy(values)
