"""What named arrays and a head come to: one number that changes with any of their bytes."""

import hashlib
import json
from collections.abc import Mapping

import numpy as np
import numpy.typing as npt


def array_digest(head: Mapping[str, object], arrays: Mapping[str, npt.NDArray]) -> str:
    """SHA-256 over the head as sorted JSON and every array's name, type, shape and bytes, by name."""
    sha = hashlib.sha256(json.dumps(head, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        sha.update(f"{name} {array.dtype.str} {array.shape}".encode())
        sha.update(np.ascontiguousarray(array).tobytes())
    return sha.hexdigest()
