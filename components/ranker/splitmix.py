"""splitmix64's finaliser: every bit of the input moves every bit of the output (Steele, Lea, Flood 2014, OOPSLA)."""

import numpy as np

from components.domain import Keys

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
"""2^64 over the golden ratio: the step between two numbers that are to be mixed."""


def mix(numbers: Keys) -> Keys:
    """The mixed numbers, elementwise; multiplication wraps around."""
    with np.errstate(over="ignore"):
        numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))
