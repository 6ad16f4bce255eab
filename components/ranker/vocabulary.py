"""Which id owns which row of the table: grow, admit, expire, remember nothing else.

Rows: 0 is "no value" and stays zero; then one out-of-vocabulary row per vocabulary (fields
that share ids share a vocabulary); then the admitted ids in the order in which the data
first showed them. A row whose id expired is free until the next admission takes it,
lowest row first, so that a table follows the ids that are alive, not all there ever were.

After Monolith (Liu et al. 2022, section 2.1): collision-free, admission by occurrence,
expiry by inactivity. Time is data time; reading never changes anything.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields

import numpy as np

from components.domain import MISSING_KEY, Bools, Ints, Keys
from components.ranker.key_index import KeyIndex, Slots
from components.ranker.layered import Layered

MISSING_ROW = 0
LOOKED_AT_ONCE = 1 << 20
"""Rows of a look through all of them that are held at a time."""


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

    @classmethod
    def blank(cls, size: int) -> "Seen":
        """Entries in which no id lives."""
        return cls(np.zeros(size, np.uint64), *(np.zeros(size, np.int64) for _ in range(4)))

    @classmethod
    def of(cls, rows: Ints) -> "Seen":
        """From (m, 5) numbers, a column for each array."""
        keys, *rest = (np.ascontiguousarray(column) for column in rows.T)
        return cls(keys.view(np.uint64), *rest)

    def numbers(self) -> Ints:
        """(m, 5) what `of` reads."""
        return np.stack([self.keys.view(np.int64), self.shared, self.count, self.first, self.last], 1)

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


KEY, SHARED, COUNT, FIRST, LAST = range(len(fields(Seen)))
"""Columns of `Seen.numbers`."""


class Vocabulary:
    """Key -> row, with what decides about admission and expiry.

    Parameters
    ----------
    vocabularies : number of vocabularies, A; rows 1 to A are their out-of-vocabulary rows.
    """

    def __init__(self, vocabularies: int) -> None:
        self.vocabularies = vocabularies
        self.candidates = Seen.blank(0)
        self.layers = Layered.whole(Seen.blank(1 + vocabularies).numbers())
        self._index = KeyIndex()

    @classmethod
    def restore(cls, vocabularies: int, by_row: Seen, candidates: Seen) -> "Vocabulary":
        """From saved arrays: `by_row` has one entry per row, `MISSING_KEY` where no id lives."""
        vocabulary = cls(vocabularies)
        vocabulary.layers, vocabulary.candidates = Layered.whole(by_row.numbers()), candidates
        vocabulary._reindex()
        return vocabulary

    @classmethod
    def on_base(cls, vocabularies: int, layers: Layered[np.int64], slots: Slots, candidates: Seen) -> "Vocabulary":
        """From saved layers: (rows, 5) numbers, and the index of their base."""
        vocabulary = cls(vocabularies)
        base = layers.base[:, KEY].view(np.uint64)
        vocabulary.layers, vocabulary.candidates, vocabulary._index = layers, candidates, KeyIndex(base, slots)
        changed = layers.changed
        new = layers.take(changed)[:, KEY].view(np.uint64)
        old = np.zeros(len(changed), np.uint64)
        known = changed < len(base)
        old[known] = base[changed[known]]
        moved = old != new
        vocabulary._index.drop(old[moved & (old != MISSING_KEY)])
        settled = moved & (new != MISSING_KEY)
        vocabulary._index.place(new[settled], changed[settled])
        return vocabulary

    @property
    def index(self) -> KeyIndex:
        """Which row each key has."""
        return self._index

    def copy(self) -> "Vocabulary":
        """An independent copy."""
        twin = Vocabulary(self.vocabularies)
        twin.layers, twin.candidates = self.layers.copy(), self.candidates.copy()
        twin._index = self._index.copy()
        return twin

    @property
    def by_row(self) -> Seen:
        """One entry per row, `MISSING_KEY` where no id lives: a copy."""
        return Seen.of(self.layers.take(np.arange(self.rows)))

    @property
    def keys(self) -> Keys:
        """(rows,) key of each row, a copy."""
        return self.layers.column(KEY).view(np.uint64)

    @property
    def rows(self) -> int:
        """Rows a table needs: reserved, admitted and free ones."""
        return self.layers.rows

    @property
    def admitted(self) -> int:
        """Ids that own a row now."""
        return sum(int(np.count_nonzero(keys)) for _, keys in self._looked_through())

    def seen(self, rows: Ints) -> Seen:
        """The entries of `rows`."""
        return Seen.of(self.layers.take(rows))

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
        places = self.layers.claim(rows[known])
        np.add.at(self.layers.own[:, COUNT], places, 1)
        np.maximum.at(self.layers.own[:, LAST], places, when[known])
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
        expired_rows, expired = self._stale(oldest, floor)
        self._clear(expired_rows, expired.keys)
        waiting = self.candidates.take(self.candidates.last >= oldest)
        enough = waiting.count >= admission_count
        admitted = Seen.of(self._of_all(waiting.take(enough).numbers()))
        admitted = admitted.take(np.lexsort((admitted.keys, admitted.first)))
        self.candidates = waiting.take(~enough)
        return Turnover(admitted, self._settle(admitted), expired, expired_rows)

    def overwrite(self, rows: Ints, ids: Seen) -> None:
        """Let `ids` own `rows` (m,) from now on, `MISSING_KEY` where nobody does; the table grows up to the last."""
        self.layers.resize(max(self.rows, int(rows.max(initial=-1)) + 1))
        before = self.layers.take(rows)[:, KEY].view(np.uint64)
        self.layers.put(rows, ids.numbers())
        if not self._index.has_base:
            self._reindex()
            return
        moved = before != ids.keys
        self._index.drop(before[moved & (before != MISSING_KEY)])
        settled = moved & (ids.keys != MISSING_KEY)
        self._index.place(ids.keys[settled], rows[settled])

    def forget(self, keys: Keys) -> Ints:
        """Let some ids go, admitted or waiting; the rows that are free now."""
        mine = self.keys
        rows = np.flatnonzero(np.isin(mine, keys[keys != MISSING_KEY]))
        self.candidates = self.candidates.take(~np.isin(self.candidates.keys, keys))
        self._clear(rows, mine[rows])
        return rows

    def base_knows(self, keys: Keys) -> bool:
        """Whether the base has a row of one of `keys`, and be it one that was freed since."""
        return bool(np.isin(self.layers.base[:, KEY].view(np.uint64), keys).any())

    def _stale(self, oldest: int, floor: int) -> tuple[Ints, Seen]:
        """The rows, ascending, of ids last seen before `oldest`, without the latest `floor` of all; and the ids."""
        alive, found_here = 0, [np.empty(0, np.int64)]
        for at, keys in self._looked_through():
            alive += int(np.count_nonzero(keys))
            old = np.flatnonzero((keys != MISSING_KEY) & (self.layers.column(LAST, at) < oldest))
            found_here.append(at.start + old[self._counted(keys[old])])
        mine = np.concatenate(found_here)
        found = self._of_all(np.column_stack([mine, self.layers.take(mine)]))
        rows, stale = found[:, 0], Seen.of(found[:, 1:])
        spare = min(len(stale), max(0, alive - floor))
        chosen = np.lexsort((stale.keys, stale.last))[:spare]
        chosen = chosen[np.argsort(rows[chosen])]
        return rows[chosen], stale.take(chosen)

    def _counted(self, keys: Keys) -> Bools:
        """Whose appearances are counted here: everybody's, unless a vocabulary is shared out among several."""
        return np.ones(len(keys), bool)

    def _of_all(self, numbers: Ints) -> Ints:
        """(m, k) what is found of ids that are counted here, with what others found of theirs."""
        return numbers

    def _settle(self, ids: Seen) -> Ints:
        free = self._free(len(ids))
        rows = np.concatenate([free, np.arange(self.rows, self.rows + len(ids) - len(free))])
        self.layers.resize(self.rows + len(ids) - len(free))
        self.layers.put(rows, ids.numbers())
        self._index.place(ids.keys, rows)
        return rows

    def _free(self, many: int) -> Ints:
        """The first rows in which no id lives, `many` of them if there are so many."""
        found = np.empty(0, np.int64)
        for at, keys in self._looked_through():
            if len(found) >= many:
                break
            free = at.start + np.flatnonzero(keys == MISSING_KEY)
            found = np.concatenate([found, free[free > self.vocabularies]])
        return found[:many]

    def _looked_through(self) -> Iterator[tuple[slice, Keys]]:
        """All rows, a stretch after the other, and their keys: those of all in one piece are 8 bytes a row."""
        for start in range(0, self.rows, LOOKED_AT_ONCE):
            at = slice(start, start + LOOKED_AT_ONCE)
            yield at, self.layers.column(KEY, at).view(np.uint64)

    def _clear(self, rows: Ints, keys: Keys) -> None:
        """Make `rows`, in which `keys` live, free."""
        if not len(rows):
            return
        self.layers.put(rows, 0)
        if self._index.has_base:
            self._index.drop(keys)
        else:
            self._reindex()

    def _reindex(self) -> None:
        keys = self.keys
        rows = np.flatnonzero(keys)
        self._index = KeyIndex()
        self._index.place(keys[rows], rows)
