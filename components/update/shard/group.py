"""Several processes that make the same calls in the same order, and what they tell each other: arrays of numbers.

Plain `torch.distributed` on gloo, so that whoever starts the processes may be torchrun, Ray Train or a test. Nothing is
pickled: an array's shape goes before it, its bytes after.
"""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
import torch.distributed as dist

from components.domain import Ints


class Group:
    """The processes of `torch.distributed`'s default group, which is set up already."""

    def __init__(self) -> None:
        self.rank, self.size = dist.get_rank(), dist.get_world_size()

    def exchange(self, values: npt.NDArray[Any], counts: Ints) -> "tuple[npt.NDArray[Any], Ints]":
        """What the others have for this one.

        Parameters
        ----------
        values : (m, ...) rows, those for the first worker first; counts : (size,) how many are for each.

        Returns
        -------
        (r, ...) rows, those of the first worker first, and (size,) how many are of each.
        """
        theirs = torch.empty(self.size, dtype=torch.int64)
        dist.all_to_all_single(theirs, torch.from_numpy(np.ascontiguousarray(counts, np.int64)))
        return self.exchange_known(values, counts, theirs.numpy()), theirs.numpy()

    def exchange_known(self, values: npt.NDArray[Any], counts: Ints, theirs: Ints) -> npt.NDArray[Any]:
        """As `exchange`, where it is known how many rows each has for this one, (size,)."""
        out = np.empty((int(theirs.sum()), *values.shape[1:]), values.dtype)
        dist.all_to_all_single(_bytes(out), _bytes(values), _sizes(theirs, values), _sizes(counts, values))
        return out

    def gather(self, values: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """(m, ...) rows of all workers, those of the first one first; for everybody."""
        counts = torch.zeros(self.size, dtype=torch.int64)
        counts[self.rank] = len(values)
        dist.all_reduce(counts)
        ends = np.append(0, np.cumsum(counts.numpy()))
        out = np.empty((int(ends[-1]), *values.shape[1:]), values.dtype)
        out[ends[self.rank] : ends[self.rank + 1]] = values
        for rank in range(self.size):
            if counts[rank]:
                dist.broadcast(_bytes(out[ends[rank] : ends[rank + 1]]), rank)
        return out

    def add(self, values: torch.Tensor) -> torch.Tensor:
        """`values` summed over all workers, in place."""
        dist.all_reduce(values)
        return values


def _bytes(values: npt.NDArray[Any]) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(values).reshape(-1).view(np.uint8))


def _sizes(counts: Ints, values: npt.NDArray[Any]) -> list[int]:
    """Bytes of so many rows."""
    width = values.itemsize * int(np.prod(values.shape[1:], dtype=np.int64))
    return [int(count) * width for count in counts]
