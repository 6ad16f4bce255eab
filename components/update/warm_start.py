"""Warm start: generation g + 1 from g, on new matured examples and a few replayed ones.

Carried: weights, optimizer state, vocabulary with its candidates, and the calibration, which learns from what
the parent predicted of the new rows. The parent is not changed.
Grubhub (Dereventsov et al., RecSys 2021, arXiv 2107.07106): stateful instead of retraining.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from components.domain import Doubles, Floats, Ints, Matured, Refused
from components.ranker.model import Model
from components.update.checkpoint import Checkpoint
from components.update.learn import Batch, learn, log_loss
from components.update.place import HERE, Place
from components.update.settings import UpdateSettings
from components.update.train import Ids, Update, calibrate, mean_or_nan, ttl_start

_FEWEST = 30


@dataclass(frozen=True, slots=True)
class Change:
    """Log loss of the same rows `before` and `after`, (m,) nats each."""

    before: Floats
    after: Floats

    @property
    def mean(self) -> float:
        """Mean rise in nats; 0 of nothing, infinite if a loss is not a number."""
        if not len(self.after):
            return 0.0
        return float(self._rise.mean()) if np.isfinite(self.after).all() else float("inf")

    @property
    def standard_error(self) -> float:
        """Of `mean`; 0 where that is infinite, as nothing is uncertain about it."""
        if len(self.after) < 2 or not np.isfinite(self.after).all():
            return 0.0
        return float(self._rise.std(ddof=1) / np.sqrt(len(self.after)))

    @property
    def _rise(self) -> Doubles:
        return self.after.astype(np.float64) - self.before


def warm_start(
    parent: Checkpoint,
    fresh: Matured,
    replay: Matured | None,
    cutoff: int,
    settings: UpdateSettings,
    seed: int,
) -> Update:
    """Learn `fresh` (and `replay`) on top of `parent`.

    Parameters
    ----------
    fresh : matured examples the parent has not learned; may be empty.
    replay : examples it has learned before, against forgetting.
    cutoff : microseconds; ids not seen for `ttl_days` before it expire.
    """
    before = parent.model if settings.reloop_alpha else None
    made = continued(parent.copy(), before, fresh, replay, cutoff, settings, seed)
    return made if made.diverged is None else replace(made, checkpoint=parent)


def continued(
    child: Checkpoint,
    parent: Model | None,
    fresh: Matured,
    replay: Matured | None,
    cutoff: int,
    settings: UpdateSettings,
    seed: int,
    place: Place = HERE,
) -> Update:
    """As `warm_start`, on a checkpoint that is changed, whether it diverges or not.

    Parameters
    ----------
    parent : what the loss asks for its predictions, if it does.
    place : where the table's rows live; every worker of a shard is called with the same arguments.
    """
    model = child.model
    rows = model.vocabulary.rows
    model.observe(fresh.examples)
    turnover = model.turn_over(settings.admission_count, ttl_start(cutoff, settings), settings.floor_rows)
    rng = np.random.default_rng([seed, len(fresh)])
    shuffled = rng.permutation(len(fresh))
    held = int(len(fresh) * settings.holdout_share)
    train, holdout = _Rows(fresh, np.sort(shuffled[held:])), _Rows(fresh, np.sort(shuffled[:held]))
    calibrate(model, fresh, place)
    before = train.log_loss(model, place), holdout.log_loss(model, place)
    past = [] if replay is None else [_Rows(replay, np.arange(len(replay)))]
    learning = _learn(child, parent, [train, *past], settings, rng, place)
    learned = Change(before[0], train.log_loss(model, place))
    unseen = Change(before[1], holdout.log_loss(model, place))
    diverged = judge(learned, unseen, settings.guard_tolerance)
    if diverged is None and held:
        learning += _learn(child, parent, [holdout], settings.model_copy(update={"epochs": 1}), rng, place)
    return Update(
        child,
        Ids.of(model.spec, turnover.admitted),
        Ids.of(model.spec, turnover.expired),
        model.vocabulary.rows - rows,
        len(fresh),
        len(replay) if replay else 0,
        sum(part.processed for part in learning),
        mean_or_nan(learned.before),
        mean_or_nan(learned.after),
        mean_or_nan(unseen.before),
        mean_or_nan(unseen.after),
        diverged,
        np.concatenate([np.empty(0, np.float32), *(part.curve for part in learning)]),
    )


def judge(train: Change, holdout: Change, tolerance: float) -> Refused | None:
    """Whether training diverged: it raised the loss of what it learned, or surely that of the held-out slice.

    A healthy step lowers the loss of its own rows, so there the mean decides. On the
    held-out slice "surely" is the mean of the paired differences less three standard
    errors, and fewer than 30 rows cannot say: a small slice never discards by chance.
    """
    advice = "lower table_rate and dense_rate, or look at the window"
    rise = train.mean
    if rise > tolerance:
        return Refused("training diverged: log loss of the learned rows rose by", rise, tolerance, advice)
    surely = holdout.mean - 3 * holdout.standard_error
    if len(holdout.after) >= _FEWEST and surely > tolerance:
        return Refused("training diverged: held-out log loss rose by at least", surely, tolerance, advice)
    return None


@dataclass(frozen=True, slots=True)
class _Pass:
    """One pass: examples processed, and its curve, (batches,) nats."""

    processed: int
    curve: Floats


@dataclass(frozen=True, slots=True)
class _Rows:
    """Some rows of `data`, by index: no copy of a window is made to set a part of it apart."""

    data: Matured
    index: Ints

    def log_loss(self, model: Model, place: Place) -> Floats:
        """(m,) nats."""
        return log_loss(model, self.data, self.index, place)


def _learn(
    child: Checkpoint,
    parent: Model | None,
    parts: Sequence[_Rows],
    settings: UpdateSettings,
    rng: np.random.Generator,
    place: Place,
) -> "list[_Pass]":
    many = sum(len(part.index) for part in parts)
    if not many:
        return []
    blocks = [Batch.shared_out(child.model, part.data, place, part.index, parent) for part in parts]
    block = Batch.together(blocks)
    return [_Pass(many, learn(child, block, rng, settings, place)) for _ in range(settings.epochs)]
