"""What is measured of an arm: discrimination, loss, calibration, and what it cost."""

from dataclasses import asdict, dataclass, fields

import numpy as np

from components.auc import auc
from components.domain import Doubles, Floats, Ints

BINS = 20
"""Equally filled bins of the calibration error."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Figures of one arm. Spreads are standard deviations over seeds; times are of one core.

    `examples` and `train_seconds` count pre-training and updates, the next two the updates alone. `read_us` and
    `write_us` are medians over slots, per row.
    """

    auc: float
    auc_spread: float
    log_loss: float
    log_loss_spread: float
    ece: float
    gauc: float
    examples: float
    train_seconds: float
    update_examples: float
    update_seconds: float
    memory_bytes: float
    read_us: float
    write_us: float


def log_loss(reward: Floats, p: Doubles) -> float:
    """Mean log loss in nats."""
    p = np.clip(p, 1e-7, 1 - 1e-7)
    return float(-np.mean(reward * np.log(p) + (1 - reward) * np.log(1 - p)))


def calibration_error(reward: Floats, p: Doubles) -> float:
    """Mean absolute difference of predicted and observed over equally filled bins, weighted by rows."""
    parts = np.array_split(np.argsort(p, kind="stable"), min(BINS, len(p)))
    return float(sum(abs(p[b].mean() - reward[b].mean()) * len(b) for b in parts) / len(p))


def grouped_auc(reward: Floats, score: Doubles, group: Ints) -> float:
    """AUC inside groups with both classes, weighted by rows.

    Groups are (user, slot): over a whole stream a user's own positive raises the score of
    the user's next negative, which would punish every model that adapts.
    """
    order = np.argsort(group, kind="stable")
    parts = np.split(order, np.flatnonzero(np.diff(group[order])) + 1)
    mixed = [b for b in parts if 0 < reward[b].mean() < 1]
    if not mixed:
        return float("nan")
    return float(np.average([auc(reward[b], score[b]) for b in mixed], weights=[len(b) for b in mixed]))


def mean_over_seeds(runs: list[Figures]) -> Figures:
    """Means of the figures, and the spread of AUC and log loss."""
    mean = {f.name: float(np.mean([getattr(r, f.name) for r in runs])) for f in fields(Figures)}
    for name in ("auc", "log_loss"):
        mean[f"{name}_spread"] = float(np.std([getattr(r, name) for r in runs]))
    return Figures(**mean)


def as_json(figures: Figures) -> dict[str, float | None]:
    """Figures by name; null where there is none."""
    return {name: None if value != value else round(value, 6) for name, value in asdict(figures).items()}
