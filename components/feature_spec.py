"""The fields of a source, and the columns they take in examples."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np

from components.domain import Ints


class FieldKind(StrEnum):
    """How a field's values become model input."""

    ID = "id"
    CATEGORICAL = "categorical"
    MULTI = "multi"
    NUMERIC = "numeric"


class FieldOf(StrEnum):
    """Whom a field describes: decides where its value is looked up."""

    USER = "user"
    ITEM = "item"
    CONTEXT = "context"


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the feature spec.

    Attributes
    ----------
    name : unique among the fields.
    kind, of : see `FieldKind`, `FieldOf`.
    width : columns it takes in `Examples.keys`; above 1 only for `MULTI` (values
        beyond `width` are dropped, fewer are padded with `MISSING_KEY`); 0 for `NUMERIC`.
    shares : the field whose ids it holds, such as `item` for a user's recent items; none: its own.
    """

    name: str
    kind: FieldKind
    of: FieldOf
    width: int = 1
    shares: str | None = None

    @property
    def vocabulary(self) -> str:
        """The salt of its keys: fields of one vocabulary give an id one key, hence one row."""
        return self.shares or self.name


@dataclass(frozen=True)  # no slots: what follows from the fields is worked out once
class FeatureSpec:
    """The fields of a source in order; fixes the columns of `Examples`.

    The first field is the user's id, the second the item's id, always.
    """

    fields: tuple[Field, ...]

    @cached_property
    def keyed(self) -> tuple[Field, ...]:
        """Fields that take key columns, in column order."""
        return tuple(f for f in self.fields if f.kind is not FieldKind.NUMERIC)

    @cached_property
    def numeric(self) -> tuple[Field, ...]:
        """Fields that take numeric columns, in column order."""
        return tuple(f for f in self.fields if f.kind is FieldKind.NUMERIC)

    @cached_property
    def columns(self) -> dict[str, slice]:
        """Field name -> its slice of the columns of `Examples.keys`."""
        out, at = {}, 0
        for field in self.keyed:
            out[field.name] = slice(at, at + field.width)
            at += field.width
        return out

    @cached_property
    def key_columns(self) -> int:
        """C, the number of columns of `Examples.keys`."""
        return sum(field.width for field in self.keyed)

    @cached_property
    def vocabularies(self) -> tuple[str, ...]:
        """The distinct vocabularies of the keyed fields, in order."""
        return tuple(dict.fromkeys(f.vocabulary for f in self.keyed))

    @cached_property
    def vocabulary_of_column(self) -> Ints:
        """(C,) index into `vocabularies` of each key column."""
        whose = [self.vocabularies.index(f.vocabulary) for f in self.keyed]
        return np.repeat(np.array(whose, np.int64), [f.width for f in self.keyed])

    @cached_property
    def field_of_column(self) -> Ints:
        """(C,) index into `keyed` of the field that owns each key column."""
        return np.repeat(np.arange(len(self.keyed)), [f.width for f in self.keyed])
