"""How well a score ranks what was rewarded above what was not."""

import numpy.typing as npt


def auc(reward: npt.NDArray, score: npt.NDArray) -> float:
    """Probability that a rewarded row (above one half) is ranked above another, ties half; nan with one class only.

    >>> import numpy as np
    >>> auc(np.array([0, 1, 1]), np.array([0.1, 0.1, 0.9]))
    0.75
    """
    from scipy.stats import rankdata

    positive = reward > 0.5
    n, m = int(positive.sum()), int((~positive).sum())
    if not n or not m:
        return float("nan")
    return float((rankdata(score)[positive].sum() - n * (n + 1) / 2) / (n * m))
