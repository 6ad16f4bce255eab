"""What drift is measured on: impressions with fields, the champion's score, and the reward."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from components.coded import Coded
from components.domain import Doubles, Examples, Ints
from components.feature_spec import FeatureSpec, FieldKind

USER = "user"
"""The id that has no popularity: `components.feature_spec.FeatureSpec` begins with it."""


@dataclass(frozen=True, slots=True)
class DriftFrame:
    """n impressions; every column has n values.

    Attributes
    ----------
    score : probability the champion (with what it served) gave before the outcome; nan: none.
    reward : in [0, 1]; nan: not matured.
    ids : field -> raw ids or keys of fields with many values, such as user and item.
    categorical : field -> values of fields with few values (None or `MISSING_KEY`: missing).
    numeric : field -> numbers, nan: missing.
    logit : the champion's own, of its weights alone; None: as the score says.
    user : raw ids of the users, to name one by. amount : what a reward was worth, where rewards are amounts.
    """

    score: Doubles
    reward: Doubles
    ids: Mapping[str, np.ndarray] = field(default_factory=dict)
    categorical: Mapping[str, np.ndarray] = field(default_factory=dict)
    numeric: Mapping[str, np.ndarray] = field(default_factory=dict)
    logit: Doubles | None = None
    user: np.ndarray | Coded | None = None
    amount: Doubles | None = None

    def __post_init__(self) -> None:
        columns = {"reward": self.reward, **self.ids, **self.categorical, **self.numeric}
        for name, values in columns.items():
            if len(values) != len(self.score):
                raise ValueError(f"column {name} has {len(values)} rows; allowed are the {len(self.score)} of score")

    def __len__(self) -> int:
        return len(self.score)

    @property
    def own_logit(self) -> Doubles:
        """(n,) logits of the weights alone, as far as they are at hand."""
        return logit_of(self.score) if self.logit is None else self.logit

    @property
    def keyed(self) -> Mapping[str, np.ndarray]:
        """Columns whose values are ids or categories."""
        return {**self.ids, **self.categorical}

    @property
    def columns(self) -> Mapping[str, np.ndarray]:
        """Every field."""
        return {**self.keyed, **self.numeric}

    @classmethod
    def concat(cls, parts: Sequence["DriftFrame"]) -> "DriftFrame":
        """Rows of all parts, in order. There is one part at least, all have the same columns, and no user is named."""

        def joined(of: Callable[["DriftFrame"], np.ndarray | None]) -> np.ndarray | None:
            columns = [column for column in map(of, parts) if column is not None]
            return np.concatenate(columns) if columns else None

        def fields(of: Callable[["DriftFrame"], Mapping[str, np.ndarray]]) -> dict[str, np.ndarray]:
            return {name: np.concatenate([of(part)[name] for part in parts]) for name in of(parts[0])}

        return cls(
            score=np.concatenate([part.score for part in parts]),
            reward=np.concatenate([part.reward for part in parts]),
            ids=fields(lambda part: part.ids),
            categorical=fields(lambda part: part.categorical),
            numeric=fields(lambda part: part.numeric),
            logit=joined(lambda part: part.logit),
            amount=joined(lambda part: part.amount),
        )

    @classmethod
    def of(cls, examples: Examples, score: np.ndarray, reward: np.ndarray, spec: FeatureSpec) -> "DriftFrame":
        """From encoded examples: ids and categories are then their keys; of a multi-valued field the first value.

        The columns are copies: examples are larger, and go. A field that shares another's ids, such as a user's recent
        items, is left out: they are looked at there.
        """
        own = [f for f in spec.keyed if f.shares is None]
        first = {f.name: np.ascontiguousarray(examples.keys[:, spec.columns[f.name].start]) for f in own}
        return cls(
            score=np.asarray(score, np.float64),
            reward=np.asarray(reward, np.float64),
            ids={f.name: first[f.name] for f in own if f.kind is FieldKind.ID},
            categorical={f.name: first[f.name] for f in own if f.kind is not FieldKind.ID},
            numeric={f.name: np.ascontiguousarray(examples.numeric[:, at]) for at, f in enumerate(spec.numeric)},
        )


def logit_of(probability: Doubles) -> Doubles:
    """(n,) logits of probabilities, those of 0 and 1 finite."""
    inside = np.clip(probability, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(inside / (1 - inside)))


def sample_rows(rows: int, size: int, seed: int) -> Ints:
    """(min(rows, size),) distinct row numbers, ascending; the same for the same arguments."""
    if rows <= size:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, size, replace=False))
