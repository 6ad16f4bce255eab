"""Small traffic with known drift: scores that are right about the rewards unless told otherwise."""

import numpy as np

from components.drift.drift_frame import DriftFrame


def traffic(
    rows: int = 600,
    seed: int = 0,
    *,
    bias: float = 0.0,
    users: int = 40,
    new_ids: int = 0,
    genres: str = "aabbcd",
    year: float = 2000.0,
) -> DriftFrame:
    """`rows` impressions of a calibrated champion; `bias` moves the true rate away from its score."""
    rng = np.random.default_rng(seed)
    score = rng.beta(2, 2, rows)
    return DriftFrame(
        score=score,
        reward=(rng.random(rows) < np.clip(score + bias, 0, 1)).astype(float),
        ids={
            "user": (rng.integers(0, users, rows) + new_ids).astype(str),
            "item": (rng.integers(0, 30, rows) + new_ids).astype(str),
        },
        categorical={"genre": rng.choice(list(genres), rows)},
        numeric={"year": rng.normal(year, 5, rows)},
    )
