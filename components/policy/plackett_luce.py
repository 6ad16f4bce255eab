"""Scores to slates: Plackett-Luce with a temperature and a uniform floor.

A slate is drawn position by position. Given the prefix, the probability of an entry ``a``
among the entries ``R`` that are still eligible is

    pi(a | prefix) = (1 - epsilon) exp(s_a / temperature) / sum_{b in R} exp(s_b / temperature)
                     + epsilon / |R|

which is the Plackett-Luce model (Luce 1959; Plackett 1975, section 2) mixed with the
uniform draw. The floor keeps every propensity at or above ``epsilon / |R|``, so that an
importance weight of any target policy is at most ``|R| / epsilon``.

One loop (`PlackettLuce._steps`) serves drawing, scoring and enumeration, with the same
operations on the same numbers in the same order: the propensity logged by the service is
the one recomputed offline, to the last bit.

Eligible sets are ragged (CSR): the entries of request ``i`` are
``offsets[i]:offsets[i + 1]``; an *entry* is an index into that flat axis.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import numpy as np

from components.domain import Doubles, Floats, Ints
from components.policy.settings import PolicySettings
from components.policy.slates import Conditionals, Shown, Slates


@dataclass(frozen=True, slots=True)
class _Step:
    """One position of all requests whose slate reaches it: r requests, q remaining entries."""

    request: Ints  # (r,)
    entry: Ints  # (q,)
    starts: Ints  # (r,) into q
    lengths: Ints  # (r,)
    probability: Doubles  # (q,)
    chosen: Ints  # (r,) into q


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
        return self._conditional(scores, offsets[:-1], np.diff(offsets))

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
        Each position is an exponential race: with ``E_a ~ Exp(1)`` independent, the entry with
        the least ``E_a / p_a`` wins with probability ``p_a``.
        """
        scores, offsets = _checked(scores, offsets)
        sizes = _checked_sizes(slate_size, offsets)

        def race(step: _Step) -> Ints:
            with np.errstate(divide="ignore"):
                finish = rng.standard_exponential(len(step.entry)) / step.probability
            return _first_least(finish, step.starts, step.lengths)

        out = Shown(np.empty(sizes.sum(), np.int64), np.append(0, np.cumsum(sizes)))
        propensity = np.empty(len(out.entry))
        for position, step in enumerate(self._steps(scores, offsets, sizes, race)):
            at = out.offsets[step.request] + position
            out.entry[at] = step.entry[step.chosen]
            propensity[at] = step.probability[step.chosen]
        return Slates(out, propensity)

    def score(self, scores: Doubles | Floats, offsets: Ints, shown: Shown) -> Doubles:
        """(m,) propensity this policy gives each shown position, given the prefix shown before it.

        Raises
        ------
        ValueError
            If a slate shows an entry outside its eligible set, or the same entry twice.
        """
        propensity = np.empty(len(shown.entry))
        for position, step in enumerate(self._replayed(scores, offsets, shown)):
            propensity[shown.offsets[step.request] + position] = step.probability[step.chosen]
        return propensity

    def conditionals(self, scores: Doubles | Floats, offsets: Ints, shown: Shown) -> Conditionals:
        """Probability of every entry still eligible at every shown position, given the logged prefix."""
        steps = list(self._replayed(scores, offsets, shown))
        lengths = np.zeros(len(shown.entry), np.int64)
        for position, step in enumerate(steps):
            lengths[shown.offsets[step.request] + position] = step.lengths
        bounds = np.append(0, np.cumsum(lengths))
        out = Conditionals(np.empty(bounds[-1], np.int64), np.empty(bounds[-1]), bounds)
        for position, step in enumerate(steps):
            first = bounds[shown.offsets[step.request] + position]
            into = np.arange(len(step.entry)) + np.repeat(first - step.starts, step.lengths)
            out.entry[into] = step.entry
            out.probability[into] = step.probability
        return out

    def _conditional(self, scores: Doubles, starts: Ints, lengths: Ints) -> Doubles:
        if not len(starts):
            return scores
        top = _spread(np.maximum.reduceat(scores, starts), lengths)
        weight = np.exp((scores - top) / self.settings.temperature)
        total = np.add.reduceat(weight, starts)
        epsilon = self.settings.epsilon
        return weight * _spread((1 - epsilon) / total, lengths) + _spread(epsilon / lengths, lengths)

    def _replayed(self, scores: Doubles | Floats, offsets: Ints, shown: Shown) -> Iterator[_Step]:
        scores, offsets = _checked(scores, offsets)
        if len(shown.offsets) != len(offsets):
            raise ValueError(f"slates of {len(shown.offsets) - 1} requests for {len(offsets) - 1} eligible sets")
        sizes = np.diff(shown.offsets)
        position = 0

        def look_up(step: _Step) -> Ints:
            nonlocal position
            target = shown.entry[shown.offsets[step.request] + position]
            (found,) = np.nonzero(step.entry == np.repeat(target, step.lengths))
            if len(found) < len(target):
                hit = np.isin(np.arange(len(target)), np.searchsorted(step.starts, found, side="right") - 1)
                request = int(step.request[np.argmin(hit)])
                raise ValueError(
                    f"request {request} shows entry {target[np.argmin(hit)]} at position {position}, which is not"
                    " eligible there: outside its eligible set, or shown before"
                )
            position += 1
            return found

        return self._steps(scores, offsets, sizes, look_up)

    def _steps(self, scores: Doubles, offsets: Ints, sizes: Ints, choose: Callable[[_Step], Ints]) -> Iterator[_Step]:
        request, entry = np.arange(len(sizes)), np.arange(len(scores))
        starts, lengths = offsets[:-1], np.diff(offsets)
        for position in range(int(sizes.max(initial=0))):
            active = sizes[request] > position
            if not active.all():
                entry = entry[np.repeat(active, lengths)]
                request, lengths = request[active], lengths[active]
                starts = np.cumsum(lengths) - lengths
            probability = self._conditional(scores[entry], starts, lengths)
            undecided = _Step(request, entry, starts, lengths, probability, np.empty(0, np.int64))
            chosen = choose(undecided)
            yield _Step(request, entry, starts, lengths, probability, chosen)
            left = np.ones(len(entry), bool)
            left[chosen] = False
            entry = entry[left]
            lengths = lengths - 1
            starts = np.cumsum(lengths) - lengths


def _spread(values: Doubles, lengths: Ints) -> Doubles:
    """One value per segment to one per entry; the single segment of a live request broadcasts, which costs nothing."""
    return values if len(values) == 1 else np.repeat(values, lengths)


def _first_least(values: Doubles, starts: Ints, lengths: Ints) -> Ints:
    """(r,) index of the first least value of each segment."""
    if len(starts) == 1:
        return np.array([values.argmin()])
    least = np.repeat(np.minimum.reduceat(values, starts), lengths)
    (found,) = np.nonzero(values == least)
    segment = np.searchsorted(starts, found, side="right")
    return found[np.diff(segment, prepend=0) > 0]


def _checked(scores: Doubles | Floats, offsets: Ints) -> tuple[Doubles, Ints]:
    scores, offsets = np.ascontiguousarray(scores, np.float64), np.asarray(offsets, np.int64)
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
