"""The ids an update gave a row to or took it from, by the names the log has for them."""

import numpy as np
import pandas as pd

from components.publish.id_changes import ADMITTED, EXPIRED, IdChanges
from components.ranker.features import CLOCK_FIELDS, hash_ids
from components.update.train import Update
from flows.turn import Turn
from warehouse import facts

CLOCK = pd.DataFrame(
    [(name, str(value)) for name, many in zip(CLOCK_FIELDS, (24, 7), strict=True) for value in range(many)],
    columns=["field", "id"],
)
"""Values of the fields that are read off the clock, which no log names."""


def id_changes(turn: Turn, update: Update) -> IdChanges:
    """Every id that came or went, sorted."""
    both = update.admitted.then(update.expired)
    change = np.repeat(np.array([ADMITTED, EXPIRED], object), [len(update.admitted), len(update.expired)])
    names = np.empty(len(both), object)
    if len(both):
        known = _named(turn)
        for field in sorted(set(both.field.tolist())):
            names[both.field == field] = _names(field, both.keys[both.field == field], known)
    return IdChanges(both.field, change, names, both.keys, both.last).sorted()


def _named(turn: Turn) -> pd.DataFrame:
    return pd.concat([facts.named_ids(turn.warehouse), CLOCK], ignore_index=True)


def _names(field: str, keys: np.ndarray, known: pd.DataFrame) -> np.ndarray:
    """(m,) raw id of each key of a field, None where nobody named it."""
    ids = known.loc[known["field"] == field, "id"].to_numpy(object)
    index = pd.Index(hash_ids(field, ids))
    found = index.get_indexer(pd.Index(keys))
    return np.append(ids, np.array([None], object))[found]  # -1, not found, is the last
