"""Where items end up: the probability of items at positions, over all slates that a Plackett-Luce policy could draw.

A propensity is conditional on the prefix that was drawn. What an item's chance at a position is over all prefixes, and
how chances of two positions hang together (a slate shows nothing twice), takes a sum over prefixes. The next draw
depends on *which* items are gone and not on their order, so the sum runs over subsets instead of orderings: 45 subsets
instead of 720 orderings for three of ten, 4,845 instead of 1.9 million for five of twenty.
"""

from dataclasses import dataclass
from itertools import combinations
from math import comb

import numpy as np

from components.domain import Bools, Doubles, Ints

LARGEST = 100_000
"""Subsets before the last position times items, up to which a request is enumerated: five of twenty, three of
fifty. Measured for `joint`, a thousand requests: three of ten .07 s, three of twenty .4 s, five of twenty 21 s."""
MOST_ITEMS = 62
"""Items of a subset as bits of an int64."""
AT_ONCE = 4_000_000
"""Numbers held at a time: 32 MB."""


@dataclass(frozen=True)
class Strengths:
    """Plackett-Luce policies of r requests with k eligible items each, and a uniform floor.

    ``pi(a | gone) = (1 - floor) strength_a / sum_{b not gone} strength_b + floor / (k - |gone|)``

    Attributes
    ----------
    strength : (r, k) float64 from 0, summing to 1 per request. floor : (r,) in [0, 1].
    """

    strength: Doubles
    floor: Doubles

    def given(self, gone: Bools) -> Doubles:
        """(r, c, k) conditional probabilities, 0 on what is gone; `gone` (c, k) of c sets.

        >>> Strengths(np.array([[0.5, 0.25, 0.25]]), np.array([0.0])).given(np.array([[True, False, False]]))
        array([[[0. , 0.5, 0.5]]])
        """
        return self._given(self.strength[:, None, :], self.floor[:, None, None], ~gone)

    def following(self, gone: Bools) -> Doubles:
        """(r, k) conditional probabilities, 0 on what is gone: `gone` (r, k), a set for each request."""
        return self._given(self.strength, self.floor[:, None], ~gone)

    @staticmethod
    def _given(strength: Doubles, floor: Doubles, left: Bools) -> Doubles:
        live = strength * left
        total = live.sum(axis=-1, keepdims=True)
        uniform = np.broadcast_to(left / left.sum(axis=-1, keepdims=True), live.shape)
        share = np.divide(live, total, out=uniform.copy(), where=total > 0)
        return np.asarray((1 - floor) * share + floor * uniform)

    def take(self, requests: slice | Ints) -> "Strengths":
        """Those of some requests."""
        return Strengths(self.strength[requests], self.floor[requests])


def enumerable(items: int, length: int) -> bool:
    """Whether slates of `length` out of `items` are few enough to be enumerated.

    >>> enumerable(20, 5), enumerable(100, 3)
    (True, False)
    """
    return items <= MOST_ITEMS and comb(items, length - 1) * items <= LARGEST


def marginals(policy: Strengths, length: int) -> Doubles:
    """(r, length, k) probability of every item at every position, whatever came before."""
    return np.concatenate([_Walk(policy.take(part), length).marginals() for part in _parts(policy, length, 1)])


def joint(policy: Strengths, length: int) -> Doubles:
    """(r, length k, length k) probability of both item a at position l and item b at position l'.

    ``Gamma = E[1_s 1_s']`` with 1_s the slate's indicators, position by position; its diagonal holds `marginals`.
    """
    k = policy.strength.shape[1]
    return np.concatenate([_Walk(policy.take(part), length).joint() for part in _parts(policy, length, k)])


def _parts(policy: Strengths, length: int, tags: int) -> list[slice]:
    """Requests in pieces whose sums over subsets fit into `AT_ONCE`."""
    r, k = policy.strength.shape
    each = max(comb(k, length - 1) * k * (1 if tags == 1 else 2), (length * k) ** 2)
    step = max(1, AT_ONCE // each)
    return [slice(start, min(start + step, r)) for start in range(0, r, step)]


@dataclass(frozen=True)
class _Level:
    """The c subsets of one size: `gone` (c, k), `members` (c, size), `parent` (c, size) without that member."""

    gone: Bools
    members: Ints
    parent: Ints


def _levels(k: int, length: int) -> list[_Level]:
    """Subsets of 0 to length - 1 items."""
    levels = [_Level(np.zeros((1, k), bool), np.empty((1, 0), np.int64), np.empty((1, 0), np.int64))]
    bit = 1 << np.arange(k, dtype=np.int64)
    codes, order = np.zeros(1, np.int64), np.zeros(1, np.int64)
    for size in range(1, length):
        members = np.array(list(combinations(range(k), size)), np.int64)
        code = bit[members].sum(axis=1)
        parent = order[np.searchsorted(codes, code[:, None] ^ bit[members])]
        gone = np.zeros((len(members), k), bool)
        gone[np.arange(len(members))[:, None], members] = True
        levels.append(_Level(gone, members, parent))
        order = np.argsort(code)
        codes = code[order]
    return levels


class _Walk:
    """Sums over subsets, position by position, for some requests."""

    def __init__(self, policy: Strengths, length: int) -> None:
        self.policy, self.length = policy, length
        self.r, self.k = policy.strength.shape
        self.levels = _levels(self.k, length)

    def marginals(self) -> Doubles:
        out = np.empty((self.r, self.length, self.k))
        reached = np.ones((self.r, 1, 1))
        for position, level in enumerate(self.levels):
            chance = self.policy.given(level.gone)
            out[:, position] = (reached @ chance)[:, 0]
            if position + 1 < self.length:
                reached = _advanced(reached, chance, self.levels[position + 1])
        return out

    def joint(self) -> Doubles:
        """Beside the probability of every subset, that of every subset and the item that position l showed."""
        out = np.zeros((self.r, self.length, self.k, self.length, self.k))
        reached, tagged = np.ones((self.r, 1, 1)), list[Doubles]()
        for position, level in enumerate(self.levels):
            chance = self.policy.given(level.gone)
            each = np.arange(self.k)
            out[:, position, each, position, each] = (reached @ chance)[:, 0]
            for earlier, held in enumerate(tagged):
                both = held @ chance
                out[:, earlier, :, position], out[:, position, :, earlier] = both, both.transpose(0, 2, 1)
            if position + 1 < self.length:
                after = self.levels[position + 1]
                tagged = [_advanced(held, chance, after) for held in tagged] + [_tagged(reached, chance, after)]
                reached = _advanced(reached, chance, after)
        return out.reshape(self.r, self.length * self.k, self.length * self.k)


def _advanced(reached: Doubles, chance: Doubles, after: _Level) -> Doubles:
    """(r, tags, c') probability of the subsets one larger: any of its members may have been the last."""
    return np.asarray(
        sum(reached[:, :, parent] * chance[:, None, parent, member] for parent, member in _last(after)),
    )


def _tagged(reached: Doubles, chance: Doubles, after: _Level) -> Doubles:
    """(r, k, c') probability of the subsets one larger, by the member that was last."""
    out = np.zeros((len(reached), chance.shape[2], len(after.members)))
    for parent, member in _last(after):
        out[:, member, np.arange(len(member))] = reached[:, 0, parent] * chance[:, parent, member]
    return out


def _last(after: _Level) -> list[tuple[Ints, Ints]]:
    return list(zip(after.parent.T, after.members.T, strict=True))
