"""Numeric fields, standardised."""

from dataclasses import dataclass

import numpy as np

from components.domain import Floats


@dataclass(frozen=True, slots=True)
class Scaling:
    """Standardises numeric fields: `mean` and `scale`, (M,) float32, fixed at pre-training."""

    mean: Floats
    scale: Floats

    @classmethod
    def fit(cls, numeric: Floats) -> "Scaling":
        """From (n, M) values; a column that is constant or never known is left as it is."""
        known = np.isfinite(numeric)
        count = np.maximum(known.sum(0), 1)
        clean = np.where(known, numeric, 0).astype(np.float64)
        mean = clean.sum(0) / count
        spread = np.sqrt((np.where(known, numeric - mean, 0) ** 2).sum(0) / count)
        return cls(mean.astype(np.float32), np.where(spread > 0, spread, 1).astype(np.float32))

    def apply(self, numeric: Floats) -> Floats:
        """(n, M) standardised; a missing value is 0, which is the mean."""
        return np.nan_to_num((numeric - self.mean) / self.scale, nan=0.0, posinf=0.0, neginf=0.0)
