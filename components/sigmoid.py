"""From logits to probabilities."""

import numpy as np
import numpy.typing as npt


def sigmoid(logit: npt.NDArray) -> npt.NDArray[np.float64]:
    """``1 / (1 + exp(-logit))`` in float64, without overflow.

    >>> sigmoid(np.array([-1e4, 0.0]))
    array([0. , 0.5])
    """
    return 0.5 * (1 + np.tanh(0.5 * np.asarray(logit, np.float64)))
