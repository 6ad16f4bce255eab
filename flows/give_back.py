"""Give memory back to the machine between stages: what one stage freed is otherwise kept, and the next asks for more.

Large arrays go at once when they are freed. What lies between smaller ones stays with the allocator, glibc's and
Arrow's, which over a turn of ten million impressions came to more than the window itself.
"""

import ctypes
import sys
from functools import cache

import pyarrow as pa


def give_back() -> None:
    """Milliseconds, and nothing changes but what the machine can use."""
    pa.default_memory_pool().release_unused()
    trim = _trim()
    if trim is not None:
        trim(0)


@cache
def _trim() -> "ctypes._NamedFuncPointer | None":
    """glibc's ``malloc_trim``; None where the C library is another."""
    return getattr(ctypes.CDLL(None), "malloc_trim", None) if sys.platform == "linux" else None
