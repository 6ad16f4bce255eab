"""Do the intervals hold? Coverage over simulated logs, wherever the diagnostics did not refuse."""

from collections import defaultdict
from dataclasses import asdict, dataclass, field

import numpy as np

from benchmarks.off_policy_logs import Logged, Pool, draw, make_pool
from components.domain import Doubles
from components.evaluate.confidence_sequence import boundary
from components.evaluate.diagnostics import diagnose, refusals
from components.evaluate.estimators import dr, ips, parts
from components.evaluate.evaluate import evaluate
from components.evaluate.intervals import Interval, bernstein_interval, bootstrap_interval, normal_interval
from components.evaluate.settings import EvaluateSettings

RATES = (0.005, 0.05, 0.5, 0.9)
SETTINGS = EvaluateSettings()


@dataclass
class Tally:
    """Intervals seen so far for one estimator and kind of interval."""

    covered: list[bool] = field(default_factory=list)
    widths: list[float] = field(default_factory=list)

    def add(self, interval: Interval, truth: float) -> None:
        """One interval."""
        self.covered.append(interval.lower <= truth <= interval.upper)
        self.widths.append(interval.upper - interval.lower)


@dataclass(frozen=True)
class CoverageRow:
    """Coverage of one estimator's interval; `covered` and `mean_width` are null where all logs were refused.

    `logs` were drawn, `refused` is the share that the diagnostics refused, `intervals` were made.
    """

    estimator: str
    interval: str
    n: int
    rate: float
    covered: float | None
    refused: float
    logs: int
    intervals: int
    mean_width: float | None


def coverage(n: int, rate: float, logs: int, *, bootstraps: int, seed: int = 1) -> list[dict[str, object]]:
    """Rows for one size and rate; the bootstrap is tried on the first `bootstraps` logs (it is the slow one)."""
    pool = make_pool(rate)
    rng = np.random.default_rng([seed, n, round(rate * 1000)])
    tallies: dict[tuple[str, str], Tally] = defaultdict(Tally)
    refused = 0
    for number in range(logs):
        if not _one(pool, draw(pool, n, rng), tallies, rng, number < bootstraps):
            refused += 1
    if not tallies:
        return [
            asdict(CoverageRow(e, "skew-corrected", n, rate, None, 1.0, logs, 0, None)) for e in ("IPS", "SNIPS", "DR")
        ]
    return [asdict(_row(key, tally, n, rate, refused / logs, logs)) for key, tally in tallies.items()]


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
        tallies["SNIPS", "ratio bootstrap"].add(found, pool.target_value)
    for name, each in (("IPS", ips(p).each), ("DR", dr(p).each)):
        held, width = _sequence(each, w * r, pool.target_value)
        tally = tallies[name, "confidence sequence"]
        tally.covered.append(held)
        tally.widths.append(width)
    return True


def _sequence(each: Doubles, rewarded: Doubles, truth: float) -> tuple[bool, float]:
    """Whether the sequence holds at every time from the first accepted one on; its width at the end."""
    count = np.arange(1, len(each) + 1, dtype=float)
    mean = np.cumsum(each) / count
    spread = np.sqrt(np.maximum(np.cumsum(each * each) / count - mean * mean, 0))
    radius = spread * boundary(count, SETTINGS.alpha)
    effective = np.cumsum(rewarded) ** 2 / np.maximum(np.cumsum(rewarded**2), 1e-300)
    read = (count >= 200) & (effective >= SETTINGS.minimum_rewarded)
    return bool((np.abs(mean - truth) <= radius)[read].all()), float(2 * radius[-1])


def _row(key: tuple[str, str], tally: Tally, n: int, rate: float, refused: float, logs: int) -> CoverageRow:
    widths, covered = np.array(tally.widths), np.array(tally.covered)
    return CoverageRow(key[0], key[1], n, rate, float(covered.mean()), refused, logs, len(widths), float(widths.mean()))


def refusal_rate(pool: Pool, n: int, logs: int, seed: int = 2) -> float:
    """Share of sound logs that the weights' diagnostics refuse."""
    rng = np.random.default_rng(seed)
    made = [draw(pool, n, rng) for _ in range(logs)]
    return float(
        np.mean([bool(refusals(diagnose(m.log, m.target, parts(m.log, m.target).weight), SETTINGS)) for m in made])
    )
