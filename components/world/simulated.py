"""The simulated world: drifting tastes, arrivals and departures, positions, delays, and exact values.

Everything random is drawn from ``(seed, day)``, so any window can be asked for in any order
and always answers the same. Reward probabilities are known, hence the value of any policy is
exact, by enumerating what it could show: the truth that intervals and gates are tested against.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pandas as pd

from components.domain import DAY, HOUR, Doubles, Ints, Window
from components.sigmoid import sigmoid
from components.world.laws import SimulatedSettings


@dataclass(frozen=True)
class Requests:
    """r requests of k eligible items each, in order of time.

    Attributes
    ----------
    user : (r,) int64; at : (r,) microseconds.
    item : (r, k) int64. probability : (r, k) chance of reward at position 0.
    luck : (r, k) uniform; the item is rewarded at position l if ``luck < probability examined_l``.
    delay : (r, k) microseconds until its outcome.
    amount : (r, k) what a reward brings, in EUR.
    """

    user: Ints
    at: Ints
    item: Ints
    probability: Doubles
    luck: Doubles
    delay: Ints
    amount: Doubles

    def __len__(self) -> int:
        return len(self.user)

    @property
    def offsets(self) -> Ints:
        """(r + 1,) CSR offsets of the eligible entries."""
        return np.arange(len(self) + 1) * self.item.shape[1]


class SimulatedWorld:
    """A world by its settings; immutable, every method a function of its arguments."""

    def __init__(self, settings: SimulatedSettings) -> None:
        self.settings = s = settings
        if s.items < s.eligible:
            raise ValueError(
                f"{s.items} items for eligible sets of {s.eligible}; allowed is {s.eligible} items or more"
            )
        rng = np.random.default_rng([s.seed, 1 << 32])
        scale = s.sharpness / np.sqrt(s.tastes)
        self._user = rng.normal(size=(2, s.users, s.tastes)) * scale
        self._turn = rng.normal(size=(s.users, 1)) / s.turn_days
        self._item = rng.normal(size=(s.items, s.tastes))
        self._user_born = _born(rng, s.users, s.span_days)
        self._item_born = _born(rng, s.items, s.span_days)
        life = rng.exponential(s.item_life_days, s.items) + s.item_life_days / 4
        self._item_gone = self._item_born + life
        self._item_gone[: s.eligible] = np.inf
        self._item_born[: s.eligible] = 0.0
        fashion = np.random.default_rng([s.seed, 1 << 33])
        self._appeal = fashion.normal(size=(2, s.items)) * s.appeal
        self._appeal_turn = fashion.normal(size=s.items) / s.appeal_turn_days
        self._dear = np.random.default_rng([s.seed, 1 << 34]).normal(size=s.items) * s.price_spread

    def requests(self, window: Window) -> Requests:
        """The requests of a window; the same whatever windows it is cut into."""
        first, last = self._day(window.start), self._day(window.cutoff - 1)
        days = [self._requests_of_day(day) for day in range(first, last + 1)]
        whole = _concatenated(days)
        inside = (whole.at >= window.start) & (whole.at < window.cutoff)
        return whole if inside.all() else _taken(whole, inside)

    def day(self, number: int, days: int = 1) -> Window:
        """The window of `days` days from day `number` on."""
        start = self.settings.start + number * DAY
        return Window(start, start + days * DAY)

    def probability(self, user: Ints, item: Ints, at: Ints) -> Doubles:
        """(r, k) chance of reward at position 0, ``sigmoid(logit(rate) + appeal(item, at) + <taste(user, at), item>)``.

        What is dear loses `bargain` times its log price over the median. Shapes: user (r,), item (r, k), at (r,).
        """
        days = (at - self.settings.start) / DAY
        angle = self._turn[user] * days[:, None]
        taste = self._user[0, user] * np.cos(angle) + self._user[1, user] * np.sin(angle)
        base = np.log(self.settings.rate / (1 - self.settings.rate))
        logits = base + self._appeal_at(item, days) + np.einsum("rd,rkd->rk", taste, self._item[item])
        logits = logits - self.settings.bargain * self._dear[item]
        return np.asarray(sigmoid(logits))

    def worth(self, item: Ints) -> Doubles:
        """Expected amount of a reward, in EUR, in the shape of `item`: ``price exp(dear + noise^2 / 2)``."""
        return np.asarray(self.settings.price * np.exp(self._dear[item] + self.settings.price_noise**2 / 2))

    def aisle(self, item: Ints) -> np.ndarray:
        """Text per item: the direction of taste it lies in most, as a catalogue knows of an item nobody bought."""
        vectors = self._item[item]
        axis = np.abs(vectors).argmax(axis=-1)
        side = np.take_along_axis(vectors, axis[..., None], axis=-1)[..., 0] > 0
        return np.char.add(np.char.add("a", axis.astype(str)), np.where(side, "+", "-"))

    def examined(self, position: int) -> float:
        """Chance that a position is looked at, relative to position 0."""
        return float((1 + position) ** -self.settings.position_decay)

    def reward(self, requests: Requests, shown: Ints, position: int = 0) -> Doubles:
        """(r,) reward of the entries `shown` (r,), indices into the eligible items, at one position."""
        rows = np.arange(len(requests))
        chance = requests.probability[rows, shown] * self.examined(position)
        return (requests.luck[rows, shown] < chance).astype(float)

    def value(self, requests: Requests, policy: Doubles) -> float:
        """Exact expected reward per request of a one-item policy, (r, k) probabilities."""
        return float((policy * requests.probability).sum(axis=1).mean())

    def slate_value(
        self, requests: Requests, conditional: Callable[[tuple[int, ...]], Doubles], slate_size: int
    ) -> float:
        """Exact expected reward per request of any slate policy, by enumerating all prefixes.

        Parameters
        ----------
        conditional : prefix of eligible indices -> (r, k) probability of the next item, 0 on the prefix.
        """
        total = np.zeros(len(requests))
        for position in range(slate_size):
            for prefix in permutations(range(requests.item.shape[1]), position):
                reach = np.ones(len(requests))
                for length, index in enumerate(prefix):
                    reach = reach * conditional(prefix[:length])[:, index]
                here = (conditional(prefix) * requests.probability).sum(axis=1)
                total += reach * here * self.examined(position)
        return float(total.mean())

    def interactions(self, window: Window) -> pd.DataFrame:
        """What every eligible item would have earned at position 0, as a log of interactions.

        One row per request and eligible item: user_id, item_id, aisle, timestamp (microseconds, UTC),
        reward, amount (EUR); the recorded-log world plays it like people's own ratings. The timestamp is when
        the outcome is known, up to the end of the user's day.
        """
        r = self.requests(window)
        k = r.item.shape[1]
        day_end = (r.at // DAY + 1) * DAY - 1
        known = np.minimum(r.at[:, None] + r.delay, day_end[:, None])
        frame = pd.DataFrame(
            {
                "user_id": [f"u{u}" for u in np.repeat(r.user, k)],
                "item_id": [f"i{i}" for i in r.item.ravel()],
                "aisle": self.aisle(r.item.ravel()),
                "timestamp": known.ravel(),
                "reward": (r.luck < r.probability).astype(float).ravel(),
                "amount": np.where(r.luck < r.probability, np.round(r.amount, 2), 0.0).ravel(),
            }
        )
        return frame.sort_values("timestamp", kind="stable").reset_index(drop=True)

    def _appeal_at(self, item: Ints, days: Doubles) -> Doubles:
        angle = self._appeal_turn[item] * days[:, None]
        return self._appeal[0, item] * np.cos(angle) + self._appeal[1, item] * np.sin(angle)

    def _day(self, instant: int) -> int:
        return int((instant - self.settings.start) // DAY)

    def _requests_of_day(self, day: int) -> Requests:
        s = self.settings
        rng = np.random.default_rng([s.seed, day + (1 << 20)])
        users = np.flatnonzero(self._user_born <= day)
        items = np.flatnonzero((self._item_born <= day) & (self._item_gone > day))
        at = s.start + day * DAY + np.sort(rng.integers(DAY, size=s.requests_per_day))
        user = users[rng.integers(len(users), size=s.requests_per_day)]
        item = items[_distinct(rng, s.requests_per_day, len(items), s.eligible)]
        shape = item.shape
        delay = np.minimum(rng.exponential(s.delay_hours, shape) * HOUR, 30 * DAY).astype(np.int64)
        luck, noise = rng.random(shape), rng.normal(size=shape) * s.price_noise
        amount = s.price * np.exp(self._dear[item] + noise)
        return Requests(user, at, item, self.probability(user, item, at), luck, delay, amount)


def _born(rng: np.random.Generator, count: int, span: float) -> Doubles:
    """Day of arrival: half at 0, half uniform over the span; the first is always there."""
    born = np.where(rng.random(count) < 0.5, 0.0, rng.uniform(0, span, count))
    born[0] = 0.0
    return born


def _distinct(rng: np.random.Generator, rows: int, pool: int, count: int) -> Ints:
    """(rows, count) distinct numbers below `pool` per row: a random start and random gaps, wrapping around."""
    gaps = rng.integers(1, max(pool // count, 1) + 1, size=(rows, count))
    return (rng.integers(pool, size=(rows, 1)) + np.cumsum(gaps, axis=1)) % pool


def _concatenated(parts: list[Requests]) -> Requests:
    return Requests(*(np.concatenate([getattr(p, name) for p in parts]) for name in Requests.__dataclass_fields__))


def _taken(requests: Requests, mask: np.ndarray) -> Requests:
    return Requests(*(getattr(requests, name)[mask] for name in Requests.__dataclass_fields__))
