"""Slates as entries of flat eligible sets: what was shown, drawn, and could have been drawn."""

from dataclasses import dataclass

import numpy as np

from components.domain import Doubles, Ints


@dataclass(frozen=True, slots=True)
class Shown:
    """Slates of n requests as entries, without probabilities.

    Attributes
    ----------
    entry : (m,) int64, chosen entry per shown position, positions of a slate in order.
    offsets : (n + 1,) int64, slate of request i is ``offsets[i]:offsets[i + 1]``.
    """

    entry: Ints
    offsets: Ints

    @property
    def position(self) -> Ints:
        """(m,) position within the slate, from 0."""
        return np.arange(len(self.entry)) - np.repeat(self.offsets[:-1], np.diff(self.offsets))

    @property
    def request(self) -> Ints:
        """(m,) request of each shown position."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


@dataclass(frozen=True, slots=True)
class Slates:
    """Drawn slates: `shown`, and `propensity` (m,) float64 of each position given its prefix."""

    shown: Shown
    propensity: Doubles


@dataclass(frozen=True, slots=True)
class Conditionals:
    """The whole distribution at every shown position, given the prefix shown before it.

    Attributes
    ----------
    entry : (q,) int64, entries still eligible at the position.
    probability : (q,) float64, sums to 1 over each position.
    offsets : (m + 1,) int64, position j of `Shown` is ``offsets[j]:offsets[j + 1]``.
    """

    entry: Ints
    probability: Doubles
    offsets: Ints
