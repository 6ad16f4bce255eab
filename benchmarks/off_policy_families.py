"""Two kinds of generators of populations: intervals were chosen on `TUNED_ON`, figures are reported on `OTHER`.

They share no functional form: how chances arise, how many requests a user makes, how a user's
requests hang together, how amounts scatter and drift, and what policies get wrong.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from scipy.special import expit, ndtr

from benchmarks.off_policy_population import Amounts
from components.domain import Doubles, Ints

KINDS = 3000
"""Kinds of users in a population: many more than a log can tell apart."""
MOST_REQUESTS = 80
"""Of one user in one log."""


class Family(Protocol):
    """One kind of generators; P is `KINDS`."""

    name: str

    def chance(self, rng: np.random.Generator, k: int, rate: float, periods: int) -> Doubles:
        """(periods, P, k) chances of a reward with mean `rate`; they drift where there is more than one period."""
        ...

    def scores(self, rng: np.random.Generator, chance: Doubles, sharpness: float) -> Doubles:
        """(P, k) scores of a policy that sees the (P, k) chances, with errors of its own."""
        ...

    def nearby(self, rng: np.random.Generator, scores: Doubles, distance: float) -> Doubles:
        """(P, k) scores of a policy that differs from another one by `distance`."""
        ...

    def requests(self, rng: np.random.Generator) -> Ints:
        """(P,) requests per user, six on average, with a heavy tail."""
        ...

    def mood(self, user: Ints, rng: np.random.Generator) -> Doubles:
        """As `Mood`: what makes a user's rewards alike."""
        ...

    def price(self, rng: np.random.Generator, k: int) -> Doubles:
        """(P, k) mean amounts."""
        ...

    def amounts(self, sigma: float) -> Amounts:
        """Factors with mean 1 that scatter like a lognormal of this sigma."""
        ...


def lognormal(sigma: float) -> Amounts:
    """Lognormal factors of mean 1."""
    return lambda count, rng: np.exp(sigma * rng.normal(size=count) - sigma**2 / 2)


@dataclass(frozen=True)
class Logistic:
    """Low-rank tastes through a logistic; Pareto counts; one mood per user; lognormal amounts; wandering tastes."""

    name: str = "tuned on"

    def chance(self, rng: np.random.Generator, k: int, rate: float, periods: int) -> Doubles:
        taste, item = rng.normal(size=(KINDS, 4)), rng.normal(size=(k, 4))
        logit = 0.5 * taste @ item.T + 0.5 * rng.normal(size=k)
        step = rng.normal(size=(periods, 1, k)) * 0.4
        step[0] = 0
        logit = logit + step.cumsum(axis=0)
        return np.clip(expit(logit + _shift(lambda x: float(expit(logit + x).mean()), rate)), 1e-5, 1 - 1e-5)

    def scores(self, rng: np.random.Generator, chance: Doubles, sharpness: float) -> Doubles:
        logit = np.log(chance / (1 - chance))
        return sharpness * (logit - logit.mean() + 0.7 * rng.normal(size=logit.shape))

    def nearby(self, rng: np.random.Generator, scores: Doubles, distance: float) -> Doubles:
        return scores + distance * rng.normal(size=scores.shape)

    def requests(self, rng: np.random.Generator) -> Ints:
        drawn = 1 + np.floor(4.2 * rng.pareto(1.9, KINDS)).astype(np.int64)
        return np.minimum(drawn, MOST_REQUESTS)

    def mood(self, user: Ints, rng: np.random.Generator) -> Doubles:
        return rng.normal(size=int(user.max()) + 1)[user]

    def price(self, rng: np.random.Generator, k: int) -> Doubles:
        return np.exp(rng.normal(2.5, 0.5, (1, k)) + rng.normal(0, 0.3, (KINDS, 1)))

    def amounts(self, sigma: float) -> Amounts:
        return lognormal(sigma)


@dataclass(frozen=True)
class Probit:
    """Dirichlet tastes and Zipf popularity through a probit; gamma-Poisson counts; moods that fade; seasons."""

    name: str = "other"

    def chance(self, rng: np.random.Generator, k: int, rate: float, periods: int) -> Doubles:
        taste = np.log(rng.dirichlet(np.full(k, 0.8), KINDS) + 0.01)
        popular = -0.6 * np.log(rng.permutation(k) + 1.0)
        latent = 0.35 * taste + 0.5 * popular
        phase = rng.uniform(0, 2 * np.pi, k)
        season = 0.5 * np.sin(phase + np.linspace(0, 4, periods)[:, None]) - 0.5 * np.sin(phase)
        latent = latent + season[:, None, :]
        return np.clip(ndtr(latent + _shift(lambda x: float(ndtr(latent + x).mean()), rate)), 1e-5, 1 - 1e-5)

    def scores(self, rng: np.random.Generator, chance: Doubles, sharpness: float) -> Doubles:
        seen = rng.beta(30 * chance + 0.5, 30 * (1 - chance) + 0.5)
        seen = 0.5 * seen + 0.5 * chance.mean(axis=0)
        return sharpness * 0.8 * np.log((seen + 0.02) / (seen + 0.02).mean())

    def nearby(self, rng: np.random.Generator, scores: Doubles, distance: float) -> Doubles:
        centred = scores - scores.mean(axis=1, keepdims=True)
        stretch = 1 + 0.6 * distance * rng.standard_t(6, (KINDS, 1))
        return centred * np.clip(stretch, 0, 2) + 0.8 * distance * rng.uniform(-1.7, 1.7, scores.shape)

    def requests(self, rng: np.random.Generator) -> Ints:
        return np.minimum(1 + rng.poisson(rng.gamma(0.4, 5 / 0.4, KINDS)), MOST_REQUESTS)

    def mood(self, user: Ints, rng: np.random.Generator) -> Doubles:
        return _fading(user, rng)

    def price(self, rng: np.random.Generator, k: int) -> Doubles:
        return rng.choice([3.0, 8.0, 15.0, 40.0], size=(1, k)) * rng.gamma(8, 1 / 8, (KINDS, 1))

    def amounts(self, sigma: float) -> Amounts:
        return lognormal(sigma)


def _fading(user: Ints, rng: np.random.Generator, phi: float = 0.9) -> Doubles:
    """First-order autoregressive moods along each user's requests."""
    order = np.argsort(user, kind="stable")
    counts = np.bincount(user)
    place = np.arange(len(user)) - np.repeat(np.cumsum(counts) - counts, counts)
    mood, state = np.empty(len(user)), rng.normal(size=len(counts))
    for at in range(int(counts.max())):
        rows = order[place == at]
        mood[rows] = state[user[rows]]
        state = phi * state + np.sqrt(1 - phi**2) * rng.normal(size=len(counts))
    return mood


def pareto_mixed(sigma: float) -> Amounts:
    """Nine in ten lognormal, one in ten Pareto with a tail that has a variance and no third moment; mean 1."""

    def amounts(count: int, rng: np.random.Generator) -> Doubles:
        plain = lognormal(0.7 * sigma)(count, rng)
        large = rng.random(count) < 0.1
        tail = 2.2 + 1.0 / sigma
        return np.where(large, (rng.pareto(tail, count) + 1) * (tail - 1) / tail * 3, plain * 0.7 / 0.9)

    return amounts


def _shift(mean_at: Callable[[float], float], rate: float) -> float:
    """What to add for a mean of `rate`."""
    low, high = -12.0, 12.0
    for _ in range(40):
        middle = (low + high) / 2
        low, high = (middle, high) if mean_at(middle) < rate else (low, middle)
    return (low + high) / 2


TUNED_ON, OTHER = Logistic(), Probit()
