"""Made-up traffic of users who come back, a share of them served by a canary."""

import numpy as np

from components.evaluate.canary import Traffic


def traffic_of(users: int, *, share: float = 0.5, loss: float = 0.0, seed: int = 0, known: float = 1.0) -> Traffic:
    """Users with gamma rates and tastes of their own; the canary loses `loss` of the value.

    `known`: how much of a user's taste his past tells, 0 to 1.
    """
    rng = np.random.default_rng(seed)
    requests = 1.0 + rng.poisson(rng.gamma(1.0, 10.0, users))
    canary = np.arange(users) < round(share * users)
    taste = rng.uniform(0.1, 0.7, users)
    earned = rng.binomial(requests.astype(int), taste * np.where(canary, 1 - loss, 1.0)).astype(float)
    return Traffic(requests, earned, known * taste + (1 - known) * rng.permutation(taste), canary)
