"""Two simulated months for canaries: users who come back, at rates and with tastes of their own; exact truth beside.

`Shop` is the one that settings were chosen on. `Feed` has other laws throughout: few users make most of the traffic,
they are also those who like more, visits come in moods, users arrive and leave, rewards are amounts, values trend and
have a weekly rhythm, and a canary's loss falls on some users more than on others.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from components.domain import Doubles, Ints
from components.sigmoid import sigmoid

PAST_DAYS = 28
MONTH = 30


@dataclass(frozen=True)
class Day:
    """(n,) requests of every user, and their rewards under the champion's laws or the canary's."""

    requests: Ints
    earned: Doubles


class World(Protocol):
    """A month of n users; all dice are in the generator it is made with."""

    users: int

    def day(self, number: int, factor: Doubles) -> Day:
        """A day, 0 the first of the canary and negative ones before it; `factor` (n,) on users' expected rewards."""
        ...

    def expected(self, number: int) -> Doubles:
        """(n,) expected reward of a day under the champion."""
        ...

    def factor(self, loss: float) -> Doubles:
        """(n,) factors on expected rewards that lose exactly this share of the month's in all."""
        ...


class Shop:
    """Twenty thousand customers: gamma rates, normal tastes, clicks yes or no."""

    def __init__(self, rng: np.random.Generator, scale: float = 1.0) -> None:
        self.users, self._rng = round(20_000 * scale), rng
        self._rate = rng.gamma(0.8, 20 / 28 / 0.8, self.users)
        self._chance = np.asarray(sigmoid(np.log(0.3 / 0.7) + 0.8 * rng.normal(size=self.users)))

    def day(self, number: int, factor: Doubles) -> Day:
        """Poisson requests, one chance each."""
        requests = self._rng.poisson(self._rate)
        return Day(requests, self._rng.binomial(requests, np.minimum(self._chance * factor, 1)).astype(float))

    def expected(self, number: int) -> Doubles:
        """The same every day."""
        return np.asarray(self._rate * self._chance)

    def factor(self, loss: float) -> Doubles:
        """The same for everyone."""
        return np.full(self.users, 1 - loss)


class Feed:
    """Seventy-five thousand readers, of whom half come in a month and make as many requests as the shop's customers.

    Pareto rates tied to taste, moods, arrivals, departures, amounts, trend and rhythm.
    """

    def __init__(self, rng: np.random.Generator, scale: float = 1.0) -> None:
        self.users, self._rng = round(75_000 * scale), rng
        n = self.users
        self._rate = np.minimum((rng.pareto(2.2, n) + 0.1) * 0.5, 12.0)
        self._taste = 1.2 * np.exp(0.5 * rng.normal(size=n)) * self._rate**0.2
        self._comes = np.where(rng.random(n) < 0.6, -PAST_DAYS, rng.uniform(-PAST_DAYS, MONTH, n))
        self._goes = self._comes + rng.exponential(60.0, n)
        self._hurt = rng.gamma(1.0, 1.0, n)
        self._rhythm, self._trend = rng.uniform(0, 0.3), rng.normal() * 0.006

    def day(self, number: int, factor: Doubles) -> Day:
        """A user of a visit makes a few requests in one mood; each brings a Poisson number of gamma amounts."""
        rate, value = self._laws(number)
        visits = self._rng.random(self.users) < 1 - np.exp(-rate / 3)
        requests = np.where(visits, 1 + self._rng.poisson(2.0, self.users), 0)
        mood = self._rng.gamma(4.0, 0.25, self.users)
        counts = self._rng.poisson(requests * value * factor * mood)
        return Day(requests, np.where(counts > 0, self._rng.gamma(np.maximum(counts, 1) * 1.5, 1 / 1.5), 0.0))

    def expected(self, number: int) -> Doubles:
        """Visits times requests times value."""
        rate, value = self._laws(number)
        return np.asarray((1 - np.exp(-rate / 3)) * 3.0 * value)

    def factor(self, loss: float) -> Doubles:
        """Some lose much, most little, some nothing; all together what was asked for."""
        month = np.sum([self.expected(d) for d in range(28)], axis=0)
        hurt = self._hurt * month.sum() / (self._hurt @ month)
        return np.asarray(np.maximum(1 - loss * hurt, 0.0))

    def _laws(self, number: int) -> tuple[Doubles, Doubles]:
        here = (self._comes <= number) & (number < self._goes)
        season = 1 + self._rhythm * np.sin(2 * np.pi * number / 7)
        return self._rate * season * here, self._taste * np.exp(self._trend * number) * (2 - season)


WORLDS: dict[str, type[Shop] | type[Feed]] = {"shop": Shop, "feed": Feed}
