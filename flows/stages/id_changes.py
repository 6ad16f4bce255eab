"""The ids an update gave a row to or took it from, by the names the log has for them."""

import numpy as np
import pandas as pd

from components.publish.id_changes import ADMITTED, EXPIRED, IdChanges
from components.ranker.features import CLOCK_FIELDS, hash_ids
from components.update.train import Update
from flows.turn import ALL_TIME, Turn
from warehouse import facts

CLOCK = pd.DataFrame(
    [(name, str(value)) for name, many in zip(CLOCK_FIELDS, (24, 7), strict=True) for value in range(many)],
    columns=["field", "id"],
)
"""Values of the fields that are read off the clock, which no log names."""


def id_changes(turn: Turn, update: Update) -> IdChanges:
    """Every id that came or went, sorted; the log is asked for names where they were met last, and else everywhere."""
    both = update.admitted.then(update.expired)
    change = np.repeat(np.array([ADMITTED, EXPIRED], object), [len(update.admitted), len(update.expired)])
    names = np.full(len(both), None, object)
    spans = [
        (int(seen.last.min()), int(seen.last.max()) + 1) for seen in (update.admitted, update.expired) if len(seen)
    ]
    for since, until in (*spans, (0, ALL_TIME)):
        nameless = np.array([name is None for name in names], bool)
        if nameless.any():
            known = pd.concat([facts.named_ids(turn.warehouse, since, until), CLOCK], ignore_index=True)
            for field in sorted(set(both.field[nameless].tolist())):
                at = nameless & (both.field == field)
                names[at] = _names(field, both.keys[at], known)
    return IdChanges(both.field, change, names, both.keys, both.last).sorted()


def _names(field: str, keys: np.ndarray, known: pd.DataFrame) -> np.ndarray:
    """(m,) raw id of each key of a field, None where nobody named it."""
    ids = known.loc[known["field"] == field, "id"].to_numpy(object)
    index = pd.Index(hash_ids(field, ids))
    found = index.get_indexer(pd.Index(keys))
    return np.append(ids, np.array([None], object))[found]  # -1, not found, is the last
