"""Propensities where none were recorded: an estimate, asked for by name and never mixed with recorded ones.

Per position and number of eligible entries, an item's share of being shown when it could have been, scaled to sum
to 1 over the eligible set. Rows of a user are estimated from other users' (as reward models are,
`components.evaluate.cross_fit`), so that no row raises its own propensity. Whatever the logger knew of a user or a
moment and these shares do not (a ranker knows nearly all it acts on) is a bias that no interval contains.
"""

import numpy as np
import pandas as pd

from components.domain import Doubles, Ints
from components.evaluate.cross_fit import folds
from components.evaluate.logged_decisions import LoggedDecisions

FOLDS = 5
"""Folds of the estimate: four fifths of the log stand behind every share."""


def estimated_propensity(log: LoggedDecisions, item: Ints) -> Doubles:
    """(n,) propensity of the shown entries; `item` (nnz,) is each entry's number from 0."""
    fold = folds(log.request if log.user is None else log.user, FOLDS)
    shown = np.zeros(log.entries, bool)
    shown[log.action] = True
    size = np.repeat(log.eligible, log.eligible)
    keys = np.stack([log.position[log.row_of_entry], size, item], axis=1)
    cell = pd.MultiIndex.from_arrays(list(keys.T)).factorize()[0]
    share = np.empty(log.entries)
    for held in range(FOLDS):
        entries = np.repeat(fold == held, log.eligible)
        count = np.bincount(cell[~entries], minlength=cell.max() + 1)
        chosen = np.bincount(cell[shown & ~entries], minlength=cell.max() + 1)
        at = cell[entries]
        share[entries] = (chosen[at] + 1 / size[entries]) / (count[at] + 1)
    return share[log.action] / log.per_row(share)
