"""A window and a reference side by side, in columns whose distributions can be compared.

Ids have thousands of values, most of them rare, so their raw distribution drifts every week
and says nothing. They are read as *popularity*: how often the id occurs in the reference. The
reference is split for that: its sampled rows and the new rows are both counted in the other
rows, which makes the two exchangeable for traffic that did not change. (Counting a row in all
rows but itself looks alike and is not: on 150 steady pairs it called drift 64 times instead of once.)
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.domain import Doubles
from components.drift.drift_frame import USER, DriftFrame, sample_rows
from components.drift.reference import Reference

OTHER, MISSING, UNSEEN = "other", "missing", "unseen"
POPULARITY = (UNSEEN, "1 to 2", "3 to 9", "10 to 29", "30 to 99", "100 or more")
"""Names of the popularity buckets: occurrences of an id in the part of the reference it is counted in."""
SCORE = "score"
_EDGES = np.array([1, 3, 10, 30, 100])


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


def pair(current: DriftFrame, reference: Reference, size: int, top: int, seed: int) -> Pair:
    """At most `size` rows of the window, and those drawn of a reference.

    Categories beyond the `top` most frequent become one. If either side has no rows there is no column to compare.
    """
    drawn = reference.sample
    if not len(current) or not len(drawn):
        return EMPTY
    rows = sample_rows(len(current), size, seed)
    new, old = {}, {}
    for name in [name for name in current.ids if name in drawn.ids and name != USER]:
        counts = [reference.elsewhere(name, ids) for ids in (current.ids[name][rows], drawn.ids[name])]
        if all(np.isfinite(count).any() for count in counts):
            new[f"{name} popularity"], old[f"{name} popularity"] = map(_popularity, counts)
    for name in [name for name in current.categorical if name in drawn.categorical]:
        new[name], old[name] = top_categories(current.categorical[name][rows], drawn.categorical[name], top)
    numeric: dict[str, tuple[Doubles, Doubles]] = {}
    for name, (now, then) in _numbers(current, drawn).items():
        parts = now[rows].astype(np.float64), then.astype(np.float64)
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
    return {SCORE: (current.score, reference.score), **shared}


def _winsorised(now: Doubles, then: Doubles) -> tuple[Doubles, Doubles]:
    """Both clipped to the middle 99 % of both, infinities as nan: one outlier must not put all else into one bin."""
    now, then = (np.where(np.isfinite(part), part, np.nan) for part in (now, then))
    low, high = np.nanquantile(np.concatenate([now, then]), [0.005, 0.995])
    return np.clip(now, low, high), np.clip(then, low, high)


def _popularity(counts: Doubles) -> np.ndarray:
    """(n,) names of buckets; None where nobody counted."""
    names = np.array([*POPULARITY, None], dtype=object)
    bucket = np.searchsorted(_EDGES, counts, "right")
    return names[np.where(np.isfinite(counts), bucket, len(POPULARITY))]


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
