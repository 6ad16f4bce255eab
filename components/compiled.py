"""Loops over rows, compiled: the memory's inner work, where every array operation would be another trip to memory.

A million ids do not fit into a cache, and a step of 512 outcomes touches some ten thousand rows at random. In
numpy each of its sixty passes fetches them again; a loop fetches a row once, does all of its work, and puts it
back. Compiled by Numba (Lam, Pitrou & Seibert 2015, LLVM-HPC) on the first call, never at import, and kept on
disk: in ``NUMBA_CACHE_DIR``, else beside the module, else in the user's cache folder; where none of them may be
written, every process compiles anew (some seconds). No fast-math and one thread: equal input gives equal bytes.
The interpreter's lock is held, so that to other threads a loop is one indivisible step.
"""

from collections.abc import Callable
from functools import cache, wraps
from types import FunctionType
from typing import ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

P = ParamSpec("P")
R = TypeVar("R")
MACHINE_CODE = "machine_code"
"""Where a compiled loop keeps what gives its machine code."""


def compiled(loop: Callable[P, R]) -> Callable[P, R]:
    """`loop`, compiled when it is first called; it may use scalars, arrays, `numpy` and other such loops."""

    @cache
    def machine_code() -> Callable[P, R]:
        from numba import njit

        try:
            return njit(cache=True, error_model="numpy")(_linked(loop))
        except RuntimeError:  # no folder in which to keep it
            return njit(error_model="numpy")(_linked(loop))

    @wraps(loop)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        return machine_code()(*args, **kwargs)

    call.__dict__[MACHINE_CODE] = machine_code
    return call


def make_ready() -> None:
    """Let Numba prepare itself, which takes most of a second before the first loop of a process, whichever it is."""
    compiled(_nothing)()


def _nothing() -> None:
    pass


def _linked(loop: Callable[P, R]) -> Callable[P, R]:
    """`loop` with the machine code of the loops that it calls in place of what calls them from outside."""
    if not isinstance(loop, FunctionType):
        return loop
    parts = {name: loop.__globals__.get(name) for name in loop.__code__.co_names}
    found = {
        name: part.__dict__[MACHINE_CODE]()
        for name, part in parts.items()
        if MACHINE_CODE in getattr(part, "__dict__", {})
    }
    if not found:
        return loop
    linked = FunctionType(loop.__code__, loop.__globals__ | found, loop.__name__, loop.__defaults__, loop.__closure__)
    linked.__qualname__, linked.__module__ = loop.__qualname__, loop.__module__
    return linked


def plain(array: npt.NDArray) -> npt.NDArray:
    """`array` in rows and writable, if need be a copy: a loop is compiled for every layout it is shown."""
    return np.require(array, requirements=["C", "W"])
