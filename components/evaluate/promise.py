"""The gate's own record: what it promised of each release, beside what that release then earned.

A promise is the value the gate estimated before it released a generation, on another policy's log. The outcome is the
plain mean of what that generation's own requests earned: on its own log no weight is needed. They are not quite the
same quantity. The promise is of requests like those of the window it was judged on, without what the live memory
learns later; the outcome is of the time after, memory included. So a gap is a question to be asked, and gaps that all
point one way are the gate's calibration.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace

import numpy as np

from components.domain import Doubles, Ints
from components.evaluate.by_user import collapsed
from components.evaluate.estimate import Estimate
from components.evaluate.intervals import Interval, skew_interval
from components.evaluate.settings import EvaluateSettings

ESTIMATES = ("promised", "earned", "gap")


@dataclass(frozen=True)
class Promise:
    """One released generation.

    Attributes
    ----------
    metric : what values are of. promised : by the gate, before. earned : by its own requests; None before the first
        of them has matured. gap : earned - promised; None where either has no interval.
    requests, users : that `earned` rests on. as_of : the cutoff (microseconds) it is known at; 0 before the first.
    """

    generation: int
    metric: str
    promised: Estimate
    earned: Estimate | None = None
    gap: Estimate | None = None
    requests: int = 0
    users: int = 0
    as_of: int = 0

    def to_json(self) -> str:
        """One JSON document."""
        told = asdict(self)
        for name in ESTIMATES:
            if told[name]:
                told[name] = {k: None if v != v else v for k, v in told[name].items()}
        return json.dumps(told, allow_nan=False)

    @classmethod
    def from_json(cls, text: str) -> "Promise":
        """The promise that `to_json` wrote."""
        told = json.loads(text)
        return cls(**told | {name: told[name] and Estimate.of(told[name]) for name in ESTIMATES})

    @property
    def kept(self) -> bool | None:
        """Whether the gap may be nothing but chance; None where that cannot be said."""
        return None if self.gap is None else self.gap.lower <= 0 <= self.gap.upper

    def with_earned(self, value: "OnPolicy", bounds: Interval, settings: EvaluateSettings, as_of: int) -> "Promise":
        """The promise with what was earned until `as_of`; `bounds`: what one request can earn."""
        earned = value.estimate(bounds, settings)
        gap, requests = _gap(earned, self.promised), len(value.earned)
        return replace(self, earned=earned, gap=gap, requests=requests, users=value.users, as_of=as_of)


@dataclass(frozen=True)
class OnPolicy:
    """What m requests of one generation earned, `earned` (m,), and whose they are, `user` (m,) codes from 0."""

    earned: Doubles
    user: Ints

    @property
    def users(self) -> int:
        """Users with a request."""
        return int(self.user.max()) + 1 if len(self.user) else 0

    def estimate(self, bounds: Interval, settings: EvaluateSettings) -> Estimate:
        """The mean per request with its by-user interval; without one below `minimum_users`."""
        value = float(self.earned.mean())
        if self.users < settings.minimum_users:
            return Estimate("mean", value, np.nan, np.nan, self.users, "none")
        found = skew_interval(collapsed(self.earned, self.user), settings.alpha)
        lower, upper = max(found.lower, bounds.lower), min(found.upper, bounds.upper)
        return Estimate("mean", value, lower, upper, self.users, found.kind)


def _gap(earned: Estimate, promised: Estimate) -> Estimate | None:
    """earned - promised: limits of a difference recovered from the limits of both.

    The two rest on different requests, so their errors add in squares, each to its own side (Zou and Donner 2008,
    "Construction of confidence limits about effect measures", section 2).
    """
    ends = (earned.lower, earned.upper, promised.lower, promised.upper)
    if not np.isfinite(ends).all():
        return None
    value = earned.value - promised.value
    below = np.hypot(earned.value - earned.lower, promised.upper - promised.value)
    above = np.hypot(earned.upper - earned.value, promised.value - promised.lower)
    ess = min(earned.ess, promised.ess)
    return Estimate("earned - promised", value, float(value - below), float(value + above), ess, "of a difference")


def calibration(promises: Sequence[Promise]) -> str:
    """One sentence on all of them: how many gaps chance explains, and where they point on average."""
    gaps = [p.gap for p in promises if p.gap is not None]
    if not gaps:
        return "No release has earned enough on its own requests to be held against its promise."
    kept = sum(bool(p.kept) for p in promises)
    mean = float(np.mean([g.value for g in gaps]))
    return (
        f"Of {len(gaps)} releases {kept} earned what was promised, as far as chance allows; "
        f"on average they earned {mean:+.4f} against their promise."
    )
