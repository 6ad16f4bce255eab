"""Who judges a challenger: requests of users held out by hash, so that nothing it learned from judges it.

Whether a request is held out is decided once, by its user and by the turn whose window it was made in. It is judged
by the first turn at whose cutoff all of its slate has matured, against that turn's challenger, which has learned
nothing of it; after that verdict it is learned like any other (docs/decisions/0008-judged-when-matured.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from components.coded import Coded
from components.domain import DAY, SECOND, Bools, Ints, Keys, Window
from components.ranker.features import cross_keys, hash_ids
from components.ranker.strides import stretches

NEVER = np.iinfo(np.int64).max
"""An instant after every cutoff."""


def held_out(users: np.ndarray | Coded, salt: int | Ints, share: float) -> Bools:
    """(n,) whether each raw user id is held out of learning before the verdict.

    By user, not by request: a memory of a user's other requests is a leak too. `salt`, one or (n,), is
    the cutoff of the turn in whose window a request was made: every turn draws other users, so that nobody stays
    unlearned for long.

    >>> held_out(np.array(["1", "2", "3", "1"]), salt=9, share=0.5)
    array([ True, False,  True,  True])
    """
    salts = np.broadcast_to(np.asarray(salt, np.int64), len(users)).astype(np.uint64)
    mixed = cross_keys(_keys(users), salts)
    return (mixed >> np.uint64(11)).astype(np.float64) / 2.0**53 < share


def _keys(users: np.ndarray | Coded) -> Keys:
    if isinstance(users, Coded):
        return hash_ids("held_out", users.or_none)[users.codes]
    return hash_ids("held_out", users)


@dataclass(frozen=True)
class Holdout:
    """What is held out at a cutoff: the windows whose requests may be, oldest first, and the rules.

    `windows` follow each other and end at the turn's own; a request of none of them is open. `share` is of the users.
    `attribution` seconds, 0 where outcomes are explicit; `wait_days` beyond that a slate may wait for its rest.
    """

    windows: Sequence[Window]
    share: float
    attribution: float
    wait_days: float

    @property
    def cutoff(self) -> int:
        """The turn's cutoff: nothing later is known."""
        return self.windows[-1].cutoff

    @property
    def patience(self) -> int:
        """Microseconds after a request from which an incomplete slate is learned unjudged."""
        return round(self.attribution * SECOND + self.wait_days * DAY)

    def chosen(self, users: np.ndarray | Coded, requested_at: Ints) -> Bools:
        """(n,) whether requests are held out until they are judged."""
        starts = np.array([w.start for w in self.windows])
        cutoffs = np.array([w.cutoff for w in self.windows])
        window = np.searchsorted(starts, requested_at, side="right") - 1
        inside = (window >= 0) & (requested_at < cutoffs[window])
        return inside & held_out(users, cutoffs[window], self.share)

    def learnable_at(self, chosen: Bools, requested_at: Ints, matured_at: Ints, settled_at: Ints) -> Ints:
        """(n,) instant from which each matured impression may be learned.

        Parameters
        ----------
        settled_at : instant at which the whole slate of the impression had matured, `NEVER` if not before the cutoff.

        Notes
        -----
        An open one: when it matured. A held one: when its slate had, for then it is judged; one whose slate is still
        incomplete after `patience` is learned unjudged, and one that may still wait, `NEVER`.
        """
        patient = requested_at + self.patience
        late = np.where(patient < self.cutoff, np.maximum(patient, matured_at), NEVER)
        return np.where(~chosen, matured_at, np.where(settled_at <= patient, settled_at, late))


@dataclass(frozen=True)
class Drawn:
    """The requests of n that are judged where judging all would cost too much: (n,) `kept`, and the share left out."""

    kept: Bools
    p_drop: float


def draw(request_ids: np.ndarray | pa.Array, most: int) -> Drawn:
    """At most `most` of n requests, by hash: the same ones whenever, and whoever else is there.

    A simple random sample, since the hash knows nothing of a request but its id; every estimate undoes it by
    ``1 / (1 - p_drop)`` (Horvitz and Thompson 1952). Texts are hashed a stretch at a time: of millions of them objects
    would take more than all else.

    >>> drawn = draw(np.array([f"r{n}" for n in range(8)]), 4)
    >>> int(drawn.kept.sum()), drawn.p_drop
    (4, 0.5)
    """
    if len(request_ids) <= most:
        return Drawn(np.ones(len(request_ids), bool), 0.0)
    texts = (np.asarray(request_ids[at], object) for at in stretches(len(request_ids)))
    first = np.argsort(np.concatenate([hash_ids("drawn", part) for part in texts]), kind="stable")[:most]
    kept = np.zeros(len(request_ids), bool)
    kept[first] = True
    return Drawn(kept, 1 - most / len(request_ids))


@dataclass(frozen=True)
class Dropped:
    """Held-out requests that could not be judged, and why."""

    reason: str
    requests: int


@dataclass(frozen=True)
class HoldoutCounts:
    """Held-out requests of a turn: `judged` by it, `waiting` for outcomes still, and `dropped` unjudged."""

    judged: int
    waiting: int
    dropped: tuple[Dropped, ...] = ()

    def unjudged(self, reason: str) -> "HoldoutCounts":
        """The counts where nobody was judged after all."""
        more = (Dropped(reason, self.judged),) if self.judged else ()
        return HoldoutCounts(0, self.waiting, (*self.dropped, *more))

    def __str__(self) -> str:
        parts = [f"{self.judged:,} judged", f"{self.waiting:,} wait for outcomes"]
        return "held-out requests: " + ", ".join(parts + [f"{d.requests:,} dropped ({d.reason})" for d in self.dropped])
