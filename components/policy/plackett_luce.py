"""Scores to slates: Plackett-Luce with a temperature and a uniform floor.

A slate is drawn position by position. Given the prefix, the probability of an entry ``a``
among the entries ``R`` that are still eligible is

    pi(a | prefix) = (1 - epsilon) exp(s_a / temperature) / sum_{b in R} exp(s_b / temperature)
                     + epsilon / |R|

which is the Plackett-Luce model (Luce 1959; Plackett 1975, section 2) mixed with the
uniform draw. The floor keeps every propensity at or above ``epsilon / |R|``, so that an
importance weight of any target policy is at most ``|R| / epsilon``.

One compiled loop (`_walk`) serves drawing, scoring and enumeration, with the same operations on the same numbers in
the same order: the propensity logged by the service is the one recomputed offline, to the last bit, whatever else was
computed beside it.

Eligible sets are ragged (CSR): the entries of request ``i`` are
``offsets[i]:offsets[i + 1]``; an *entry* is an index into that flat axis.
"""

from dataclasses import dataclass, field

import numpy as np

from components.compiled import compiled, plain
from components.domain import Doubles, Floats, Ints
from components.policy.settings import PolicySettings
from components.policy.slates import Conditionals, Shown, Slates

LEAST = 1e-100
"""Where all that is left weighs less than this beside the best that was there, it is weighed anew."""
_NO_DICE, _NO_BOUNDS = np.empty(0), np.empty(0, np.int64)


@dataclass(frozen=True, slots=True)
class PlackettLuce:
    """The policy. Pure: the same settings and scores give the same probabilities anywhere.

    >>> policy = PlackettLuce(PolicySettings(temperature=1.0, epsilon=0.0))
    >>> policy.predict(np.log([1.0, 3.0, 1.0, 1.0]), np.array([0, 2, 4])).round(6).tolist()
    [0.25, 0.75, 0.5, 0.5]
    """

    settings: PolicySettings = field(default_factory=PolicySettings)

    def predict(self, scores: Doubles | Floats, offsets: Ints) -> Doubles:
        """(nnz,) probability that each entry takes the first position.

        Parameters
        ----------
        scores : (nnz,) finite logits.
        offsets : (n + 1,) int64; every eligible set has at least one entry.

        Raises
        ------
        ValueError
            If a score is not finite, an eligible set is empty, or offsets do not fit the scores.
        """
        scores, offsets = _checked(scores, offsets)
        anyone = Shown(offsets[:-1].copy(), np.arange(len(offsets)))
        return self._all(scores, offsets, anyone, offsets).probability

    def sample(
        self, scores: Doubles | Floats, offsets: Ints, slate_size: int | Ints, rng: np.random.Generator
    ) -> Slates:
        """Slates drawn without replacement, with the propensity of every position.

        Parameters
        ----------
        slate_size : one size for all, or (n,) one per request; each within 1 .. size of the
            eligible set. Who wants "as many as there are" passes
            ``np.minimum(size, np.diff(offsets))``.

        Notes
        -----
        One exponential race per slate: with ``E_a ~ Exp(1)`` independent, the order of ``E_a exp(-s_a / temperature)``
        is a Plackett-Luce order. A position that the coin gives to the floor takes any entry, whatever its time; what
        is left is in Plackett-Luce order still, because an exponential time remembers nothing.
        """
        scores, offsets = _checked(scores, offsets)
        sizes = _checked_sizes(slate_size, offsets)
        out = Shown(np.empty(sizes.sum(), np.int64), np.append(0, np.cumsum(sizes)))
        propensity, dice = np.empty(len(out.entry)), rng.random((2, len(out.entry)))
        race = np.log(rng.standard_exponential(len(scores))) - scores / self.settings.temperature
        self._walk(scores, offsets, out, propensity, (race, dice[0], dice[1]))
        return Slates(out, propensity)

    def score(self, scores: Doubles | Floats, offsets: Ints, shown: Shown) -> Doubles:
        """(m,) propensity this policy gives each shown position, given the prefix shown before it.

        Raises
        ------
        ValueError
            If a slate shows an entry outside its eligible set, or the same entry twice.
        """
        scores, offsets = _checked(scores, offsets)
        propensity = np.empty(len(shown.entry))
        self._walk(scores, offsets, shown, propensity)
        return propensity

    def conditionals(self, scores: Doubles | Floats, offsets: Ints, shown: Shown) -> Conditionals:
        """Probability of every entry still eligible at every shown position, given the logged prefix."""
        scores, offsets = _checked(scores, offsets)
        _checked_shown(offsets, shown)
        left = np.diff(offsets)[shown.request] - shown.position
        return self._all(scores, offsets, shown, np.append(0, np.cumsum(left)))

    def _all(self, scores: Doubles, offsets: Ints, shown: Shown, bounds: Ints) -> Conditionals:
        out = Conditionals(np.empty(bounds[-1], np.int64), np.empty(bounds[-1]), bounds)
        self._walk(scores, offsets, shown, np.empty(len(shown.entry)), into=out)
        return out

    def _walk(
        self,
        scores: Doubles,
        offsets: Ints,
        shown: Shown,
        propensity: Doubles,
        dice: tuple[Doubles, Doubles, Doubles] = (_NO_DICE, _NO_DICE, _NO_DICE),
        into: Conditionals | None = None,
    ) -> None:
        """Fill `propensity`; with dice also the entries of `shown`, and the whole distributions of `into`."""
        _checked_shown(offsets, shown)
        bounds, each, chance = (
            (_NO_BOUNDS, _NO_BOUNDS, _NO_DICE) if into is None else (into.offsets, into.entry, into.probability)
        )
        found = _walk(
            scores,
            offsets,
            plain(shown.offsets),
            self.settings.temperature,
            self.settings.epsilon,
            *dice,
            plain(shown.entry),
            propensity,
            bounds,
            each,
            chance,
        )
        if found >= 0:
            request = int(np.searchsorted(shown.offsets, found, side="right")) - 1
            raise ValueError(
                f"request {request} shows entry {shown.entry[found]} at position {found - shown.offsets[request]}, "
                "which is not eligible there: outside its eligible set, or shown before"
            )


@compiled
def _walk(
    scores: Doubles,
    offsets: Ints,
    slates: Ints,
    temperature: float,
    epsilon: float,
    race: Doubles,
    coin: Doubles,
    pick: Doubles,
    entry: Ints,
    propensity: Doubles,
    bounds: Ints,
    each: Ints,
    chance: Doubles,
) -> int:
    """Go through all positions; -1, or the first shown position whose entry is not eligible there.

    `slates` (n + 1,) bounds the positions of each request. With dice (`race` per entry, `coin` and `pick` per position)
    `entry` is drawn, without it is looked up. With `bounds` the entries still eligible and their probabilities go
    into `each` and `chance`.
    """
    longest = 0
    for request in range(len(offsets) - 1):
        longest = max(longest, offsets[request + 1] - offsets[request])
    left, weight = np.empty(longest, np.int64), np.empty(longest)
    for request in range(len(offsets) - 1):
        n, total = offsets[request + 1] - offsets[request], 0.0
        for a in range(n):
            left[a] = offsets[request] + a
        for position in range(slates[request], slates[request + 1]):
            total = 0.0 if position == slates[request] else weight[:n].sum()
            if total < LEAST:
                total = _weigh(scores, left[:n], temperature, weight)
            if len(coin) > 0:
                chosen = _choose(left[:n], race, coin[position] < epsilon, pick[position])
            else:
                chosen = _look_up(left[:n], entry[position])
            if chosen < 0:
                return position
            scale, floor = (1.0 - epsilon) / total, epsilon / n
            if len(bounds) > 0:
                each[bounds[position] : bounds[position] + n] = left[:n]
                chance[bounds[position] : bounds[position] + n] = weight[:n] * scale + floor
            entry[position] = left[chosen]
            propensity[position] = weight[chosen] * scale + floor
            n -= 1
            for a in range(chosen, n):
                left[a], weight[a] = left[a + 1], weight[a + 1]
    return -1


@compiled
def _weigh(scores: Doubles, left: Ints, temperature: float, weight: Doubles) -> float:
    """Fill the weights of the entries that are left, relative to the best of them; their sum."""
    top, total = -np.inf, 0.0
    for a in range(len(left)):
        top = max(top, scores[left[a]])
    for a in range(len(left)):
        weight[a] = np.exp((scores[left[a]] - top) / temperature)
        total += weight[a]
    return total


@compiled
def _choose(left: Ints, race: Doubles, evenly: bool, pick: float) -> int:
    """Index of an entry drawn from what is left: any, or the first in the race."""
    if evenly:
        return min(int(pick * len(left)), len(left) - 1)
    first = 0
    for a in range(1, len(left)):
        if race[left[a]] < race[left[first]]:
            first = a
    return first


@compiled
def _look_up(left: Ints, entry: int) -> int:
    """Index of `entry` in what is left, or -1."""
    for a in range(len(left)):
        if left[a] == entry:
            return a
    return -1


def _checked_shown(offsets: Ints, shown: Shown) -> None:
    if len(shown.offsets) != len(offsets):
        raise ValueError(f"slates of {len(shown.offsets) - 1} requests for {len(offsets) - 1} eligible sets")


def _checked(logits: Doubles | Floats, bounds: Ints) -> tuple[Doubles, Ints]:
    scores, offsets = plain(np.asarray(logits, np.float64)), plain(np.asarray(bounds, np.int64))
    if len(offsets) == 0 or offsets[0] != 0 or offsets[-1] != len(scores):
        raise ValueError(f"offsets must run from 0 to the number of scores, {len(scores)}")
    if (np.diff(offsets) < 1).any():
        request = int(np.argmin(np.diff(offsets)))
        raise ValueError(f"request {request} has an empty eligible set; allowed is at least one item")
    if not np.isfinite(scores).all():
        at = int(np.argmin(np.isfinite(scores)))
        raise ValueError(f"score of entry {at} is {scores[at]}; allowed are finite logits")
    return scores, offsets


def _checked_sizes(slate_size: int | Ints, offsets: Ints) -> Ints:
    eligible = np.diff(offsets)
    sizes = np.broadcast_to(np.asarray(slate_size, np.int64), eligible.shape)
    wrong = (sizes < 1) | (sizes > eligible)
    if wrong.any():
        at = int(np.argmax(wrong))
        raise ValueError(f"request {at}: slate size is {sizes[at]}; allowed is 1 to {eligible[at]}, its eligible items")
    return sizes
