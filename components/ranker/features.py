"""Raw ids to keys: the one place where a value of the log becomes model input.

A key is a 64-bit hash of ``(field, value)``. Hashing happens before the vocabulary, so
that the vocabulary, the memory and the policy share one vocabulary, no id needs a central
registry, and what an id means never depends on which generation saw it first. With 64
bits a million ids collide with probability 3e-8 (birthday bound n^2 / 2^65); rows are
still exact, because the vocabulary maps each key to a row of its own.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TypeAlias

import numpy as np
import pandas as pd

from components.coded import Coded
from components.domain import DAY, HOUR, MISSING_KEY, Examples, Floats, Ints, Keys
from components.feature_spec import FeatureSpec, Field, FieldKind, FieldOf
from components.ranker.splitmix import GOLDEN, mix

CLOCK_FIELDS = ("hour", "weekday")
"""Context fields that are read off the clock (UTC) instead of the log."""
FEW_HASHES = 64
"""Up to so many values are hashed one by one; a call of pandas' hash costs as much as fifty known values."""
FEW = 1_000
"""Up to so many ids are looked up one by one, as a request asks; pandas' look-up of 100 ids costs ten times that."""
AT_ONCE = 1 << 17
"""Rows whose keys are copied at a time."""
RECENT = "recent"
"""The context field of what the user liked last: filled from outcomes, where the log does not bring it."""


def hash_ids(field: str, values: Sequence[str | None] | np.ndarray) -> Keys:
    """Keys of raw values of one field, shape as given; missing values get `MISSING_KEY`.

    >>> hash_ids("user", ["7", "8", None])
    array([16297357102078223265, 15637745798954705586,                    0],
          dtype=uint64)
    """
    raw = np.asarray(values, dtype=object)
    flat = raw.ravel()
    if len(flat) <= FEW_HASHES:
        return np.array([_key(field, value) for value in flat], np.uint64).reshape(raw.shape)
    return _hashed(field, flat).reshape(raw.shape)


def _hashed(field: str, flat: np.ndarray) -> Keys:
    missing = pd.isna(flat)
    salt = hashlib.blake2b(field.encode(), digest_size=8).hexdigest()
    text = np.where(missing, "", flat.astype(str)).astype(object)
    keys = pd.util.hash_array(text, hash_key=salt, categorize=len(text) > 1000).astype(np.uint64)
    keys[keys == MISSING_KEY] = np.uint64(1)
    keys[missing] = MISSING_KEY
    return keys


@lru_cache(1 << 16, typed=True)
def _key(field: str, value: object) -> int:
    """`hash_ids` of one value, remembered: requests ask for the same few over and over."""
    return int(_hashed(field, np.array([value], object))[0])


def cross_keys(*columns: Keys) -> Keys:
    """Key of a combination of keys, elementwise (broadcast); missing if any part is.

    The mix is splitmix64's finaliser over the running combination.
    """
    mixed = np.zeros(np.broadcast_shapes(*(c.shape for c in columns)), np.uint64)
    missing = np.zeros(mixed.shape, bool)
    with np.errstate(over="ignore"):
        for column in columns:
            mixed = mix((mixed ^ column) + GOLDEN)
            missing |= column == MISSING_KEY
    mixed[mixed == MISSING_KEY] = np.uint64(1)
    mixed[missing] = MISSING_KEY
    return mixed


def hash_lists(field: Field, values: Sequence[Sequence[str] | None] | np.ndarray) -> Keys:
    """Keys of a multi-valued field, (n, width): the first `width` values, padded with `MISSING_KEY`."""
    keys = np.full((len(values), field.width), MISSING_KEY, np.uint64)
    lists = [[] if v is None else list(v)[: field.width] for v in values]
    lengths = np.array([len(v) for v in lists], np.int64)
    flat = hash_ids(field.vocabulary, [value for v in lists for value in v])
    row = np.repeat(np.arange(len(lists)), lengths)
    within = np.arange(len(flat)) - np.repeat(np.cumsum(lengths) - lengths, lengths)
    keys[row, within] = flat
    return keys


@dataclass(frozen=True)  # no slots: what follows from the ids is worked out once
class Attributes:
    """What is known of users, or of items: one row per id, and a last row of "nothing known".

    Attributes
    ----------
    ids : raw ids, unique, m of them.
    keys : field name -> (m + 1, width) keys; numeric: field name -> (m + 1,) float32.
    """

    ids: pd.Index
    keys: Mapping[str, Keys]
    numeric: Mapping[str, Floats]

    @classmethod
    def build(cls, frame: pd.DataFrame, id_column: str, spec: FeatureSpec, of: FieldOf) -> "Attributes":
        """From a frame with one column per field of `of`, apart from the id itself, which is `id_column`."""
        keys: dict[str, Keys] = {}
        numeric: dict[str, Floats] = {}
        for field in spec.fields:
            if field.of is not of or (field.kind is FieldKind.ID and field.name == of.value):
                continue
            values = frame[field.name].to_numpy()
            if field.kind is FieldKind.NUMERIC:
                numeric[field.name] = np.append(values.astype(np.float32), np.float32(np.nan))
            elif field.kind is FieldKind.MULTI:
                keys[field.name] = np.vstack([hash_lists(field, values), np.zeros((1, field.width), np.uint64)])
            else:
                keys[field.name] = np.append(hash_ids(field.vocabulary, values), MISSING_KEY)[:, None]
        return cls(pd.Index(frame[id_column].astype(str), dtype=object), keys, numeric)

    def changed(self, other: "Attributes") -> "Attributes":
        """With what `other` knows; its ids replace those that are here, or are appended. Costs a copy."""
        place = {id_: row for row, id_ in enumerate(other.ids)}
        new = [id_ for id_ in other.ids if id_ not in self._row_of]
        row_of = {**self._row_of, **{id_: len(self.ids) + n for n, id_ in enumerate(new)}}
        there = np.array([row_of[id_] for id_ in place], np.int64)

        def joined(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
            grown = np.concatenate([mine[:-1], np.repeat(mine[-1:], len(new), 0), mine[-1:]])
            grown[there] = theirs[list(place.values())]
            return grown

        made = Attributes(
            self.ids.append(pd.Index(new, dtype=object)),
            {name: joined(keys, other.keys[name]) for name, keys in self.keys.items()},
            {name: joined(values, other.numeric[name]) for name, values in self.numeric.items()},
        )
        hashed = {
            name: np.concatenate([keys[:-1], hash_ids(name, new), keys[-1:]]) for name, keys in self._keys_of.items()
        }
        made.__dict__.update(_row_of=row_of, _keys_of=hashed)
        return made

    def rows(self, ids: np.ndarray) -> Ints:
        """(n,) row of each raw id; the last row for an id that is not known."""
        if len(ids) <= FEW:
            find, unknown = self._row_of.get, len(self.ids)
            return np.fromiter((find(i, unknown) for i in ids), np.int64, len(ids))
        found = self.ids.get_indexer(pd.Index(ids, dtype=object))  # typed: inferring it costs more than the look-up
        return np.where(found < 0, len(self.ids), found)

    def id_keys(self, name: str, ids: np.ndarray, rows: Ints) -> Keys:
        """(n,) keys of raw ids in the rows `rows`, as the field `name`; known ones by look-up if few ask."""
        if len(ids) > FEW:
            return hash_ids(name, ids)
        if name not in self._keys_of:
            self._keys_of[name] = np.append(hash_ids(name, self.ids.to_numpy()), MISSING_KEY)
        keys = self._keys_of[name][rows]
        unknown = rows == len(self.ids)
        if unknown.any():
            keys[unknown] = hash_ids(name, np.asarray(ids, object)[unknown])
        return keys

    @cached_property
    def _row_of(self) -> dict[str, int]:
        return {id_: row for row, id_ in enumerate(self.ids)}

    @cached_property
    def _keys_of(self) -> dict[str, Keys]:
        return {}


Raw: TypeAlias = np.ndarray | Coded
"""(n,) raw values: one by one, or as numbers into the distinct ones, which are then looked up and hashed once each."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """Raw ids to `Examples`, the same online and offline."""

    spec: FeatureSpec
    users: Attributes
    items: Attributes

    def encode(
        self,
        user_ids: Raw,
        item_ids: Raw,
        at: Ints,
        context: Mapping[str, Raw],
        request: Ints | None = None,
    ) -> Examples:
        """Examples of n items, each asked about by a user at an instant in a context.

        An id never seen is no error: its key is its hash, which the vocabulary answers
        with the out-of-vocabulary row. However the raw values are given, the examples are the same bits.

        Parameters
        ----------
        user_ids, at : (r,) one per request; item_ids : (n,).
        context : context field -> (r,) raw values, or (r, width) of a multi-valued field; absent ones are missing.
        request : (n,) request each item belongs to; none: every item has a request of its own, r is n.
        """
        user, item = _Side.of(self.users, user_ids), _Side.of(self.items, item_ids)
        keys = np.empty((len(item_ids), self.spec.key_columns), np.uint64)
        for field in self.spec.keyed:
            column = keys[:, self.spec.columns[field.name]]
            if field.of is FieldOf.ITEM:
                item.keys(field).into(column, None)
            elif field.of is FieldOf.USER:
                user.keys(field).into(column, request)
            else:
                _context_keys(field, at, context).into(column, request)
        numeric = np.full((len(item_ids), len(self.spec.numeric)), np.nan, np.float32)
        for place, field in enumerate(self.spec.numeric):
            if field.of is FieldOf.ITEM:
                item.numbers(field).into(numeric[:, place], None)
            elif field.of is FieldOf.USER:
                user.numbers(field).into(numeric[:, place], request)
            elif field.name in context:
                _context_numbers(context[field.name]).into(numeric[:, place], request)
        instants = np.asarray(at, np.int64)
        return Examples(keys, numeric, instants if request is None else instants[request])


@dataclass(frozen=True, slots=True)
class _Looked:
    """What raw values became: `found`, a row for each of them, or, with `code` (r,), one for each distinct value."""

    found: np.ndarray
    code: np.ndarray | None

    def into(self, out: np.ndarray, request: Ints | None) -> None:
        """Fill (n, ...) `out`, row by row of its request; a stretch at a time, so that nothing is held twice."""
        for start in range(0, len(out), AT_ONCE):
            rows: slice | np.ndarray = slice(start, start + AT_ONCE)
            rows = rows if request is None else request[rows]
            out[start : start + AT_ONCE] = self.found[rows if self.code is None else self.code[rows]]


@dataclass(frozen=True, slots=True)
class _Side:
    """Users or items that are asked about: their ids, distinct or one by one, and the `rows` they have."""

    known: Attributes
    ids: np.ndarray
    rows: Ints
    code: np.ndarray | None

    @classmethod
    def of(cls, known: Attributes, ids: Raw) -> "_Side":
        """Looked up once each."""
        distinct, code = _apart(ids)
        return cls(known, distinct, known.rows(distinct), code)

    def keys(self, field: Field) -> _Looked:
        """Keys of a field of this side."""
        if field.name != field.of.value:
            return _Looked(self.known.keys[field.name][self.rows], self.code)
        return _Looked(self.known.id_keys(field.name, self.ids, self.rows)[:, None], self.code)

    def numbers(self, field: Field) -> _Looked:
        """Numbers of a field of this side."""
        return _Looked(self.known.numeric[field.name][self.rows], self.code)


def _apart(values: Raw) -> tuple[np.ndarray, np.ndarray | None]:
    """Raw values, and which of them each row has; the last one is None, for rows without a value."""
    return (values.or_none, values.codes) if isinstance(values, Coded) else (values, None)


def _context_keys(field: Field, at: Ints, context: Mapping[str, Raw]) -> _Looked:
    if field.name in context:
        values, code = _apart(context[field.name])
        return _Looked(_value_keys(field, values, lists=code is None or code.ndim == 1), code)
    if field.name in CLOCK_FIELDS:
        return _clock_keys(field.name, at)
    return _Looked(np.full((1, field.width), MISSING_KEY, np.uint64), np.zeros(len(at), np.int32))


def _value_keys(field: Field, values: np.ndarray, lists: bool) -> Keys:
    """(n, width) keys of raw values of a context field, (n,) where each is one of a list."""
    if field.kind is not FieldKind.MULTI:
        return hash_ids(field.vocabulary, values)[:, None]
    if values.ndim == 2 or not lists:
        return hash_ids(field.vocabulary, values)
    return hash_lists(field, values)


def _clock_keys(name: str, at: Ints) -> _Looked:
    """Hour of the day or day of the week; few ask for theirs, many for all there are."""
    number = (at % DAY) // HOUR if name == "hour" else (at // DAY + 3) % 7
    if len(at) <= FEW:
        return _Looked(hash_ids(name, number)[:, None], None)
    return _Looked(hash_ids(name, np.arange(24))[:, None], number)


def _context_numbers(values: Raw) -> _Looked:
    raw, code = _apart(values)
    return _Looked(pd.to_numeric(pd.Series(raw), errors="coerce").to_numpy(np.float32), code)
