"""A log's slates with their whole eligible sets, and Plackett-Luce policies read off their conditionals.

A policy over a log's entries says what could have followed the logged prefix. What an item's chance at a position is
over *all* prefixes needs the policy itself: strengths and floor (`components.policy.slots.Strengths`). Both can be read
off: the first position's probabilities are linear in the strengths, the second position's linear in the floor. What
was read is held against every conditional of the log; a policy that draws otherwise is refused, not approximated.
"""

from dataclasses import dataclass

import numpy as np

from components.domain import ContractBroken, Doubles, Ints
from components.evaluate.logged_decisions import LoggedDecisions
from components.policy.slots import Strengths, enumerable

PROBABILITY_TOLERANCE = 1e-5
"""How far a conditional may lie from the Plackett-Luce policy read off it: probabilities of six digits err by 1e-6."""


@dataclass(frozen=True)
class EligibleSlates:
    """r requests of one shape: k eligible entries, slates of L.

    Attributes
    ----------
    request : (r,) place of each among the log's requests. first : (r,) its first row.
    length : L. shown : (r, L) which of the k entries of the first position each position showed.
    """

    request: Ints
    first: Ints
    items: int
    length: int
    shown: Ints

    @property
    def rows(self) -> Ints:
        """(r, L) rows of the log."""
        return np.asarray(self.first[:, None] + np.arange(self.length))

    def whole(self, log: LoggedDecisions, over_entries: Doubles) -> Doubles:
        """(r, k) values of an (nnz,) array at the first position, where everything is still eligible."""
        return np.asarray(over_entries[log.offsets[self.first][:, None] + np.arange(self.items)])

    def left(self, position: int) -> Ints:
        """(r, k - position) which of the k entries are still eligible there."""
        gone = np.zeros((len(self.first), self.items), bool)
        np.put_along_axis(gone, self.shown[:, :position], True, axis=1)
        return np.nonzero(~gone)[1].reshape(len(gone), self.items - position)

    def at(self, log: LoggedDecisions, over_entries: Doubles, position: int) -> Doubles:
        """(r, k) values of an (nnz,) array at a position, 0 for what was shown before."""
        out = np.zeros((len(self.first), self.items))
        start = log.offsets[self.first + position][:, None]
        np.put_along_axis(out, self.left(position), over_entries[start + np.arange(self.items - position)], axis=1)
        return out


def eligible_slates(log: LoggedDecisions) -> tuple[EligibleSlates, ...]:
    """The log's requests by shape.

    Raises
    ------
    ContractBroken
        If a later position's entries are not those of the first, in their order, without what was shown: by their
        number; `strengths` finds another order out. Or if there are too many slates to be enumerated.
    """
    whole = log.eligible[log.starts]
    expected = np.repeat(whole, log.positions) - log.position
    if (log.eligible != expected).any():
        row = int(np.argmax(log.eligible != expected))
        raise ContractBroken(
            f"row {row} has {log.eligible[row]} eligible entries; a slate drawn without replacement has {expected[row]}"
        )
    shapes = np.unique(np.stack([whole, log.positions], axis=1), axis=0)
    for items, length in shapes:
        if not enumerable(int(items), int(length)):
            raise ContractBroken(f"slates of {length} out of {items} are too many to be enumerated")
    return tuple(_of_shape(log, int(items), int(length)) for items, length in shapes)


def _of_shape(log: LoggedDecisions, items: int, length: int) -> EligibleSlates:
    request = np.flatnonzero((log.eligible[log.starts] == items) & (log.positions == length))
    first = log.starts[request]
    alive = np.ones((len(first), items), bool)
    shown = np.empty((len(first), length), np.int64)
    for position in range(length):
        rows = first + position
        which = log.action[rows] - log.offsets[rows]
        shown[:, position] = (np.cumsum(alive, axis=1) == which[:, None] + 1).argmax(axis=1)
        alive[np.arange(len(first)), shown[:, position]] = False
    return EligibleSlates(request, first, items, length, shown)


def strengths(
    log: LoggedDecisions, slates: tuple[EligibleSlates, ...], policy: Doubles, name: str, maker: Ints | None = None
) -> tuple[Strengths, ...]:
    """The Plackett-Luce policies, one per shape, that gave the (nnz,) conditionals `policy`.

    Parameters
    ----------
    maker : (m,) who made each request's policy, each with a floor of its own; None: one floor for all.

    Notes
    -----
    With f the floor, k items, s shown first: ``p_1(a) = (1 - f) v_a + f / k`` and ``p_2(a) = (1 - f) v_a / (1 - v_s)
    + f / (k - 1)``. Without v, ``p_2(a) (1 - p_1(s)) - p_1(a) = f (p_2(a) (k - 1) / k - 1 / k - p_1(a) + (1 - p_1(s))
    / (k - 1))``: one number f from all of them, by least squares.

    Raises
    ------
    ContractBroken
        If the conditionals are no Plackett-Luce policy's; names the worst row.
    """
    owner = np.zeros(log.requests, np.int64) if maker is None else np.unique(maker, return_inverse=True)[1]
    floor = _floors(log, slates, policy, owner)
    found = []
    for shape in slates:
        f = floor[owner[shape.request]]
        first, uniform = shape.whole(log, policy), 1 / shape.items
        strength = np.clip(first - f[:, None] * uniform, 0.0, None)
        total = strength.sum(axis=1, keepdims=True)
        strength = np.divide(strength, total, out=np.full_like(strength, uniform), where=total > 0)
        found.append(Strengths(strength, f))
        _check(log, shape, found[-1], policy, name)
    return tuple(found)


def _floors(log: LoggedDecisions, slates: tuple[EligibleSlates, ...], policy: Doubles, owner: Ints) -> Doubles:
    """Floor of each maker in [0, 1]; 0 where nothing tells, for then any floor gives the same probabilities."""
    cross, square = np.zeros(owner.max() + 1), np.zeros(owner.max() + 1)
    for shape in (s for s in slates if s.length > 1 and s.items > 2):
        k, one, two = shape.items, shape.whole(log, policy), shape.at(log, policy, 1)
        rest = 1 - np.take_along_axis(one, shape.shown[:, :1], axis=1)
        y, x = two * rest - one, two * (k - 1) / k - 1 / k - one + rest / (k - 1)
        np.put_along_axis(x, shape.shown[:, :1], 0.0, axis=1)
        np.add.at(cross, owner[shape.request], (x * y).sum(axis=1))
        np.add.at(square, owner[shape.request], (x * x).sum(axis=1))
    told = square > 1e-12
    return np.clip(np.divide(cross, square, out=np.zeros_like(cross), where=told), 0.0, 1.0)


def _check(log: LoggedDecisions, shape: EligibleSlates, read: Strengths, policy: Doubles, name: str) -> None:
    gone = np.zeros((len(shape.first), shape.items), bool)
    for position in range(shape.length):
        off = np.abs(read.following(gone) - shape.at(log, policy, position)).max(axis=1)
        if not off.max() <= PROBABILITY_TOLERANCE:
            worst = int(np.argmax(off))
            raise ContractBroken(
                f"{name} of row {shape.first[worst] + position} is off by {off[worst]:.2g} from the Plackett-Luce "
                f"policy of its slate's first position; allowed is {PROBABILITY_TOLERANCE:g}"
            )
        np.put_along_axis(gone, shape.shown[:, position : position + 1], True, axis=1)
