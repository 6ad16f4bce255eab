"""A vocabulary of fixed size: ids share buckets, memory never grows.

With one hash function an id is lost in its bucket's crowd; with two its embedding is the
sum of two buckets, and two ids are confused only if they share both. The share of ids
that are, with B buckets and n ids, follows

    collision = 1 - distinct / n      distinct = K (1 - (1 - 1/K)^n),   K = B  or about  B^2 / 2

Dereventsov et al., RecSys 2021 (arXiv 2107.07106), section on non-stationary embeddings;
Svenstrup, Hansen, Winther, NeurIPS 2017 (several hash functions). Nothing is admitted
and nothing expires: a stale id's bucket is simply somebody else's by now.
"""

from typing import TypeAlias

import numpy as np

from components.domain import MISSING_KEY, Ints, Keys
from components.feature_spec import FeatureSpec
from components.ranker.features import cross_keys
from components.ranker.settings import RankerSettings
from components.ranker.vocabulary import MISSING_ROW, Seen, Turnover, Vocabulary

FUNCTIONS = {"hashed": 1, "double_hashed": 2}
"""Hash functions of each kind of hashed table."""


def buckets_of(keys: Keys, buckets: int, functions: int) -> Ints:
    """(..., functions) bucket of each key under each hash function; -1 for `MISSING_KEY`."""
    hashed = [cross_keys(keys, np.full(1, probe + 1, np.uint64)) % np.uint64(buckets) for probe in range(functions)]
    return np.where((keys == MISSING_KEY)[..., None], -1, np.stack(hashed, -1).astype(np.int64))


def collision_rate(keys: Keys, buckets: int, functions: int) -> float:
    """``1 - distinct / n`` over n distinct keys; distinct counts sets of buckets, as a sum has no order.

    >>> collision_rate(np.arange(1, 5, dtype=np.uint64), 1, 1)
    0.75
    """
    sets = np.sort(buckets_of(keys, buckets, functions), -1)
    return 1 - len(np.unique(sets, axis=0)) / len(keys)


def expected_collision_rate(ids: int, buckets: int, functions: int) -> float:
    """The mean of `collision_rate` over random hash functions.

    Of two functions an unordered pair {a, b} is hit with probability 2 / B^2, a twin
    {a, a} with 1 / B^2, by each id.

    >>> round(expected_collision_rate(1000, 1000, 1), 4), round(expected_collision_rate(1000, 1000, 2), 4)
    (0.3677, 0.001)
    """
    if functions == 1:
        return float(1 - buckets * -np.expm1(ids * np.log1p(-1 / buckets)) / ids)
    pairs, twins = buckets * (buckets - 1) / 2, buckets
    hit_pairs = pairs * -np.expm1(ids * np.log1p(-2 / buckets**2))
    hit_twins = twins * -np.expm1(ids * np.log1p(-1 / buckets**2))
    return float(1 - (hit_pairs + hit_twins) / ids)


class HashedVocabulary:
    """Answers what a `Vocabulary` answers, without remembering a single id."""

    def __init__(self, vocabularies: int, buckets: int, functions: int) -> None:
        self.vocabularies, self.buckets, self.functions = vocabularies, buckets, functions
        self.rows = 1 + vocabularies + buckets
        self.by_row, self.candidates = Seen.blank(0), Seen.blank(0)
        self.admitted = 0

    def copy(self) -> "HashedVocabulary":
        """Itself: nothing in it ever changes."""
        return self

    def find(self, keys: Keys, shared: Ints) -> Ints:
        """(n, C functions) rows of (n, C) keys, the rows of one key side by side."""
        hashed = buckets_of(keys, self.buckets, self.functions)
        return np.where(hashed < 0, MISSING_ROW, hashed + 1 + self.vocabularies).reshape(len(keys), -1)

    def observe(self, keys: Keys, at: Ints, shared: Ints) -> None:
        """Nothing to remember."""

    def forget(self, keys: Keys) -> Ints:
        """No row is anybody's own."""
        return np.empty(0, np.int64)

    def turn_over(self, admission_count: int, oldest: int, floor: int) -> Turnover:
        """Nothing comes, nothing goes."""
        nobody, nowhere = Seen.blank(0), np.empty(0, np.int64)
        return Turnover(nobody, nowhere, nobody, nowhere)


AnyVocabulary: TypeAlias = Vocabulary | HashedVocabulary


def empty_vocabulary(spec: FeatureSpec, settings: RankerSettings) -> AnyVocabulary:
    """The vocabulary a fresh model starts with."""
    if settings.table == "exact":
        return Vocabulary(len(spec.vocabularies))
    return HashedVocabulary(len(spec.vocabularies), settings.buckets, FUNCTIONS[settings.table])
