"""Items that the memory has lifted since the generation was made: what its index cannot know yet."""

from collections.abc import Iterable

import numpy as np

from components.domain import Ints
from components.serving.served import RankRequests, Served

WATCHED = 200
"""Items with the latest rewards that are looked at."""


class Lifted:
    """The items rewarded last, by how far the memory has moved them up for somebody unknown."""

    def __init__(self) -> None:
        self._rewarded: dict[str, None] = {}
        self._rows: Ints = np.empty(0, np.int64)
        self._known = True

    def reward(self, items: Iterable[str]) -> None:
        """Items that earned a reward, in order."""
        for item in items:
            self._rewarded.pop(item, None)
            self._rewarded[item] = None
            self._known = False
        while len(self._rewarded) > WATCHED:
            self._rewarded.pop(next(iter(self._rewarded)))

    def rows(self, served: Served) -> Ints:
        """Rows of servable items whose score the memory has raised, first the most; worked out once per change."""
        if not self._known:
            self._rows, self._known = self._raised(served), True
        return self._rows

    def _raised(self, served: Served) -> Ints:
        catalogue = served.catalogue
        items = [] if catalogue is None else [item for item in self._rewarded if item in catalogue.row_of]
        if catalogue is None or not items:
            return np.empty(0, np.int64)
        scored = served.score_eligible(served.informed(RankRequests.of([""], np.array([served.cutoff]), [items])))
        lift = scored.score - scored.prediction.logit
        order = np.argsort(-lift, kind="stable")
        rows = np.array([catalogue.row_of[item] for item in items], np.int64)
        return rows[order[lift[order] > 0]]
