"""A lower bound that needs no clipping and no range of weights: logarithmic smoothing.

Pessimistic by construction, so it is safe to maximise and safe to promote by.
"""

import numpy as np

from components.domain import Doubles


def log_smoothing_bound(weight: Doubles, reward: Doubles, delta: float, smoothing: float | None = None) -> float:
    """Lower bound of a policy's value that holds with probability ``1 - delta`` at every sample size.

    With ``c_i = -w_i r_i`` as cost and smoothing lambda: ``V >= E_n[log(1 + lambda w r)] / lambda
    - log(1/delta) / (lambda n)`` (Sakhi et al. 2024, "Logarithmic smoothing for pessimistic
    off-policy evaluation, selection and learning", corollary 4). It follows from Markov's inequality
    on ``prod (1 + lambda w r) / (1 + lambda V)`` and ``log(1 + lambda V) <= lambda V``.

    Parameters
    ----------
    weight, reward : (n,) importance weights and rewards from 0.
    smoothing : lambda > 0, fixed before the data; default ``sqrt(2 log(1/delta) / n)``, right for
        weighted rewards of about unit second moment.

    Notes
    -----
    Bias towards 0 of order lambda E[w^2 r^2] / 2; the variance stays finite for any weights.

    >>> log_smoothing_bound(np.ones(10_000), np.ones(10_000), 0.05) < 1
    True
    """
    if (reward < 0).any():
        raise ValueError(f"reward {reward.min()} in row {int(reward.argmin())}; allowed are rewards from 0")
    n, level = len(weight), float(np.log(1 / delta))
    lam = float(np.sqrt(2 * level / n)) if smoothing is None else smoothing
    return float(np.log1p(lam * weight * reward).mean() / lam - level / (lam * n))
