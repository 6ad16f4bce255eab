"""From examples to the entities they touch: which keys, with which coefficients.

Every example touches J entities, at most one per column: everybody, its user, its item, each of its
genres, its (item, tab), ... A field with several values spreads a coefficient of 1 evenly over them, so
that its effect is the mean of its values' effects.
"""

from dataclasses import dataclass

import numpy as np

from components.domain import (
    DAY,
    MISSING_KEY,
    Doubles,
    Examples,
    FeatureSpec,
    FieldKind,
    FieldOf,
    Ints,
    Keys,
)
from components.memory.settings import Crossing, Entity, MemorySettings
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
        widths = [self._width(k.crossing) for k in kinds]
        self.kind_of: Ints = np.repeat(np.arange(len(kinds)), widths)
        self.variance: Doubles = np.array([k.spread**2 for k in kinds])[self.kind_of]
        self.half_life: Doubles = np.array([k.half_life * DAY for k in kinds])[self.kind_of]
        named = {name for k in kinds for name in k.crossing if name.startswith("#")}
        self.experienced: tuple[str, ...] = tuple(sorted(name[1:] for name in named))
        self._bucket_keys = {name: self._buckets(name) for name in self.experienced}

    def touched(self, examples: Examples, experience: dict[str, Ints]) -> Touched:
        """Keys and coefficients; `experience` has (n,) outcomes seen of the id of each experienced field."""
        parts = [self._keys(k.crossing, examples, experience) for k in self.kinds]
        present = [part != MISSING_KEY for part in parts]
        share = [p / np.maximum(p.sum(1, keepdims=True), 1) if p.shape[1] > 1 else p.astype(float) for p in present]
        return Touched(np.concatenate(parts, 1), np.concatenate(share, 1))

    def ids(self, examples: Examples, field: str) -> Keys:
        """(n,) key of a single-valued field."""
        return examples.keys[:, self._columns[field].start]

    def _buckets(self, field: str) -> Keys:
        """(65,) key of each doubling of experience with a field's ids."""
        salt = EXPERIENCE + np.uint64(1 + list(self._columns).index(field))
        return cross_keys(np.arange(1, 66, dtype=np.uint64), np.full(65, salt))

    def _width(self, crossing: Crossing) -> int:
        columns = self._columns
        return max([columns[n].stop - columns[n].start for n in crossing if not n.startswith("#")], default=1)

    def _keys(self, crossing: Crossing, examples: Examples, experience: dict[str, Ints]) -> Keys:
        columns = self._columns
        parts = []
        for name in crossing:
            if name.startswith("#"):
                parts.append(self._bucket_keys[name[1:]][np.frexp(experience[name[1:]] + 1.0)[1]][:, None])
            else:
                parts.append(examples.keys[:, columns[name]])
        if not parts:
            return np.full((len(examples), 1), EVERYBODY)
        return cross_keys(*parts) if len(parts) > 1 else parts[0]


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
    own = {user: settings.user_spread, item: settings.item_spread}
    own |= dict.fromkeys(CLOCK_FIELDS, settings.faint_spread)
    kinds: list[tuple[Crossing, float]] = [((), 1.0)]
    kinds += [((name,), own.get(name, settings.attribute_spread)) for name in fields]
    kinds += [((f"#{user}",), settings.attribute_spread), ((f"#{item}",), settings.faint_spread)]
    kinds += [((user, f"#{item}"), settings.crossed_spread)]
    kinds += [((item, name), settings.crossed_spread) for name in context]
    kinds += [(crossing, settings.crossed_spread) for crossing in settings.crossings]
    return tuple(Entity(crossing=c, spread=s, half_life=settings.half_life) for c, s in kinds)
