"""A small world for the memory's tests: users and items with effects the model knows only in part."""

from dataclasses import dataclass

import numpy as np

from components.domain import DAY, Doubles, Examples, Floats, Ints, Prediction
from components.feature_spec import FeatureSpec, Field, FieldKind, FieldOf
from components.ranker.features import hash_ids
from components.sigmoid import sigmoid

SPEC = FeatureSpec(
    (
        Field("user", FieldKind.ID, FieldOf.USER),
        Field("item", FieldKind.ID, FieldOf.ITEM),
        Field("genre", FieldKind.MULTI, FieldOf.ITEM, width=2),
        Field("tab", FieldKind.CATEGORICAL, FieldOf.CONTEXT),
    )
)
HIDDEN = 8


@dataclass(frozen=True)
class World:
    """Rows in order of time: examples, rewards, and what a model said that knows nobody's effect."""

    examples: Examples
    reward: Floats
    prediction: Prediction
    truth: Doubles

    def rows(self, start: int, stop: int) -> tuple[Examples, Prediction, Floats]:
        """The arguments of a write."""
        here = np.s_[start:stop]
        part = Prediction(self.prediction.logit[here], self.prediction.hidden[here])
        return self.examples.take(here), part, self.reward[here]


def examples(users: Ints, items: Ints, at: Ints) -> Examples:
    """Examples of ids; the genres and the tab follow from the item."""
    genres = hash_ids("genre", np.stack([items % 5, 5 + items % 3], 1).astype(str))
    genres[items % 2 == 0, 1] = 0
    columns = (hash_ids("user", users.astype(str)), hash_ids("item", items.astype(str)), genres)
    tab = hash_ids("tab", (items % 4).astype(str))
    keys = np.column_stack([*columns, tab])
    return Examples(keys, np.zeros((len(at), 0), np.float32), np.asarray(at, np.int64))


def world(rows: int, users: int = 60, items: int = 40, seed: int = 0, days: float = 20.0) -> World:
    """Effects of users (spread 1.2) and items (0.7) that the model does not know."""
    rng = np.random.default_rng(seed)
    user, item = rng.integers(0, users, rows), rng.integers(0, items, rows)
    base = rng.normal(0, 0.5, rows)
    truth = base + rng.normal(0, 1.2, users)[user] + rng.normal(0, 0.7, items)[item]
    at = np.sort(rng.integers(0, int(days * DAY), rows)) + 1_000 * DAY
    hidden = rng.normal(size=(users, HIDDEN))[user] + 0.2 * rng.normal(size=(rows, HIDDEN))
    reward = (rng.random(rows) < sigmoid(truth)).astype(np.float32)
    said = Prediction(base.astype(np.float32), np.maximum(hidden, 0).astype(np.float32))
    return World(examples(user, item, at), reward, said, truth)
