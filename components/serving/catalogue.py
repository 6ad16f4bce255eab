"""The servable items, encoded and half scored once: what a request need not do again for every item it asks about.

Of an example's columns those of item fields depend on the item alone, all others on the request alone, and so do the
first layers of the network (`components.ranker.forward`). Hashing 10,000 ids takes 40 ms; copying their keys takes one.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from components.domain import Bools, ContractBroken, Examples, Ints, Prediction
from components.feature_spec import Field, FieldOf
from components.ranker.features import Encoder, hash_ids
from components.ranker.forward import Forward
from components.ranker.forward_loops import Half

HALVES = 100_000
"""Items up to which their halves are kept, about 600 bytes each; those of a larger catalogue are made on demand."""


@dataclass(frozen=True, slots=True)
class Asked:
    """n entries of r requests: `by_request` (r,) examples; `request` (n,) and `item` (n,), whose and what each is."""

    by_request: Examples
    request: Ints
    item: Ints


@dataclass(frozen=True, slots=True)
class Catalogue:
    """k items in their order, and their side of the examples; `halves` where they are few.

    `hidden` (k,) are not to be served any more; None: there are none. `gone` names all that are not, in this catalogue
    or out of it.
    """

    items: np.ndarray
    encoder: Encoder
    encoded: Examples
    row_of: Mapping[str, int]
    forward: Forward | None
    halves: Half | None
    hidden: Bools | None = None
    gone: frozenset[str] = frozenset()

    @classmethod
    def of(cls, encoder: Encoder, items: np.ndarray, forward: Forward | None = None) -> "Catalogue":
        """Encode items once; the user and the instant are placeholders."""
        nobody, never = np.full(len(items), None, object), np.zeros(len(items), np.int64)
        encoded = encoder.encode(nobody, items, never, {})
        kept = forward is not None and len(items) <= HALVES
        halves = forward.items(encoded.keys, encoded.numeric) if forward is not None and kept else None
        return cls(items, encoder, encoded, {item: row for row, item in enumerate(items.tolist())}, forward, halves)

    def changed(self, encoder: Encoder, shown: Sequence[str], hidden: Collection[str]) -> "Catalogue":
        """With other items: `shown` are added, or encoded anew, by `encoder`; `hidden` are not served. Costs a copy."""
        new = [item for item in shown if item not in self.row_of]
        row_of = {**self.row_of, **{item: len(self.items) + n for n, item in enumerate(new)}}
        part = Catalogue.of(encoder, np.array([*shown, ""], object), self.forward)
        rows = np.array([row_of[item] for item in shown], np.int64)

        def joined(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
            grown = np.concatenate([mine, np.repeat(theirs[:1], len(new), 0)])
            grown[rows] = theirs[:-1]
            return grown

        encoded = Examples(
            joined(self.encoded.keys, part.encoded.keys),
            joined(self.encoded.numeric, part.encoded.numeric),
            joined(self.encoded.at, part.encoded.at),
        )
        halves = None
        if self.halves is not None and part.halves is not None:
            halves = Half(*(joined(*pair) for pair in zip(self.halves, part.halves, strict=True)))
        mask = np.zeros(len(row_of), bool)
        if self.hidden is not None:
            mask[: len(self.hidden)] = self.hidden
        mask[rows] = False
        mask[[row_of[item] for item in hidden if item in row_of]] = True
        items = np.append(self.items, np.array(new, object)) if new else self.items
        return replace(
            self,
            items=items,
            encoder=encoder,
            encoded=encoded,
            row_of=row_of,
            halves=halves,
            hidden=mask if mask.any() else None,
            gone=(self.gone | set(hidden)) - set(shown),
        )

    def rows(self, item_id: np.ndarray) -> Ints | None:
        """(n,) row of each item, or None if one of them is not in the catalogue."""
        if item_id is self.items:
            return np.arange(len(item_id))
        try:
            return np.array([self.row_of[item] for item in item_id.tolist()], np.int64)
        except KeyError:
            return None

    def matching(self, filters: Mapping[str, Sequence[str]]) -> Bools:
        """(k,) which items have, of every field named, one of its values, and are not hidden.

        Raises
        ------
        ContractBroken
            If a field is no keyed attribute of items.
        """
        found = np.ones(len(self.items), bool) if self.hidden is None else ~self.hidden
        known = {field.name: field for field in self.encoder.spec.keyed if field.of is FieldOf.ITEM}
        for name, values in filters.items():
            if name not in known:
                raise ContractBroken(f"filters name {name!r}; allowed are {', '.join(known)}")
            wanted = hash_ids(known[name].vocabulary, list(values))
            found &= np.isin(self.encoded.keys[:, self.encoder.spec.columns[name]], wanted).any(1)
        return found

    def ask(self, user_id: np.ndarray, at: Ints, context: Mapping[str, np.ndarray], request: Ints, item: Ints) -> Asked:
        """Requests (r,) for entries (n,): `request` and `item` say whose and what each entry is."""
        anything = np.repeat(self.items[:1], len(at))
        return Asked(self.encoder.encode(user_id, anything, at, context), request, item)

    def examples(self, asked: Asked) -> Examples:
        """(n,) examples, equal to those of `Encoder.encode`."""
        spec = self.encoder.spec
        keys, numeric = asked.by_request.keys[asked.request], asked.by_request.numeric[asked.request]
        keyed, numbered = _of_items(spec.keyed)[spec.field_of_column], _of_items(spec.numeric)
        keys[:, keyed] = self.encoded.keys[asked.item][:, keyed]
        numeric[:, numbered] = self.encoded.numeric[asked.item][:, numbered]
        return Examples(keys, numeric, asked.by_request.at[asked.request])

    def predict(self, asked: Asked) -> Prediction | None:
        """What `Ranker.predict` says of `examples`, to the bit; None where the catalogue was made without a ranker."""
        if self.forward is None:
            return None
        if self.halves is not None:
            return self.forward.predict_pairs(asked.by_request, asked.request, self.halves, asked.item)
        kept, item = np.unique(asked.item, return_inverse=True)
        halves = self.forward.items(self.encoded.keys[kept], self.encoded.numeric[kept])
        return self.forward.predict_pairs(asked.by_request, asked.request, halves, item)


def _of_items(fields: tuple[Field, ...]) -> Bools:
    return np.array([field.of is FieldOf.ITEM for field in fields], bool)
