"""A reward model for a log that brings none: what an item at a position earns, from the target's own columns.

The mean reward per item, shrunken to the overall mean; with features (columns ``x_*`` of the target) or slates,
gradient boosted trees over the items' means, the position and the features. Trees need no scaling, take empty cells
and find what an item earns only together with a feature (Friedman 2001, "Greedy function approximation"). It need
not be right: DR is unbiased with recorded propensities whatever the model says, a good one makes it tight.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingRegressor

from components.domain import Bools, ContractBroken, Doubles
from components.evaluate.cross_fit import GroupMeans, Regressor, cross_fitted, folds
from components.evaluate.logged_decisions import LoggedDecisions

FEATURE = "x_"
FOLDS = 2
"""Half of the users judge what the other half taught."""


class BoostedMeans:
    """Boosted trees over group means of the first `groups` columns and the rest as they are."""

    def __init__(self, groups: int) -> None:
        self.groups = groups
        self.means: Sequence[GroupMeans] = ()
        self.said: Bools = np.ones(groups, bool)
        self.trees = HistGradientBoostingRegressor(max_iter=60, max_leaf_nodes=15, random_state=0)

    def fit(self, x: np.ndarray, y: np.ndarray) -> "BoostedMeans":
        """From (n, d) group numbers and numbers, and (n,) rewards."""
        self.means = [GroupMeans().fit(x[:, [g]], y) for g in range(self.groups)]
        self.said = np.asarray(np.isfinite(self._numbers(x)).any(axis=0))
        self.trees.fit(self._numbers(x)[:, self.said], y)
        return self

    def predict(self, x: np.ndarray) -> Doubles:
        """(n,) expected rewards; never negative, as rewards are not."""
        return np.maximum(self.trees.predict(self._numbers(x)[:, self.said]), 0.0)

    def _numbers(self, x: np.ndarray) -> Doubles:
        groups = [means.predict(x[:, [g]]) for g, means in enumerate(self.means)]
        return np.column_stack([*groups, x[:, self.groups :]])


def fitted_rewards(log: LoggedDecisions, entries: pd.DataFrame) -> Doubles:
    """(nnz,) expected reward of every entry by a cross-fitted model; rows of a user are one fold.

    Parameters
    ----------
    entries : nnz rows of the target in the log's order: `item_id`, `position`, and features ``x_*``, numbers or words.

    Raises
    ------
    ContractBroken
        For a log of so few users that one fold stays empty.
    """
    features = [c for c in entries.columns if str(c).startswith(FEATURE)]
    words = [c for c in features if not pd.api.types.is_numeric_dtype(entries[c])]
    numbers = [entries[c].to_numpy(float) for c in features if c not in words]
    groups = [pd.factorize(entries[c], use_na_sentinel=False)[0].astype(float) for c in ("item_id", *words)]
    if not log.single:
        numbers.append(entries["position"].to_numpy(float))
    table = np.column_stack([*groups, *numbers])

    def fresh() -> Regressor:
        return GroupMeans() if table.shape[1] == 1 else BoostedMeans(len(groups))

    if len(np.unique(folds(log.request if log.user is None else log.user, FOLDS))) < FOLDS:
        raise ContractBroken(f"no reward model can be fitted: {log.users} users do not fill {FOLDS} folds")
    return cross_fitted(log, table, fresh, count=FOLDS)
