"""An array that copies hold together until one of them writes: what is only read is there once."""

from typing import Generic, TypeVar

import numpy.typing as npt

Array = TypeVar("Array", bound=npt.NDArray)


class SharedArray(Generic[Array]):
    """An array and whether another holder may read it, too.

    >>> import numpy as np
    >>> one = SharedArray(np.zeros(2))
    >>> other = one.copy()
    >>> one.array is other.array
    True
    >>> one.own()[0] = 1
    >>> one.array, other.array
    (array([1., 0.]), array([0., 0.]))
    """

    __slots__ = ("_array", "_shared")

    def __init__(self, array: Array) -> None:
        """`array` is held by nobody else who writes."""
        self._array, self._shared = array, False

    @property
    def array(self) -> Array:
        """To read."""
        return self._array

    def own(self) -> Array:
        """To write into: a copy, the first time after `copy`. Who read `array` before keeps what they have."""
        if self._shared:
            self._array, self._shared = self._array.copy(), False
        return self._array

    def copy(self) -> "SharedArray[Array]":
        """A second holder of the same content."""
        twin = SharedArray(self._array)
        self._shared = twin._shared = True
        return twin
