"""How often a canary that is worse, as good, or better is promoted, and what it costs, in simulated months.

A month: users of the past four weeks and the next, a random share of them served by the canary, a look a day, until it
is promoted or rolled back. Its truth is exact: expected rewards are known. ``python -m benchmarks.canary --json
--months 1000``; settings were chosen on seeds below 1,000 of the world `shop`, reported are seeds from 1,000,000 on of
both worlds.
"""

import argparse
import json
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from itertools import repeat

import numpy as np

from benchmarks.canary_worlds import MONTH, PAST_DAYS, WORLDS, World
from components.domain import Doubles, Verdict
from components.evaluate.canary import CanaryLook, Traffic, look, past_means
from components.evaluate.canary_settings import CanarySettings

LOSSES = (-0.03, 0.0, 0.03, 0.1, 0.3)
"""Shares of the champion's value that a canary loses; the first of them is better."""
FIRST_SEED = 1_000_000
UNADJUSTED = "unadjusted"


@dataclass(frozen=True)
class Month:
    """What became of one canary: `days` until its verdict, `lost`: share of the month's expected reward."""

    verdict: Verdict
    days: int
    lost: float
    harm: bool


@dataclass(frozen=True)
class Row:
    """Months of one world and one true loss; shares of months, days and shares of a month's reward."""

    world: str
    loss: float
    months: int
    promoted: float
    promoted_error: float
    called_worse: float
    median_days: float
    median_lost: float
    median_lost_rolled_back: float | None
    largest_lost: float


def month(name: str, loss: float, seed: int, settings: CanarySettings, scale: float = 1.0) -> Month:
    """One month of a canary that loses `loss`."""
    rng = np.random.default_rng([seed, round((loss + 1) * 1e6)])
    world = WORLDS[name](rng, scale)
    canary = rng.random(world.users) < settings.share
    factor = np.where(canary, world.factor(loss), 1.0)
    past = _past(world, settings)
    requests, earned = np.zeros(world.users), np.zeros(world.users)
    found, day = None, 0
    while found is None or found.verdict is Verdict.HOLD:
        shown = world.day(day, factor)
        requests += shown.requests
        earned += shown.earned
        day += 1
        here = requests > 0
        traffic = Traffic(requests[here], earned[here], past[here], canary[here])
        found = look(traffic, settings, last=day >= settings.days)
    return Month(found.verdict, day, _lost(world, loss, canary, found, day), "worse" in found.reasons[0])


def _past(world: World, settings: CanarySettings) -> Doubles:
    requests, earned = np.zeros(world.users), np.zeros(world.users)
    for number in range(-PAST_DAYS if settings.past_days else 0, 0):
        shown = world.day(number, np.ones(world.users))
        requests += shown.requests
        earned += shown.earned
    return past_means(earned, requests)


def _lost(world: World, loss: float, canary: np.ndarray, found: CanaryLook, days: int) -> float:
    """Share of the month's expected reward that the canary cost: its users while it was out, all if it was promoted."""
    gone = 1 - world.factor(loss)
    daily = [world.expected(d) for d in range(MONTH)]
    out = sum(float((each * gone)[canary].sum()) for each in daily[:days])
    rest = sum(float((each * gone).sum()) for each in daily[days:]) if found.verdict is Verdict.PROMOTE else 0.0
    return (out + rest) / sum(float(each.sum()) for each in daily)


def row(name: str, loss: float, months: Sequence[Month]) -> Row:
    """What the months come to."""
    lost = np.array([m.lost for m in months])
    promoted = np.array([m.verdict is Verdict.PROMOTE for m in months])
    back = lost[~promoted]
    return Row(
        world=name,
        loss=loss,
        months=len(months),
        promoted=float(promoted.mean()),
        promoted_error=round(float(promoted.std() / len(months) ** 0.5), 4),
        called_worse=float(np.mean([m.harm for m in months])),
        median_days=float(np.median([m.days for m in months])),
        median_lost=round(float(np.median(lost)), 6),
        median_lost_rolled_back=round(float(np.median(back)), 6) if len(back) else None,
        largest_lost=round(float(lost.max()), 6),
    )


def main() -> None:
    """Print a row per world and true loss."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--months", type=int, default=100)
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--scale", type=float, default=1.0, help="users, as a multiple of each world's")
    parser.add_argument("--share", type=float, default=0.1)
    parser.add_argument("--losses", type=float, nargs="+", default=LOSSES)
    parser.add_argument("--worlds", nargs="+", choices=sorted(WORLDS), default=list(WORLDS))
    parser.add_argument("--unadjusted", action="store_true", help="without what users did before")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    settings = CanarySettings(share=asked.share, past_days=0.0 if asked.unadjusted else 28.0)
    begin, rows = time.perf_counter(), []
    seeds = range(asked.first_seed, asked.first_seed + asked.months)
    with ProcessPoolExecutor(asked.workers) as pool:
        for name in asked.worlds:
            for loss in asked.losses:
                fixed = (repeat(settings), repeat(asked.scale))
                found = list(pool.map(month, repeat(name), repeat(loss), seeds, *fixed, chunksize=5))
                rows.append(row(name, loss, found))
                if not asked.json:
                    print(rows[-1])  # noqa: T201
    if asked.json:
        told = {"settings": settings.model_dump(), "scale": asked.scale, "rows": [asdict(r) for r in rows]}
        print(json.dumps(told | {"seconds": round(time.perf_counter() - begin, 1)}, indent=1))  # noqa: T201


if __name__ == "__main__":
    main()
