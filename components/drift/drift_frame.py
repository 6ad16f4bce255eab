"""What drift is measured on: impressions with fields, the champion's score, and the reward.

Ids have thousands of values, most of them rare, so their raw distribution drifts every week
and says nothing. They are read as *popularity*: how often the id occurs in the reference. The
reference is split for that: its sampled rows and the new rows are both counted in the other
rows, which makes the two exchangeable for traffic that did not change. (Counting a row in all
rows but itself looks alike and is not: on 150 steady pairs it called drift 64 times instead of once.)
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from components.coded import Coded
from components.domain import Doubles, Examples, Ints
from components.feature_spec import FeatureSpec, FieldKind

USER = "user"
"""The id that has no popularity: `components.feature_spec.FeatureSpec` begins with it."""
OTHER, MISSING, UNSEEN = "other", "missing", "unseen"
POPULARITY = (UNSEEN, "1 to 2", "3 to 9", "10 to 29", "30 to 99", "100 or more")
"""Names of the popularity buckets: occurrences of an id in the part of the reference it is counted in."""
_EDGES = np.array([1, 3, 10, 30, 100])


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
    holdout_log_loss : for a champion's training window: what its training reported on held-out rows.
    logit : the champion's own, of its weights alone; None: as the score says.
    user : raw ids of the users, to name one by. amount : what a reward was worth, where rewards are amounts.
    """

    score: Doubles
    reward: Doubles
    ids: Mapping[str, np.ndarray] = field(default_factory=dict)
    categorical: Mapping[str, np.ndarray] = field(default_factory=dict)
    numeric: Mapping[str, np.ndarray] = field(default_factory=dict)
    holdout_log_loss: float | None = None
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
    def of(
        cls,
        examples: Examples,
        score: np.ndarray,
        reward: np.ndarray,
        spec: FeatureSpec,
        holdout_log_loss: float | None = None,
    ) -> "DriftFrame":
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
            holdout_log_loss=holdout_log_loss,
        )


@dataclass(frozen=True, slots=True)
class Pair:
    """A sample of the new window beside a sample of a reference, in columns that can be compared.

    Attributes
    ----------
    current, reference : the same columns; texts for categories and popularity, doubles for numbers.
    categorical, numeric : names of those columns.
    """

    current: pd.DataFrame
    reference: pd.DataFrame
    categorical: tuple[str, ...]
    numeric: tuple[str, ...]


EMPTY = Pair(pd.DataFrame(), pd.DataFrame(), (), ())
"""Nothing to compare."""


def logit_of(probability: Doubles) -> Doubles:
    """(n,) logits of probabilities, those of 0 and 1 finite."""
    inside = np.clip(probability, 1e-9, 1 - 1e-9)
    return np.asarray(np.log(inside / (1 - inside)))


def sample_rows(rows: int, size: int, seed: int) -> Ints:
    """(min(rows, size),) distinct row numbers, ascending; the same for the same arguments."""
    if rows <= size:
        return np.arange(rows)
    return np.sort(np.random.default_rng(seed).choice(rows, size, replace=False))


def pair(current: DriftFrame, reference: DriftFrame, size: int, top: int, seed: int) -> Pair:
    """Samples of at most `size` rows of each; categories beyond the `top` most frequent become one.

    With ids, at least half of the reference stays out of its sample: ids are counted there.
    If either side has no rows there is no column to compare.
    """
    if not len(current) or not len(reference):
        return EMPTY
    at_current = sample_rows(len(current), size, seed)
    half = max(1, len(reference) // 2) if reference.ids else len(reference)
    at_reference = sample_rows(len(reference), min(size, half), seed + 1)
    new, old = {}, {}
    for name in [name for name in current.ids if name in reference.ids and name != USER]:
        label = f"{name} popularity"
        new[label], old[label] = _popularity(current.ids[name], reference.ids[name], at_current, at_reference)
    for name in [name for name in current.categorical if name in reference.categorical]:
        now, then = current.categorical[name][at_current], reference.categorical[name][at_reference]
        new[name], old[name] = top_categories(now, then, top)
    numeric: dict[str, tuple[Doubles, Doubles]] = {}
    for name, (now, then) in _numbers(current, reference).items():
        parts = now[at_current].astype(np.float64), then[at_reference].astype(np.float64)
        known = [np.isfinite(part) for part in parts]
        if not all(k.all() for k in known):
            new[f"{name} known"], old[f"{name} known"] = (np.where(k, "yes", "no").astype(object) for k in known)
        if all(k.any() for k in known):
            numeric[name] = _winsorised(*parts)
    return Pair(
        pd.DataFrame(new | {name: now for name, (now, _) in numeric.items()}),
        pd.DataFrame(old | {name: then for name, (_, then) in numeric.items()}),
        tuple(new),
        tuple(numeric),
    )


def _numbers(current: DriftFrame, reference: DriftFrame) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    shared = {
        name: (current.numeric[name], reference.numeric[name]) for name in current.numeric if name in reference.numeric
    }
    return {"score": (current.score, reference.score), **shared}


def _winsorised(now: Doubles, then: Doubles) -> tuple[Doubles, Doubles]:
    """Both clipped to the middle 99 % of both, infinities as nan: one outlier must not put all else into one bin."""
    now, then = (np.where(np.isfinite(part), part, np.nan) for part in (now, then))
    low, high = np.nanquantile(np.concatenate([now, then]), [0.005, 0.995])
    return np.clip(now, low, high), np.clip(then, low, high)


def occurrences(ids: np.ndarray, reference: np.ndarray) -> Ints:
    """(n,) how often each id occurs in `reference`.

    >>> occurrences(np.array(["a", "b", "z"]), np.array(["a", "a", "b"]))
    array([2, 1, 0])
    """
    counts = pd.Series(reference).value_counts()
    return np.asarray(pd.Series(ids).map(counts).fillna(0), np.int64)


def _popularity(now: np.ndarray, then: np.ndarray, at_now: Ints, at_then: Ints) -> tuple[np.ndarray, np.ndarray]:
    names, rest = np.array(POPULARITY, dtype=object), np.delete(then, at_then)
    counts = [occurrences(values, rest) for values in (now[at_now], then[at_then])]
    return names[np.searchsorted(_EDGES, counts[0], "right")], names[np.searchsorted(_EDGES, counts[1], "right")]


def top_categories(now: np.ndarray, then: np.ndarray, top: int) -> tuple[np.ndarray, np.ndarray]:
    """Texts of both: the `top` most frequent values of both together by name, the rest as "other".

    >>> top_categories(np.array(["a", "b"]), np.array(["a", "c", "c", None]), top=2)
    (array(['a', 'other'], dtype=object), array(['a', 'c', 'c', 'missing'], dtype=object))
    """
    texts = [_texts(values) for values in (now, then)]
    counts = pd.concat([t[t != MISSING] for t in texts]).value_counts()
    kept = counts.sort_index().sort_values(ascending=False, kind="stable").index[:top]
    new, old = (t.where(t.isin([*kept, MISSING]), OTHER).to_numpy(object) for t in texts)
    return new, old


def _texts(values: np.ndarray) -> pd.Series:
    """Values as texts; keys (uint64) as hexadecimal, `MISSING_KEY` and None as missing.

    Angle brackets become single guillemets: Evidently writes names of categories into its page as they are.
    """
    if values.dtype == np.uint64:
        return pd.Series([f"{key:016x}" if key else MISSING for key in values.tolist()], dtype=object)
    series = pd.Series(values, dtype=object)
    texts = series.astype(str).str.replace("<", "\u2039").str.replace(">", "\u203a")
    return texts.astype(object).where(series.notna(), MISSING)
