"""The newest outcomes, append-only: what a reader holds never changes under it.

Rows are written behind the last one until the arrays are full; then the newest are moved into new arrays, and the
old ones go with their last reader. A row moves once per `SLACK` of the capacity, not with every write.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from components.domain import Examples, Floats, Prediction
from components.memory.view import State

SLACK = 1.25
"""Room over capacity: every quarter of the capacity written, the newest move once."""
SMALLEST = 1024
"""Rows of the first arrays."""
COLUMNS = ("keys", "numeric", "at", "reward", "logit", "hidden")


@dataclass(frozen=True, slots=True)
class Kept:
    """Outcomes oldest first: examples, reward, logit and hidden as predicted; the first is number `first` ever kept."""

    examples: Examples
    reward: Floats
    logit: Floats
    hidden: Floats
    first: int

    def __len__(self) -> int:
        return len(self.reward)


class OutcomeLog:
    """The newest `capacity` outcomes."""

    def __init__(self, empty: Examples, hidden_size: int, capacity: int) -> None:
        """`empty` has no rows and the columns of the feature spec."""
        self.capacity, self.written = capacity, 0
        nothing = np.zeros(0, np.float32)
        self._arrays = _columns(empty, nothing, nothing, np.zeros((0, hidden_size), np.float32))
        self._end = 0

    def kept(self) -> Kept:
        """Views of the newest outcomes."""
        keys, numeric, at, reward, logit, hidden = (a[self._end - len(self) : self._end] for a in self._arrays)
        return Kept(Examples(keys, numeric, at), reward, logit, hidden, self.written - len(self))

    def __len__(self) -> int:
        return min(self._end, self.capacity)

    def append(self, examples: Examples, prediction: Prediction, reward: Floats, hidden: Floats) -> None:
        """Keep n more, the oldest beyond the capacity are dropped."""
        n = len(examples)
        if self._end + n > len(self._arrays[0]):
            self._move(n)
        for array, rows in zip(self._arrays, _columns(examples, reward, prediction.logit, hidden), strict=True):
            array[self._end : self._end + n] = rows
        self._end += n
        self.written += n

    def encode_anew(self, hidden: Floats) -> None:
        """Give the kept outcomes other hidden states."""
        kept = self.kept()
        self.load({**self.state(), "hidden": hidden, "first": np.array([kept.first])})

    def state(self) -> State:
        """What is kept, oldest first, and the number of the first."""
        arrays = [a[self._end - len(self) : self._end].copy() for a in self._arrays]
        return {**dict(zip(COLUMNS, arrays, strict=True)), "first": np.array([self.written - len(self)])}

    def load(self, state: State) -> None:
        """Continue from `state`."""
        self._arrays = [np.array(state[name]) for name in COLUMNS]
        self._end = len(state["at"])
        self.written = int(state["first"][0]) + self._end

    def _move(self, n: int) -> None:
        stay = min(len(self), max(self.capacity - n, 0))
        room = max(min(2 * (stay + n), int(SLACK * self.capacity)), stay + n, SMALLEST)
        arrays = [np.empty((room, *a.shape[1:]), a.dtype) for a in self._arrays]
        for new, old in zip(arrays, self._arrays, strict=True):
            new[:stay] = old[self._end - stay : self._end]
        self._arrays, self._end = arrays, stay


def _columns(examples: Examples, reward: Floats, logit: Floats, hidden: Floats) -> list[npt.NDArray]:
    return [examples.keys, examples.numeric, examples.at, reward, logit, hidden]
