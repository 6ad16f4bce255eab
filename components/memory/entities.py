"""From examples to the entities they touch: which keys, with which coefficients.

Every example touches J entities, at most one per column: everybody, its user, its item, each of its
genres, its (item, tab), ... A field with several values spreads a coefficient of 1 evenly over them, so
that its effect is the mean of its values' effects.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from components.compiled import compiled, plain
from components.domain import DAY, MISSING_KEY, Doubles, Examples, Ints, Keys
from components.feature_spec import FeatureSpec, FieldKind, FieldOf
from components.memory.settings import Entity, Interaction, MemorySettings
from components.ranker.features import CLOCK_FIELDS, cross_keys

EVERYBODY = np.uint64(0x5EED_0F_A11)
"""Key of the one entity that every example touches."""
EXPERIENCE = np.uint64(0xC0_0C1E)
"""Salt of the keys of experience buckets."""


@dataclass(frozen=True, slots=True)
class Touched:
    """Entities of n examples: `keys` (n, J) uint64, `share` (n, J) coefficients, 0 where missing."""

    keys: Keys
    share: Doubles


class Entities:
    """The entity columns of a feature spec: J of them, for E kinds of entity."""

    def __init__(self, spec: FeatureSpec, kinds: tuple[Entity, ...]) -> None:
        self._columns, self.kinds = spec.columns, kinds
        widths = [self._width(k.interaction) for k in kinds]
        self.kind_of: Ints = np.repeat(np.arange(len(kinds)), widths)
        self.variance: Doubles = np.array([k.prior_sd**2 for k in kinds])[self.kind_of]
        self.half_life: Doubles = np.array([k.half_life * DAY for k in kinds])[self.kind_of]
        named = {name for k in kinds for name in k.interaction if name.startswith("#")}
        self.experienced: tuple[str, ...] = tuple(sorted(name[1:] for name in named))
        self._bucket_keys = np.stack([self._buckets(name) for name in self.experienced] or [np.zeros(65, np.uint64)])
        self._bounds: Ints = np.cumsum([0, *widths])
        self._parts, self._crossed = self._mixed(widths)

    def touched(self, examples: Examples, experience: Ints) -> Touched:
        """Keys and coefficients; `experience` (n, F): outcomes seen of the ids of the F fields of `experienced`."""
        shape = (len(examples), len(self.kind_of))
        keys, share = np.empty(shape, np.uint64), np.empty(shape)
        _touch(
            plain(examples.keys), experience, self._parts, self._crossed, self._bounds, self._bucket_keys, keys, share
        )
        return Touched(keys, share)

    def ids(self, examples: Examples) -> Keys:
        """(n, F) keys of the fields of `experienced`."""
        return examples.keys[:, [self._columns[name].start for name in self.experienced]]

    def about(self, field: str, keys: Keys, known: Mapping[str, Keys]) -> Keys:
        """Keys of all entities that some ids of a field are part of; `known` has, by field, the keys of all values."""
        found = [np.empty(0, np.uint64)]
        for kind in self.kinds:
            if field in kind.interaction:
                parts = [keys if name == field else self._values(name, known) for name in kind.interaction]
                crossed = np.ix_(*parts)
                found.append(keys if len(parts) == 1 else cross_keys(*crossed).ravel())
        return np.concatenate(found)

    def _values(self, name: str, known: Mapping[str, Keys]) -> Keys:
        if name.startswith("#"):
            return self._bucket_keys[self.experienced.index(name[1:])]
        return known.get(name, np.empty(0, np.uint64))

    def _buckets(self, field: str) -> Keys:
        """(65,) key of each doubling of experience with a field's ids."""
        salt = EXPERIENCE + np.uint64(1 + list(self._columns).index(field))
        return cross_keys(np.arange(1, 66, dtype=np.uint64), np.full(65, salt))

    def _width(self, interaction: Interaction) -> int:
        columns = self._columns
        return max([columns[n].stop - columns[n].start for n in interaction if not n.startswith("#")], default=1)

    def _mixed(self, widths: list[int]) -> tuple[Ints, Ints]:
        """(J, P) of what each entity column is mixed, a key column or ``-1 - f`` for experience; (J,) of how many."""
        most = max([len(k.interaction) for k in self.kinds], default=0)
        parts, crossed = np.zeros((len(self.kind_of), max(most, 1)), np.int64), np.zeros(len(self.kind_of), np.int64)
        for j, (kind, within) in enumerate(
            (k, w) for k, width in zip(self.kinds, widths, strict=True) for w in range(width)
        ):
            crossed[j] = len(kind.interaction)
            for p, name in enumerate(kind.interaction):
                parts[j, p] = self._part(name, within)
        return parts, crossed

    def _part(self, name: str, within: int) -> int:
        if name.startswith("#"):
            return -1 - self.experienced.index(name[1:])
        column = self._columns[name]
        return column.start + (within if column.stop - column.start > 1 else 0)


@compiled
def _touch(
    own: Keys, seen: Ints, parts: Ints, crossed: Ints, bounds: Ints, buckets: Keys, keys: Keys, share: Doubles
) -> None:
    """Fill (n, J) `keys` and `share`; the mix is `components.ranker.features.cross_keys`, value for value."""
    for i in range(len(own)):
        for kind in range(len(bounds) - 1):
            present = 0
            for j in range(bounds[kind], bounds[kind + 1]):
                mixed, missing = np.uint64(0), False
                for p in range(crossed[j]):
                    column = parts[j, p]
                    if column >= 0:
                        key = own[i, column]
                    else:
                        doublings, rest = 0, seen[i, -1 - column] + 1
                        while rest > 0:
                            doublings, rest = doublings + 1, rest >> 1
                        key = buckets[-1 - column, doublings]
                    missing |= key == MISSING_KEY
                    if crossed[j] == 1:
                        mixed = key
                    else:
                        mixed = (mixed ^ key) + np.uint64(0x9E3779B97F4A7C15)
                        mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
                        mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
                        mixed = mixed ^ (mixed >> np.uint64(31))
                if crossed[j] == 0:
                    mixed = EVERYBODY
                elif crossed[j] > 1 and mixed == MISSING_KEY:
                    mixed = np.uint64(1)
                keys[i, j] = MISSING_KEY if missing else mixed
                present += not missing
            for j in range(bounds[kind], bounds[kind + 1]):
                share[i, j] = 0.0 if keys[i, j] == MISSING_KEY else 1.0 / present


def derived(spec: FeatureSpec, settings: MemorySettings) -> tuple[Entity, ...]:
    """The kinds of entity of a feature spec, where the settings name none.

    Everybody; every keyed field; how much experience there is with the user and the item; the user
    with the item's experience (who tells the popular from the obscure); the item with every single-valued
    context that is not the clock (what counts as positive differs by scene).
    """
    user, item = (f.name for f in spec.fields[:2])
    context = [
        f.name
        for f in spec.keyed
        if f.of is FieldOf.CONTEXT and f.kind is not FieldKind.MULTI and f.name not in CLOCK_FIELDS
    ]
    fields = [f.name for f in spec.keyed if not (f.of is FieldOf.CONTEXT and f.kind is FieldKind.MULTI)]
    own = {user: settings.user_prior_sd, item: settings.item_prior_sd}
    own |= dict.fromkeys(CLOCK_FIELDS, settings.faint_prior_sd)
    kinds: list[tuple[Interaction, float]] = [((), 1.0)]
    kinds += [((name,), own.get(name, settings.attribute_prior_sd)) for name in fields]
    kinds += [((f"#{user}",), settings.attribute_prior_sd), ((f"#{item}",), settings.faint_prior_sd)]
    kinds += [((user, f"#{item}"), settings.interaction_prior_sd)]
    kinds += [((item, name), settings.interaction_prior_sd) for name in context]
    kinds += [(interaction, settings.interaction_prior_sd) for interaction in settings.interactions]
    return tuple(Entity(interaction=c, prior_sd=s, half_life=settings.half_life) for c, s in kinds)
