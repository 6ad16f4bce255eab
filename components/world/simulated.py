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
from pydantic import Field, ValidationError

from components.domain import DAY, HOUR, ContractBroken, Doubles, Ints, Window
from components.frozen import Frozen, first_fault
from components.sigmoid import sigmoid


class SimulatedSettings(Frozen):
    """The simulated world's laws; all chosen so that a week resembles a small shop's."""

    seed: int = 0
    users: int = Field(2000, ge=1)
    """Users over all time."""
    items: int = Field(300, ge=2)
    """Items over all time."""
    requests_per_day: int = Field(500, ge=1)
    eligible: int = Field(10, ge=2)
    """Items that could be shown in one request."""
    tastes: int = Field(5, ge=1)
    """Dimensions of taste."""
    rate: float = Field(0.3, gt=0, lt=1)
    """Reward probability of an item of neutral taste at position 0."""
    sharpness: float = Field(0.8, ge=0)
    """Standard deviation of an item's log odds between users."""
    turn_days: float = Field(60.0, gt=0)
    """Days in which a typical taste turns by one radian."""
    appeal: float = Field(0.0, ge=0)
    """Standard deviation of an item's log odds that all users share."""
    appeal_turn_days: float = Field(20.0, gt=0)
    """Days in which a typical appeal turns by one radian: what is in fashion passes sooner than tastes."""
    item_life_days: float = Field(60.0, gt=0)
    """Mean life of an item; half of all items are there on day 0, the others arrive over `span_days`."""
    span_days: float = Field(90.0, gt=0)
    """Days over which new users and items arrive."""
    position_decay: float = Field(0.7, ge=0)
    """Examination of position l is ``(1 + l)^-decay`` (Craswell et al. 2008 fit .6 to 1 for web search)."""
    delay_hours: float = Field(6.0, gt=0)
    """Mean of the exponential delay between an item shown and its outcome."""
    start: int = 1_700_000_000_000_000 // DAY * DAY
    """First instant, microseconds."""


@dataclass(frozen=True)
class Requests:
    """r requests of k eligible items each, in order of time.

    Attributes
    ----------
    user : (r,) int64; at : (r,) microseconds.
    item : (r, k) int64. probability : (r, k) chance of reward at position 0.
    luck : (r, k) uniform; the item is rewarded at position l if ``luck < probability examined_l``.
    delay : (r, k) microseconds until its outcome.
    """

    user: Ints
    at: Ints
    item: Ints
    probability: Doubles
    luck: Doubles
    delay: Ints

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

        Shapes: user (r,), item (r, k), at (r,).
        """
        days = (at - self.settings.start) / DAY
        angle = self._turn[user] * days[:, None]
        taste = self._user[0, user] * np.cos(angle) + self._user[1, user] * np.sin(angle)
        base = np.log(self.settings.rate / (1 - self.settings.rate))
        logits = base + self._appeal_at(item, days) + np.einsum("rd,rkd->rk", taste, self._item[item])
        return np.asarray(sigmoid(logits))

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
        reward; the recorded-log world plays it like people's own ratings. The timestamp is when
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
        return Requests(user, at, item, self.probability(user, item, at), rng.random(shape), delay)


def described(laws: dict[str, float]) -> SimulatedSettings:
    """Settings that differ from the defaults by `laws`, as a source's description names them.

    Raises
    ------
    ContractBroken
        For a law there is not, or a value it does not allow; one line.
    """
    try:
        return SimulatedSettings.model_validate(laws)
    except ValidationError as error:
        raise ContractBroken(f"[simulated.laws], {first_fault(error)}") from None


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
