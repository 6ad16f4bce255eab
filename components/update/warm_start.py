"""Warm start: generation g + 1 from g, on new matured examples and a few replayed ones.

Carried: weights, optimizer state, vocabulary with its candidates. The parent is not changed.
Grubhub (Dereventsov et al., RecSys 2021, arXiv 2107.07106): stateful instead of retraining.
"""

import numpy as np

from components.domain import Matured, Refused
from components.update.checkpoint import Checkpoint
from components.update.learn import Batch, learn, log_loss
from components.update.settings import UpdateSettings
from components.update.train import Ids, Update, mean_or_nan, ttl_start


def warm_start(
    parent: Checkpoint, fresh: Matured, replay: Matured | None, cutoff: int, settings: UpdateSettings, seed: int
) -> Update:
    """Learn `fresh` (and `replay`) on top of `parent`.

    Parameters
    ----------
    fresh : matured examples the parent has not learned; may be empty.
    replay : examples it has learned before, against forgetting.
    cutoff : microseconds; ids not seen for `ttl_days` before it expire.
    """
    child = parent.copy()
    model = child.model
    model.observe(fresh.examples)
    turnover = model.turn_over(settings.admission_count, ttl_start(cutoff, settings), settings.floor_rows)
    rng = np.random.default_rng([seed, len(fresh)])
    shuffled = rng.permutation(len(fresh))
    held = int(len(fresh) * settings.holdout_share)
    train, holdout = fresh.take(np.sort(shuffled[held:])), fresh.take(np.sort(shuffled[:held]))
    before = log_loss(model, train), log_loss(model, holdout)
    processed = _learn(child, parent, train, replay, settings, rng)
    after = log_loss(model, train), log_loss(model, holdout)
    diverged = judge(before[1], after[1], settings.guard_tolerance)
    if diverged is None and held:
        processed += _learn(child, parent, holdout, None, settings.model_copy(update={"epochs": 1}), rng)
    return Update(
        parent if diverged else child,
        Ids.of(model.spec, turnover.admitted),
        Ids.of(model.spec, turnover.expired),
        model.vocabulary.rows - parent.model.vocabulary.rows,
        len(fresh) + (len(replay) if replay else 0),
        processed,
        mean_or_nan(before[0]),
        mean_or_nan(after[0]),
        mean_or_nan(before[1]),
        mean_or_nan(after[1]),
        diverged,
    )


def judge(before: np.ndarray, after: np.ndarray, tolerance: float) -> Refused | None:
    """Whether the held-out slice says that training diverged: surely worse by more than `tolerance`.

    "Surely" is the mean of the paired differences less three standard errors, so that a
    slice of a few rows cannot discard a healthy challenger by chance.
    """
    if not len(after):
        return None
    change = after.astype(np.float64) - before
    surely = change.mean() - 3 * change.std() / np.sqrt(len(change)) if np.isfinite(change).all() else np.inf
    if surely <= tolerance:
        return None
    return Refused(
        "training diverged: held-out log loss rose by at least",
        float(surely),
        tolerance,
        "lower table_rate and dense_rate, or look at the window",
    )


def _learn(
    child: Checkpoint,
    parent: Checkpoint,
    fresh: Matured,
    replay: Matured | None,
    settings: UpdateSettings,
    rng: np.random.Generator,
) -> int:
    data = fresh if replay is None or not len(replay) else join(fresh, replay)
    if not len(data):
        return 0
    before = parent.model.predict(data.examples).probability if settings.reloop_alpha else None
    block = Batch.of(child.model, data, before)
    for _ in range(settings.epochs):
        learn(child, block, rng, settings)
    return settings.epochs * len(data)


def join(a: Matured, b: Matured) -> Matured:
    """The rows of both."""
    return Matured(type(a.examples).concat([a.examples, b.examples]), np.concatenate([a.reward, b.reward]))
