"""What is usual: a window in counts and a sample of its rows, both of which stay when its rows are gone.

All that tells a fault from drift compares a window with counts of a reference: how often each value occurs, how busy
the busiest user is, how much is repeated. They are exact and small, where a sample of the rows would be neither: in a
sample nobody comes twice, and every second id is missing. How a field is distributed, though, is read off a sample.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from components.domain import MISSING_KEY, Bools, Doubles, Ints, Keys
from components.drift.drift_frame import USER, DriftFrame

ITEM = "item"
MOST_VALUES = 1 << 18
"""Distinct values of a field that are kept, 3 MB of them: of more, every second, fourth, ... by their key."""
FEW = 50
"""Rows of a thinned field below which nobody can say how many are new."""


@dataclass(frozen=True, slots=True)
class Values:
    """Distinct values of a field, and how often each occurs, missing ones included where they have a key.

    `parts` is 1, or a power of two: only values whose key it divides are here.
    """

    value: np.ndarray
    count: Ints
    parts: int = 1

    @classmethod
    def of(cls, values: np.ndarray, most: int | None = None) -> "Values":
        """Of n rows; keys are thinned until there are at most `most`."""
        counts = pd.Series(values).value_counts(sort=False)
        found = cls(counts.index.to_numpy(), np.asarray(counts, np.int64))
        while most is not None and values.dtype == np.uint64 and len(found.value) > most:
            found = found.thinned(2 * found.parts)
        return found

    def thinned(self, parts: int) -> "Values":
        """The values of a thinner part."""
        if parts == self.parts:
            return self
        kept = self.value % np.uint64(parts) == 0
        return Values(self.value[kept], self.count[kept], parts)

    @property
    def there(self) -> Bools:
        """(v,) which values are none that stands for a missing one."""
        return self.value != MISSING_KEY if self.value.dtype == np.uint64 else np.ones(len(self.value), bool)

    def once(self, rows: int) -> float:
        """Share of the reference's `rows` whose value occurs once in it; of thinned values an estimate."""
        return float((self.count == 1).sum()) * self.parts / max(rows, 1)

    def unseen(self, *known: "Values") -> float:
        """Share of rows whose value is there and not among the known ones; nan where too few are left to say.

        >>> Values.of(np.array(["a", "a", "b", None], object)).unseen(Values.of(np.array(["b"], object)))
        0.6666666666666666
        """
        parts = max(values.parts for values in (self, *known))
        own = self.thinned(parts)
        there, others = own.there, [values.thinned(parts).value for values in known]
        rows = int(own.count[there].sum())
        if parts > 1 and rows < FEW:
            return float("nan")
        new = ~pd.Series(own.value[there]).isin(np.concatenate(others)).to_numpy(bool)
        return float(own.count[there][new].sum() / rows) if rows else 0.0

    def without(self, keys: Keys) -> "Values":
        """The same as if some keys had never been met."""
        kept = ~np.isin(self.value, keys)
        return Values(self.value[kept], self.count[kept], self.parts)


@dataclass(frozen=True, slots=True)
class Counts:
    """A window of `rows` impressions in figures.

    Attributes
    ----------
    matured, reward : rows whose reward is known, and their mean.
    busiest : largest share of one user. repeated : share of rows whose user was shown their item before.
    missing : field -> share of rows without a value. fields : of ids or categories, each with its values.
    ids : of those the fields that are ids. amount : median of what rewards were worth; 0 where they are no amounts.
    """

    rows: int
    matured: int
    reward: float
    busiest: float
    repeated: float
    missing: Mapping[str, float]
    fields: Mapping[str, Values]
    ids: tuple[str, ...]
    amount: float

    @classmethod
    def of(cls, frame: DriftFrame, most: int | None = MOST_VALUES) -> "Counts":
        """Of a frame; `most` as in `Values.of`."""
        known = frame.reward[np.isfinite(frame.reward)]
        return cls(
            rows=len(frame),
            matured=len(known),
            reward=float(known.mean()) if len(known) else float("nan"),
            busiest=_busiest(frame),
            repeated=repeated(frame),
            missing={name: missing(values) for name, values in frame.columns.items()},
            fields={name: Values.of(values, most) for name, values in frame.keyed.items()},
            ids=tuple(frame.ids),
            amount=middle(frame.amount),
        )

    def __len__(self) -> int:
        return self.rows


@dataclass(frozen=True, slots=True)
class Reference:
    """What a window is held against: a reference in counts, and rows drawn of it, with scores.

    At least half of its rows are not among those drawn: ids are counted there.
    """

    counts: Counts
    sample: DriftFrame

    def __len__(self) -> int:
        return self.counts.rows

    @property
    def score_spread(self) -> float:
        """Standard deviation of the scores, as the sample shows it; nan without one."""
        known = self.sample.score[np.isfinite(self.sample.score)]
        return float(known.std()) if len(known) else float("nan")

    def elsewhere(self, name: str, ids: np.ndarray) -> Doubles:
        """(n,) how often each of n ids of a field occurs in the rows that were not drawn; nan where nobody kept that.

        >>> frame = DriftFrame(np.zeros(4), np.zeros(4), ids={"item": np.array(["a", "b", "a", "b"])})
        >>> drawn = DriftFrame(np.zeros(1), np.zeros(1), ids={"item": np.array(["a"])})
        >>> Reference(Counts.of(frame), drawn).elsewhere("item", np.array(["a", "b", "c"]))
        array([1., 2., 0.])
        """
        known, there = self.counts.fields[name], Values.of(self.sample.ids[name])
        all_of, drawn = (pd.Series(values.count, index=values.value) for values in (known, there))
        asked = pd.Series(ids)
        found = np.asarray(asked.map(all_of).fillna(0) - asked.map(drawn).fillna(0), np.float64)
        return found if known.parts == 1 else np.where(ids % np.uint64(known.parts) == 0, found, np.nan)


def most_drawn(rows: int, size: int, *, ids: bool = True) -> int:
    """Rows that are drawn of a reference of so many, at most `size`: with ids half of them stay to be counted."""
    return min(size, max(1, rows // 2) if ids else rows)


def repeated(frame: DriftFrame) -> float:
    """Share of rows whose user was shown their item before."""
    if USER not in frame.ids or ITEM not in frame.ids or not len(frame):
        return 0.0
    user, item = (pd.factorize(frame.ids[name], use_na_sentinel=False) for name in (USER, ITEM))
    pairs = user[0] * len(item[1]) + item[0]
    pairs.sort()
    return float((pairs[1:] == pairs[:-1]).sum() / len(pairs))


def missing(values: np.ndarray) -> float:
    """Share of n values that are none."""
    none = values == MISSING_KEY if values.dtype == np.uint64 else pd.isna(values)
    return float(np.mean(none)) if len(values) else float("nan")


def middle(amount: Doubles | None) -> float:
    """Median of what was more than nothing; 0 where nothing was."""
    positive = np.empty(0) if amount is None else amount[np.isfinite(amount) & (amount > 0)]
    return float(np.median(positive)) if len(positive) else 0.0


def _busiest(frame: DriftFrame) -> float:
    if USER not in frame.ids or not len(frame):
        return 0.0
    return float(pd.Series(frame.ids[USER]).value_counts(normalize=True).max())
