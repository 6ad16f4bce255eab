"""A population of users whose policy values are exact, and logs drawn from it.

A population is many kinds of users. A log draws its users from them anew, with their number of
requests, their moods, what they are shown and what they earn: the truth that an interval has to
hold is the expected value over all of that, found by enumerating kinds and slates.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import permutations
from typing import Literal, Protocol

import numpy as np
from scipy.optimize import brentq
from scipy.special import ndtr

from components.domain import Doubles, Ints
from components.evaluate.cross_fit import GroupMeans, cross_fitted
from components.evaluate.logged_decisions import LoggedDecisions

LEAVES, GOES_ON = 0.6, 0.9
"""Cascade: chance to leave after a reward, and to look at the next position after none."""
CAP = 1e6
"""Largest amount that can be earned at once, known beforehand."""


class Mood(Protocol):
    """(m,) standard normal moods of requests, given each request's user (m,), alike within a user."""

    def __call__(self, user: Ints, rng: np.random.Generator) -> Doubles: ...


class Amounts(Protocol):
    """(n,) random factors of an amount, with mean 1."""

    def __call__(self, count: int, rng: np.random.Generator) -> Doubles: ...


@dataclass(frozen=True)
class Users:
    """How P kinds of users come and answer.

    Attributes
    ----------
    chance : (T, P, k) chance of a reward for each item, in each of T equal parts of the log's time.
    requests : (P,) requests of one user of each kind.
    mood : shared by a user's requests with weight `stickiness`; it moves rewards together, never their mean.
    price : (P, k) mean amount of a reward, times a factor of `amounts`; None for rewards of 1.
    """

    chance: Doubles
    requests: Ints
    mood: Mood | None = None
    stickiness: float = 0.0
    price: Doubles | None = None
    amounts: Amounts | None = None


@dataclass(frozen=True)
class Shop:
    """What is shown: slates of `length` by Plackett-Luce over scores, mixed with `epsilon` of the uniform choice.

    Attributes
    ----------
    loggers : (G, P, k) scores of the loggers, one after the other over the log's time, or in turn at random if
        `mixed`; the last is the champion.
    target : (P, k) scores of the challenger.
    balanced : whether the log carries every logger's propensities.
    examined : chance that a position is looked at, in the position model.
    """

    loggers: Doubles
    target: Doubles
    length: int = 1
    epsilon: float = 0.1
    model: Literal["position", "cascade"] = "position"
    examined: tuple[float, ...] = (1.0, 0.7, 0.5)
    balanced: bool = False
    mixed: bool = False


@dataclass(frozen=True)
class Drawn:
    """One log with the policies and the model over its entries."""

    log: LoggedDecisions
    champion: Doubles
    target: Doubles
    equal: Doubles
    worse: Doubles
    q: Doubles


@dataclass(frozen=True)
class Population:
    """Users, a shop, and exact values: expected reward per request.

    `margin` is the share of the champion's value by which the challenger `worse` is worse.
    """

    users: Users
    shop: Shop
    margin: float = 0.05

    @cached_property
    def target_value(self) -> float:
        """Of the challenger."""
        return self.value(self.shop.target)

    @cached_property
    def champion_value(self) -> float:
        """Of the champion."""
        return self.value(self.shop.loggers[-1])

    @cached_property
    def equal(self) -> Doubles:
        """(P, k) scores of a challenger that differs and is worth as much as the champion."""
        return self._worth(self.champion_value)

    @cached_property
    def worse(self) -> Doubles:
        """(P, k) scores of a challenger that differs and is worse by exactly the margin."""
        return self._worth((1 - self.margin) * self.champion_value)

    @cached_property
    def _slates(self) -> Ints:
        return np.array(list(permutations(range(self.shop.loggers.shape[2]), self.shop.length)))

    @cached_property
    def _earned(self) -> Doubles:
        """(P, S) expected reward of every slate, mean over time."""
        price = 1.0 if self.users.price is None else self.users.price
        return sum(self._earned_at(chance, price) for chance in self.users.chance) / len(self.users.chance)

    def _earned_at(self, chance: Doubles, price: Doubles | float) -> Doubles:
        total, reach = 0.0, np.ones(1)
        for at in range(self.shop.length):
            item = self._slates[:, at]
            seen = reach if self.shop.model == "cascade" else self.shop.examined[at]
            worth = (chance * price)[:, item]
            total = total + seen * worth
            reach = reach * (chance[:, item] * (1 - LEAVES) + (1 - chance[:, item]) * GOES_ON)
        return np.asarray(total)

    def value(self, scores: Doubles) -> float:
        """Expected reward per request of a policy with these (P, k) scores."""
        e, epsilon = np.exp(scores - scores.max(axis=1, keepdims=True)), self.shop.epsilon
        left, chance = np.ones((e.shape[1], len(self._slates))), np.ones((len(e), len(self._slates)))
        for at in range(self.shop.length):
            item = self._slates[:, at]
            chance *= (1 - epsilon) * e[:, item] / (e @ left) + epsilon / (e.shape[1] - at)
            left[item, np.arange(len(item))] = 0.0
        each = (chance * self._earned).sum(axis=1)
        return float(each @ self.users.requests / self.users.requests.sum())

    def _worth(self, value: float) -> Doubles:
        """The target's errors, led towards better or worse items until it is worth exactly `value`."""
        mean = self.users.chance.mean(axis=0) * (1.0 if self.users.price is None else self.users.price)
        direction = np.log(mean) - np.log(mean).mean(axis=1, keepdims=True)

        def off(step: float) -> float:
            return self.value(self.shop.target + step * direction) - value

        return np.asarray(self.shop.target + brentq(off, -6.0, 6.0, rtol=1e-10) * direction)

    def draw(self, n: int, rng: np.random.Generator) -> Drawn:
        """A log of about n requests: as many users as make n on average."""
        kinds = rng.integers(len(self.users.requests), size=max(round(n / self.users.requests.mean()), 2))
        user = rng.permutation(np.repeat(np.arange(len(kinds)), self.users.requests[kinds]))
        return _Request(self, kinds[user], user, rng).drawn()


class _Request:
    """The m requests of one log while it is drawn."""

    def __init__(self, population: Population, kind: Ints, user: Ints, rng: np.random.Generator) -> None:
        self.users, self.shop, self.population, self.rng = population.users, population.shop, population, rng
        self.kind, self.user, self.m = kind, user, len(kind)
        self.rows = np.arange(self.m)
        periods, groups = len(self.users.chance), len(self.shop.loggers)
        self.period = self.rows * periods // self.m
        in_turn = self.rows * groups // self.m
        self.logger = rng.integers(groups, size=self.m) if self.shop.mixed else in_turn
        self.lefts, self.picks = self._slates()

    def _conditional(self, scores: Doubles, left: Ints) -> Doubles:
        """(m, j) probabilities over what is left."""
        e = np.exp(scores[self.rows[:, None], left])
        return (1 - self.shop.epsilon) * e / e.sum(axis=1, keepdims=True) + self.shop.epsilon / left.shape[1]

    def _slates(self) -> tuple[list[Ints], list[Ints]]:
        scores = self.shop.loggers[self.logger, self.kind]
        left = np.broadcast_to(np.arange(scores.shape[1]), scores.shape)
        lefts, picks = [], []
        for _ in range(self.shop.length):
            chance = self._conditional(scores, left)
            pick = (chance.cumsum(axis=1) < self.rng.random((self.m, 1))).sum(axis=1).clip(max=left.shape[1] - 1)
            lefts.append(left)
            picks.append(pick)
            left = left[np.arange(left.shape[1]) != pick[:, None]].reshape(self.m, -1)
        return lefts, picks

    def _over_entries(self, scores: Doubles) -> Doubles:
        """(nnz,) policy with these (P, k) scores."""
        mine = scores[self.kind]
        return np.concatenate([self._conditional(mine, left) for left in self.lefts], axis=1).ravel()

    def _rewards(self) -> Doubles:
        """(m, length)."""
        users, out = self.users, np.zeros((self.m, self.shop.length))
        mood = 0.0 if users.mood is None else users.mood(self.user, self.rng)
        there = np.ones(self.m, bool)
        for at in range(self.shop.length):
            item = self.lefts[at][self.rows, self.picks[at]]
            noise = self.rng.normal(size=self.m)
            luck = ndtr(np.sqrt(users.stickiness) * mood + np.sqrt(1 - users.stickiness) * noise)
            liked = luck < users.chance[self.period, self.kind, item]
            again = self.rng.random(self.m)
            cascade = self.shop.model == "cascade"
            seen = there if cascade else again < self.shop.examined[at]
            there = there & (again < np.where(liked, 1 - LEAVES, GOES_ON)) if cascade else there
            amount = 1.0 if users.price is None else users.price[self.kind, item]
            factor = 1.0 if users.amounts is None else users.amounts(self.m, self.rng)
            out[:, at] = np.minimum(seen * liked * amount * factor, CAP)
        return out

    def drawn(self) -> Drawn:
        """The log and everything over its entries."""
        shop, length = self.shop, self.shop.length
        sizes = np.array([left.shape[1] for left in self.lefts])
        offsets = np.concatenate([[0], np.cumsum(np.tile(sizes, self.m))])
        action = offsets[:-1] + np.stack(self.picks, axis=1).ravel()
        each = np.stack([self._over_entries(scores)[action] for scores in shop.loggers], axis=1)
        logger = np.repeat(self.logger, length)
        log = LoggedDecisions(
            request=np.repeat(self.rows, length),
            position=np.tile(np.arange(length), self.m),
            offsets=offsets,
            action=action,
            propensity=each[np.arange(len(each)), logger],
            reward=self._rewards().ravel(),
            at=np.repeat(self.rows, length),
            logger=logger + 1,
            user=np.repeat(self.user, length) if self.users.requests.max() > 1 else None,
            logger_propensity=each if shop.balanced else None,
            logger_share=np.bincount(self.logger) / self.m if shop.balanced else None,
        )
        q = cross_fitted(log, self._cell(), GroupMeans)
        policies = shop.loggers[-1], shop.target, self.population.equal, self.population.worse
        return Drawn(log, *(self._over_entries(scores) for scores in policies), q)

    def _cell(self) -> Ints:
        """(nnz, 1) item and position of each entry, as one number."""
        cells = [left * self.shop.length + at for at, left in enumerate(self.lefts)]
        return np.concatenate(cells, axis=1).reshape(-1, 1)
