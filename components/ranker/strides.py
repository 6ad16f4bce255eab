"""Many rows a stretch at a time: what a model says of a million examples is their logits, not their hidden states.

An example gets the same bits whatever is predicted beside it (`components.ranker.forward`), so where a stretch ends
changes nothing.
"""

from collections.abc import Callable, Iterator
from typing import TypeAlias

import numpy as np

from components.domain import Examples, Floats, Ints, Prediction

Predict: TypeAlias = Callable[[Examples], Prediction]
"""What a model says of n examples."""

AT_ONCE = 1 << 16
"""Rows whose hidden states are held at a time."""


def stretches(rows: Ints | int, size: int | None = None) -> Iterator[Ints | slice]:
    """`rows`, an index or the number of all rows, in stretches of `size` (default `AT_ONCE`) at most, in order.

    >>> list(stretches(5, 2)), [part.tolist() for part in stretches(np.array([3, 8, 9]), 2)]
    ([slice(0, 2, None), slice(2, 4, None), slice(4, 6, None)], [[3, 8], [9]])
    """
    many, long = rows if isinstance(rows, int) else len(rows), AT_ONCE if size is None else size
    for start in range(0, many, long):
        stretch = slice(start, start + long)
        yield stretch if isinstance(rows, int) else rows[stretch]


def logits(predict: Predict, examples: Examples, rows: Ints | None = None) -> Floats:
    """(n,) what `predict` says of all examples, or of those at `rows`, in that order."""
    said = [predict(examples.take(part)).logit for part in stretches(len(examples) if rows is None else rows)]
    return np.concatenate([np.empty(0, np.float32), *said])
