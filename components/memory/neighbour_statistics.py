"""What a similarity memory recalls of a query, and ReLoop2's correction of a prediction by it."""

from dataclasses import dataclass

import numpy as np

from components.domain import Doubles


@dataclass(frozen=True, slots=True)
class NeighbourStatistics:
    """Weighted sums over what is similar to each of n queries, as (n,) arrays.

    `weight` is the sum of weights, `reward` and `predicted` the weighted sums of outcomes and of the
    predictions made before them, `variance` that of ``p (1 - p)``.
    """

    weight: Doubles
    reward: Doubles
    predicted: Doubles
    variance: Doubles

    def signal(self, shrinkage: float) -> Doubles:
        """(n, 1) Newton step in logits: ``(reward - predicted) / (shrinkage + variance)``."""
        return ((self.reward - self.predicted) / (shrinkage + np.maximum(self.variance, 1e-12)))[:, None]


def reloop2(probability: Doubles, statistics: NeighbourStatistics, gamma: float, strength: float) -> Doubles:
    """(n,) probabilities compensated as published (Zhu et al. 2023, KDD, section 4).

    ``e = gamma (ybar - p) + (1 - gamma) (ybar - pbar)``, ``clamp(p + strength e, 0, 1)``; a query that recalls
    nothing keeps its prediction. gamma = 1 pulls towards the neighbours' outcomes, gamma = 0 adds their error.

    >>> one = np.ones(1)
    >>> reloop2(0.5 * one, NeighbourStatistics(2 * one, 2 * one, one, 0.5 * one), gamma=1.0, strength=0.5)
    array([0.75])
    """
    mass = np.maximum(statistics.weight, 1e-12)
    reward, predicted = statistics.reward / mass, statistics.predicted / mass
    error = gamma * (reward - probability) + (1 - gamma) * (reward - predicted)
    return np.clip(probability + np.where(statistics.weight > 0, strength * error, 0.0), 0, 1)
