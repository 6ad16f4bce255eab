"""A vocabulary that several workers count for: each looks keys up by itself and counts those that are its own.

Key k is counted by worker ``k mod W``. What one worker has counted changes nothing of where a key's row is, so that a
lookup asks nobody; who comes and who goes is decided by all together, from what each has counted, in the order in which
one process would decide it.
"""

import numpy as np

from components.domain import MISSING_KEY, Bools, Ints, Keys
from components.ranker.vocabulary import KEY, Vocabulary
from components.update.shard.group import Group


class SharedOut(Vocabulary):
    """A vocabulary of which this worker counts its part."""

    def __init__(self, vocabulary: Vocabulary, group: Group) -> None:
        super().__init__(vocabulary.vocabularies)
        self._group = group
        self.layers, self._index = vocabulary.layers, vocabulary.index
        self.candidates = vocabulary.candidates.take(self._counted(vocabulary.candidates.keys))

    def copy(self) -> "SharedOut":
        """An independent copy."""
        return SharedOut(super().copy(), self._group)

    def observe(self, keys: Keys, at: Ints, shared: Ints) -> None:
        """As `Vocabulary.observe`, of the ids that are this worker's."""
        super().observe(np.where(self._counted(keys), keys, MISSING_KEY), at, shared)

    def own(self) -> Ints:
        """(m,) changed rows whose entries are this worker's to tell: of ids that it counts, and of its free rows."""
        changed = self.layers.changed
        keys = self.layers.take(changed)[:, KEY].view(np.uint64)
        free = (keys == MISSING_KEY) & (changed % self._group.size == self._group.rank)
        return changed[free | ((keys != MISSING_KEY) & self._counted(keys))]

    def _counted(self, keys: Keys) -> Bools:
        return (keys % np.uint64(self._group.size)).astype(np.int64) == self._group.rank

    def _of_all(self, numbers: Ints) -> Ints:
        return self._group.gather(numbers)
