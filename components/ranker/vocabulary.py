"""Which id owns which row of the table: grow, admit, expire, remember nothing else.

Rows: 0 is "no value" and stays zero; then one out-of-vocabulary row per vocabulary (fields
that share ids share a vocabulary); then the admitted ids in the order in which the data
first showed them. A row whose id expired is free until the next admission takes it,
lowest row first, so that a table follows the ids that are alive, not all there ever were.

After Monolith (Liu et al. 2022, section 2.1): collision-free, admission by occurrence,
expiry by inactivity. Time is data time; reading never changes anything.
"""

from dataclasses import dataclass, fields

import numpy as np

from components.domain import MISSING_KEY, Ints, Keys
from components.ranker.key_table import KeyTable

MISSING_ROW = 0


@dataclass(frozen=True, slots=True)
class Seen:
    """What the log showed of some distinct ids: parallel arrays, one entry per key.

    `shared` (m,) whose ids they are; `count` (m,) appearances; `first` and `last` (m,)
    microseconds of the first and the latest appearance.
    """

    keys: Keys
    shared: Ints
    count: Ints
    first: Ints
    last: Ints

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, index: np.ndarray) -> "Seen":
        """The entries at `index`."""
        return Seen(*(getattr(self, f.name)[index] for f in fields(self)))

    def copy(self) -> "Seen":
        """An independent copy."""
        return Seen(*(getattr(self, f.name).copy() for f in fields(self)))

    def put(self, index: Ints, entries: "Seen") -> None:
        """Overwrite the entries at `index`."""
        for f in fields(self):
            getattr(self, f.name)[index] = getattr(entries, f.name)

    def clear(self, index: Ints) -> None:
        """Make the entries at `index` blank."""
        self.put(index, Seen.blank(len(index)))

    @classmethod
    def blank(cls, size: int) -> "Seen":
        """Entries in which no id lives."""
        return cls(np.zeros(size, np.uint64), *(np.zeros(size, np.int64) for _ in range(4)))

    @classmethod
    def concat(cls, a: "Seen", b: "Seen") -> "Seen":
        """The entries of both, in order."""
        return cls(*(np.concatenate([getattr(a, f.name), getattr(b, f.name)]) for f in fields(cls)))

    @classmethod
    def merge(cls, a: "Seen", b: "Seen") -> "Seen":
        """Both, an id that is in both once, sorted by key."""
        both = cls.concat(a, b)
        if not len(both):
            return both
        order = np.argsort(both.keys, kind="stable")
        both = both.take(order)
        start = np.flatnonzero(np.r_[True, both.keys[1:] != both.keys[:-1]])
        return cls(
            both.keys[start],
            both.shared[start],
            np.add.reduceat(both.count, start),
            np.minimum.reduceat(both.first, start),
            np.maximum.reduceat(both.last, start),
        )


@dataclass(frozen=True, slots=True)
class Turnover:
    """What one update did to a vocabulary.

    `admitted` got a row (`admitted_rows`), `expired` lost theirs (`expired_rows`).
    """

    admitted: Seen
    admitted_rows: Ints
    expired: Seen
    expired_rows: Ints


class Vocabulary:
    """Key -> row, with what decides about admission and expiry.

    Parameters
    ----------
    vocabularies : number of vocabularies, A; rows 1 to A are their out-of-vocabulary rows.
    """

    def __init__(self, vocabularies: int) -> None:
        self.vocabularies = vocabularies
        self.by_row = Seen.blank(1 + vocabularies)
        self.candidates = Seen.blank(0)
        self._index = KeyTable()

    @classmethod
    def restore(cls, vocabularies: int, by_row: Seen, candidates: Seen) -> "Vocabulary":
        """From saved arrays: `by_row` has one entry per row, `MISSING_KEY` where no id lives."""
        vocabulary = cls(vocabularies)
        vocabulary.by_row, vocabulary.candidates = by_row, candidates
        vocabulary._reindex()
        return vocabulary

    def copy(self) -> "Vocabulary":
        """An independent copy."""
        twin = Vocabulary(self.vocabularies)
        twin.by_row, twin.candidates = self.by_row.copy(), self.candidates.copy()
        twin._index = self._index.copy()
        return twin

    @property
    def rows(self) -> int:
        """Rows a table needs: reserved, admitted and free ones."""
        return len(self.by_row)

    @property
    def admitted(self) -> int:
        """Ids that own a row now."""
        return len(self._index)

    def find(self, keys: Keys, shared: Ints) -> Ints:
        """Row of each key; a key without a row reads its shared's out-of-vocabulary row.

        Parameters
        ----------
        keys : (n, C); shared : (C,) vocabulary of each column.
        """
        rows = self._index.find(keys)
        unknown = rows < 0
        if unknown.any():
            rows = np.where(unknown, np.where(keys == MISSING_KEY, MISSING_ROW, 1 + shared), rows)
        return rows

    def observe(self, keys: Keys, at: Ints, shared: Ints) -> None:
        """Count what a window showed: known ids in place, the others as candidates.

        Parameters
        ----------
        keys : (n, C); at : (n,) microseconds; shared : (C,).
        """
        rows = self._index.find(keys)
        when = np.broadcast_to(at[:, None], keys.shape)
        known = rows >= 0
        np.add.at(self.by_row.count, rows[known], 1)
        np.maximum.at(self.by_row.last, rows[known], when[known])
        new = ~known & (keys != MISSING_KEY)
        whose = np.broadcast_to(shared, keys.shape)[new]
        fresh = Seen(keys[new], whose, np.ones(len(whose), np.int64), when[new], when[new])
        self.candidates = Seen.merge(self.candidates, fresh)

    def turn_over(self, admission_count: int, oldest: int, floor: int) -> Turnover:
        """Expire ids last seen before `oldest`, but keep the latest `floor`; then admit candidates.

        Parameters
        ----------
        admission_count : appearances a candidate needs.
        oldest : microseconds; candidates not seen since then are forgotten as well.
        """
        expired_rows = self._stale(oldest, floor)
        expired = self.by_row.take(expired_rows)
        if len(expired_rows):
            self.by_row.clear(expired_rows)
            self._reindex()
        waiting = self.candidates.take(self.candidates.last >= oldest)
        enough = waiting.count >= admission_count
        admitted = waiting.take(enough)
        admitted = admitted.take(np.lexsort((admitted.keys, admitted.first)))
        self.candidates = waiting.take(~enough)
        return Turnover(admitted, self._settle(admitted), expired, expired_rows)

    def forget(self, keys: Keys) -> Ints:
        """Let some ids go, admitted or waiting; the rows that are free now."""
        rows = np.flatnonzero(np.isin(self.by_row.keys, keys[keys != MISSING_KEY]))
        self.candidates = self.candidates.take(~np.isin(self.candidates.keys, keys))
        if len(rows):
            self.by_row.clear(rows)
            self._reindex()
        return rows

    def _stale(self, oldest: int, floor: int) -> Ints:
        rows = np.flatnonzero(self.by_row.keys)
        stale = rows[self.by_row.last[rows] < oldest]
        spare = min(len(stale), max(0, len(rows) - floor))
        order = np.lexsort((self.by_row.keys[stale], self.by_row.last[stale]))
        return np.sort(stale[order[:spare]])

    def _settle(self, ids: Seen) -> Ints:
        reserved = 1 + self.vocabularies
        free = reserved + np.flatnonzero(self.by_row.keys[reserved:] == MISSING_KEY)[: len(ids)]
        rows = np.concatenate([free, np.arange(self.rows, self.rows + len(ids) - len(free))])
        self.by_row = Seen.concat(self.by_row, Seen.blank(len(ids) - len(free)))
        self.by_row.put(rows, ids)
        self._index.place(ids.keys, rows)
        return rows

    def _reindex(self) -> None:
        rows = np.flatnonzero(self.by_row.keys)
        self._index = KeyTable()
        self._index.place(self.by_row.keys[rows], rows)
