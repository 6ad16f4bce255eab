"""The distinct rows of a batch, and sums over where they occur."""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import embedding_bag


@dataclass(frozen=True, slots=True)
class Touched:
    """The distinct rows of a batch and where they occur.

    One sort of ``row * 2^k + position`` finds the distinct rows and orders every sum, so
    that a sum is the same on every run.

    Attributes
    ----------
    rows : (u,) distinct rows, ascending, without the missing row.
    position : (p,) where each occurs, row after row; starts : (u,) first entry of each row in it.
    """

    rows: torch.Tensor
    position: torch.Tensor
    starts: torch.Tensor

    @classmethod
    def of(cls, rows: torch.Tensor) -> "Touched":
        """Of (p,) rows."""
        bits = len(rows).bit_length()
        tagged = np.sort((rows.numpy() << bits) | np.arange(len(rows)))
        tagged = tagged[np.searchsorted(tagged, 1 << bits) :]
        ordered = tagged >> bits
        starts = np.flatnonzero(np.diff(ordered, prepend=-1))
        position = tagged & ((1 << bits) - 1)
        return cls(torch.from_numpy(ordered[starts]), torch.from_numpy(position), torch.from_numpy(starts))

    @property
    def example(self) -> torch.Tensor:
        """(u,) one position of each row."""
        return self.position[self.starts]

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """(u, E) sums of (p, E) values over the positions of each row.

        >>> Touched.of(torch.tensor([3, 0, 3, 1])).sum(torch.tensor([[1.0], [2.0], [4.0], [8.0]]))
        tensor([[8.],
                [5.]])
        """
        return embedding_bag(self.position, values, self.starts, mode="sum")
