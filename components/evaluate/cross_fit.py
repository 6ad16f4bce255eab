"""Cross-fitted reward models: no row is judged by a model that has seen its reward.

Users fall into folds by a hash of their id, requests where nobody is known; the model that predicts a fold is
trained on the others (Chernozhukov et al. 2018, "Double/debiased machine learning", section 3).
A model trained on the rows it corrects would repeat their luck, and DR with it would
claim a certainty it does not have.
"""

from collections.abc import Callable
from typing import Protocol

import numpy as np

from components.domain import Doubles, Ints
from components.evaluate.logged_decisions import LoggedDecisions


class Regressor(Protocol):
    """Anything with scikit-learn's two words."""

    def fit(self, x: np.ndarray, y: np.ndarray) -> object: ...

    def predict(self, x: np.ndarray) -> np.ndarray: ...


def folds(whose: Ints, count: int) -> Ints:
    """(n,) fold of each id of a user or request, by hash, so that all rows of one stay together.

    >>> folds(np.array([4, 4, 5, 6]), 2)
    array([0, 0, 1, 0])
    """
    with np.errstate(over="ignore"):
        mixed = whose.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    return ((mixed >> np.uint64(33)) % np.uint64(count)).astype(np.int64)


def cross_fitted(
    log: LoggedDecisions, features: np.ndarray, make: Callable[[], Regressor], *, count: int = 2
) -> Doubles:
    """(nnz,) expected reward of every entry.

    Parameters
    ----------
    features : (nnz, d) of every entry, as the regressor takes them.
    make : makes a fresh regressor. One with `predict_proba` answers with the chance of reward.
    count : folds; at least 2.

    Raises
    ------
    ValueError
        If there are fewer than two folds, or a fold is empty because there are too few users.
    """
    if count < 2:
        raise ValueError(f"{count} folds; allowed is 2 or more, for a model may not judge what it learned")
    fold = folds(log.request if log.user is None else log.user, count)
    q = np.empty(log.entries)
    for held in range(count):
        learn = fold != held
        if not learn.any():
            raise ValueError(f"all {log.users} users fall into fold {held}; use more users or fewer folds")
        model = make()
        model.fit(features[log.action[learn]], log.reward[learn])
        entries = np.repeat(~learn, log.eligible)
        if entries.any():
            q[entries] = _expected(model, features[entries])
    return q


def _expected(model: Regressor, x: np.ndarray) -> Doubles:
    chance = getattr(model, "predict_proba", None)
    if chance is None:
        return np.asarray(model.predict(x), np.float64)
    both = np.asarray(chance(x), np.float64)
    classes = np.asarray(getattr(model, "classes_", (0, 1)), np.float64)
    return np.asarray(both @ classes)


class GroupMeans:
    """Shrunken mean reward per group, the plainest reward model: ``(sum r + c m) / (count + c)``.

    The first feature column is a group's number from 0, m the overall mean, c the prior's count.
    """

    def __init__(self, prior: float = 10.0) -> None:
        self.prior = prior
        self.means: Doubles = np.zeros(0)
        self.overall = 0.0

    def fit(self, x: np.ndarray, y: np.ndarray) -> "GroupMeans":
        """From (n, 1) group numbers and (n,) rewards."""
        group = x[:, 0].astype(np.int64)
        self.overall = float(y.mean())
        size = int(group.max()) + 1
        counts, sums = np.bincount(group, minlength=size), np.bincount(group, y, size)
        self.means = (sums + self.prior * self.overall) / (counts + self.prior)
        return self

    def predict(self, x: np.ndarray) -> Doubles:
        """(n,) means; groups never seen get the overall mean."""
        group = x[:, 0].astype(np.int64)
        known = group < len(self.means)
        return np.where(known, self.means[np.where(known, group, 0)], self.overall)
