"""The servable items, encoded once: what a request for "anything you may serve" need not encode again.

Of an example's columns those of item fields depend on the item alone, all others on the
request alone. Hashing 10,000 ids takes 40 ms; copying their keys takes one.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from components.domain import Bools, Examples, Ints
from components.feature_spec import Field, FieldOf
from components.ranker.features import Encoder


@dataclass(frozen=True, slots=True)
class Catalogue:
    """k items in their order, and their side of the examples."""

    items: np.ndarray
    encoder: Encoder
    encoded: Examples

    @classmethod
    def of(cls, encoder: Encoder, items: np.ndarray) -> "Catalogue":
        """Encode items once; the user and the instant are placeholders."""
        nobody, never = np.full(len(items), None, object), np.zeros(len(items), np.int64)
        return cls(items, encoder, encoder.encode(nobody, items, never, {}))

    def encode(self, user_id: np.ndarray, at: Ints, context: Mapping[str, np.ndarray]) -> Examples:
        """(k,) examples of one request, equal to those of `Encoder.encode`; user, instant and context have one row."""
        spec, rows = self.encoder.spec, len(self.items)
        asked = self.encoder.encode(user_id, self.items[:1], at, context)
        keys, numeric = np.repeat(asked.keys, rows, 0), np.repeat(asked.numeric, rows, 0)
        keyed, numbered = _of_items(spec.keyed)[spec.field_of_column], _of_items(spec.numeric)
        keys[:, keyed] = self.encoded.keys[:, keyed]
        numeric[:, numbered] = self.encoded.numeric[:, numbered]
        return Examples(keys, numeric, np.repeat(asked.at, rows))


def _of_items(fields: tuple[Field, ...]) -> Bools:
    return np.array([field.of is FieldOf.ITEM for field in fields], bool)
