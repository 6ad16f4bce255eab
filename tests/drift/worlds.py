"""Small traffic with known drift: scores that are right about the rewards unless told otherwise."""

import numpy as np

from components.domain import Ints
from components.drift.drift_frame import DriftFrame, sample_rows
from components.drift.drift_report import DriftReport
from components.drift.measure import Looked, measure
from components.drift.reference import Counts, Reference, most_drawn
from components.drift.settings import DriftSettings


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


def rows_of(frame: DriftFrame, at: Ints | slice) -> DriftFrame:
    """Some rows of a frame."""
    single = {name: getattr(frame, name) for name in ("score", "reward", "logit", "amount")}
    fields = {
        name: {field: values[at] for field, values in getattr(frame, name).items()}
        for name in ("ids", "categorical", "numeric")
    }
    return DriftFrame(**{name: None if column is None else column[at] for name, column in single.items()}, **fields)


def usual(frame: DriftFrame, size: int = 600, seed: int = 1) -> Reference:
    """A frame as what is usual."""
    drawn = sample_rows(len(frame), most_drawn(len(frame), size, ids=bool(frame.ids)), seed)
    return Reference(Counts.of(frame), rows_of(frame, drawn))


def measured(
    current: DriftFrame, last: DriftFrame | None, training: DriftFrame, settings: DriftSettings
) -> DriftReport:
    """A window against two others."""
    before = None if last is None else usual(last, settings.sample)
    return measure(Looked.at(current), before, usual(training, settings.sample), settings, seed=0)
