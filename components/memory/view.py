"""The contract of a memory view: one small source of evidence about where the model is wrong now.

A view is written with outcomes and the prediction made *before* each outcome was known
(prequential), and read as signals in logit units: by how much the model's logit should
move, as far as this view can tell. Trust in it starts at zero, so that an empty memory
leaves the model as it is. Reading never mutates.
"""

from collections.abc import Callable, Mapping
from typing import Protocol, TypeAlias

import numpy as np
import numpy.typing as npt

from components.domain import Doubles, Examples, Floats, Keys, Prediction

State: TypeAlias = Mapping[str, npt.NDArray]
"""What a view needs to continue, as named arrays; the same state gives the same bytes."""

GROWTH = 1.25
"""Room over what must fit: a row moves four times while rows grow for ever, and at most a fifth of them is empty."""


class Part(Protocol):
    """What is saved with a memory."""

    def state(self) -> State:
        """Everything learned, as named arrays."""
        ...

    def load(self, state: State) -> None:
        """Replace everything learned by `state`."""
        ...


class View(Part, Protocol):
    """One view. `signals` names the columns of what `read` returns."""

    @property
    def signals(self) -> tuple[str, ...]:
        """Names of the S signals, unique within a memory."""
        ...

    def read(self, examples: Examples, prediction: Prediction) -> Doubles:
        """(n, S) signals in logits at the examples' own instants, always finite."""
        ...

    def learn(self, examples: Examples, prediction: Prediction, reward: Floats) -> Doubles:
        """Learn n outcomes as one step; the (n, S) signals as they were before it, from which trust is learned."""
        ...

    def rebase(self, predict: Callable[[Examples], Prediction]) -> None:
        """The model has been warm-started: re-encode what depends on it, keep what was recorded."""
        ...

    def copy(self) -> "View":
        """An independent view with the same content."""
        ...

    def forget(self, field: str, keys: Keys, known: Mapping[str, Keys]) -> None:
        """Drop what is known of some ids of a field alone; `known` has, by field, the keys of all values."""
        ...


def without(state: State, gone: Keys, columns: tuple[str, ...]) -> State:
    """A state whose rows of `keys` do not have those `gone`; `columns` are what it has by row beside them."""
    kept = ~np.isin(state["keys"], gone)
    return {**state, **{name: state[name][kept] for name in ("keys", *columns)}}


def grown(rows: npt.NDArray, size: int, fill: float | npt.NDArray) -> npt.NDArray:
    """`rows` with room for at least `size`, at least `GROWTH` times as many when it must grow; new rows hold `fill`."""
    if size <= len(rows):
        return rows
    out = np.empty((max(size, int(GROWTH * len(rows))), *rows.shape[1:]), rows.dtype)
    out[: len(rows)], out[len(rows) :] = rows, fill
    return out
