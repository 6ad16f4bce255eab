"""Do the intervals hold? Coverage over simulated logs, wherever the diagnostics did not refuse."""

from collections import defaultdict
from dataclasses import dataclass, field

import numpy as np

from benchmarks.off_policy_intervals import bernstein_interval, normal_interval
from benchmarks.off_policy_logs import Logged, Pool, draw, make_pool
from components.domain import Doubles
from components.evaluate.confidence_sequence import boundary
from components.evaluate.estimators import dr, ips, parts
from components.evaluate.evaluate import evaluate
from components.evaluate.gate import FIRST_LOOK
from components.evaluate.intervals import BOOTSTRAP, SKEW, Interval, bootstrap_interval
from components.evaluate.settings import EvaluateSettings

RATES = (0.005, 0.05, 0.5, 0.9)
SETTINGS = EvaluateSettings(bootstrap_resamples=0)


GUARANTEED = ("empirical Bernstein",)
"""Intervals that cover the truth at least 95 %, proven at every n."""

COMPARED = ("normal",)
"""Intervals shown for comparison; no estimate of ours carries them."""


@dataclass
class Tally:
    """Intervals seen so far for one estimator and kind of interval."""

    intervals: int = 0
    covered: int = 0
    width: float = 0.0

    def add(self, interval: Interval, truth: float) -> None:
        """One interval."""
        self.count(interval.lower <= truth <= interval.upper, interval.upper - interval.lower)

    def count(self, covered: bool, width: float) -> None:
        """One interval that is judged already."""
        self.intervals, self.covered, self.width = self.intervals + 1, self.covered + covered, self.width + width

    def merge(self, other: "Tally") -> None:
        """The intervals of another stretch of logs."""
        self.intervals, self.covered = self.intervals + other.intervals, self.covered + other.covered
        self.width += other.width


@dataclass
class Cell:
    """One size and rate: logs drawn, how many were refused, and the tallies of the others."""

    n: int
    rate: float
    logs: int = 0
    refused: int = 0
    tallies: dict[tuple[str, str], Tally] = field(default_factory=lambda: defaultdict(Tally))

    def merge(self, other: "Cell") -> None:
        """Add another stretch of the same cell."""
        self.logs, self.refused = self.logs + other.logs, self.refused + other.refused
        for key, tally in other.tallies.items():
            self.tallies[key].merge(tally)

    def rows(self) -> list["CoverageRow"]:
        """A row per estimator and interval; rows without coverage where every log was refused."""
        if not self.tallies:
            return [self._row((name, SKEW), Tally()) for name in ("IPS", "SNIPS", "DR")]
        return [self._row(key, tally) for key, tally in self.tallies.items()]

    def _row(self, key: tuple[str, str], tally: Tally) -> "CoverageRow":
        seen = tally.intervals
        covered, width = (tally.covered / seen, tally.width / seen) if seen else (None, None)
        return CoverageRow(*key, self.n, self.rate, covered, self.refused / self.logs, self.logs, width)


@dataclass(frozen=True)
class CoverageRow:
    """Coverage of one estimator's interval; `covered` and `mean_width` are null where all logs were refused.

    `logs` were drawn, `refused` is the share that the diagnostics refused.
    """

    estimator: str
    interval: str
    n: int
    rate: float
    covered: float | None
    refused: float
    logs: int
    mean_width: float | None


def coverage(n: int, rate: float, logs: int, *, bootstraps: int, seed: int, stretch: int = 0) -> Cell:
    """Intervals of `logs` logs of n decisions; the bootstrap is tried on the first `bootstraps` (it is the slow one).

    `seed` makes the world and its policies, `stretch` numbers the parts that a cell is drawn in.
    """
    pool = make_pool(rate, seed)
    rng = np.random.default_rng([seed, n, round(rate * 1000), stretch])
    cell = Cell(n, rate, logs)
    for number in range(logs):
        if not _one(pool, draw(pool, n, rng), cell.tallies, rng, number < bootstraps):
            cell.refused += 1
    return cell


def _one(pool: Pool, made: Logged, tallies: dict, rng: np.random.Generator, bootstrapped: bool) -> bool:
    """Tally one log's intervals; False if the diagnostics refused it."""
    result = evaluate(made.log, made.target, made.logging, made.q, SETTINGS)
    if result.difference is None or result.champion_value is None:
        return False
    for e in result.estimates:
        if e.interval != "none":
            kind = e.interval.split(",")[0]
            tallies[e.name, kind].add(Interval(e.lower, e.upper, kind), pool.target_value)
    gap = result.difference
    tallies[gap.name, gap.interval].add(Interval(gap.lower, gap.upper, ""), pool.target_value - pool.logging_value)
    p = parts(made.log, made.target, made.q)
    w, r = p.weight.through, made.log.reward
    tallies["DR", "normal"].add(normal_interval(dr(p).each, SETTINGS.alpha), pool.target_value)
    largest = float((pool.target / pool.logging).max())
    tallies["IPS", "empirical Bernstein"].add(bernstein_interval(w * r, SETTINGS.alpha, largest), pool.target_value)
    if bootstrapped:
        found = bootstrap_interval(w * r, w, SETTINGS.alpha, rng, resamples=1000)
        tallies["SNIPS", BOOTSTRAP].add(found, pool.target_value)
    for name, each in (("IPS", ips(p).each), ("DR", dr(p).each)):
        held, width = _sequence(each, pool.target_value)
        tallies[name, "confidence sequence"].count(held, width)
    return True


def _sequence(each: Doubles, truth: float) -> tuple[bool, float]:
    """Whether the sequence holds at every time from the first accepted one on; its width at the end."""
    count = np.arange(1, len(each) + 1, dtype=float)
    mean = np.cumsum(each) / count
    spread = np.sqrt(np.maximum(np.cumsum(each * each) / count - mean * mean, 0))
    radius = spread * boundary(count, SETTINGS.alpha / 2)
    return bool((np.abs(mean - truth) <= radius)[count >= FIRST_LOOK].all()), float(2 * radius[-1])
