"""Small made-up windows with a structure that a ranker can learn."""

import numpy as np

from components.domain import DAY, Examples, Matured
from components.feature_spec import FeatureSpec, Field, FieldKind, FieldOf

SPEC = FeatureSpec(
    (
        Field("user", FieldKind.ID, FieldOf.USER),
        Field("item", FieldKind.ID, FieldOf.ITEM),
        Field("genre", FieldKind.MULTI, FieldOf.ITEM, 3),
        Field("recent", FieldKind.MULTI, FieldOf.CONTEXT, 2, shares="item"),
        Field("price", FieldKind.NUMERIC, FieldOf.ITEM, 0),
    )
)


def window(start_day: int, days: int = 3, rows: int = 300, ids: int = 40, first_id: int = 0) -> Matured:
    """`rows` matured examples of `ids` users and items, from `start_day` on; reward follows from user and item."""
    rng = np.random.default_rng([start_day, rows])
    user = rng.integers(0, ids, rows) + first_id
    item = rng.integers(0, ids, rows) + first_id
    keys = np.zeros((rows, SPEC.key_columns), np.uint64)
    keys[:, 0], keys[:, 1] = user + 1_000_000, item + 2_000_000
    keys[:, 2:5] = np.where(rng.random((rows, 3)) < 0.5, rng.integers(3_000, 3_010, (rows, 3)), 0)
    keys[:, 5:7] = np.where(rng.random((rows, 2)) < 0.5, rng.integers(0, ids, (rows, 2)) + first_id + 2_000_000, 0)
    numeric = rng.normal(size=(rows, 1)).astype(np.float32)
    numeric[::7] = np.nan
    at = np.sort(rng.integers(start_day * DAY, (start_day + days) * DAY, rows))
    return Matured(Examples(keys, numeric, at), ((user + 2 * item) % 3 == 0).astype(np.float32))
