"""Can the evaluation be trusted with the release button? ``python -m benchmarks.off_policy --json``.

Coverage of the intervals, also in worlds as logs are (users who come back, money, drift, slates), errors of the
gate, width of the paired interval, double dipping, what a hundred small losses add up to, a drill, refusals and speed,
each against known truth. ``--quick`` runs the same code on fewer logs,
``--smallest`` on next to none: it shows that the code runs, its figures mean nothing.
Every world, policy and draw follows from ``--seed``; thresholds were chosen on other seeds.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from benchmarks.off_policy_coverage import COMPARED, GUARANTEED, RATES, Cell, coverage
from benchmarks.off_policy_creep import creep
from benchmarks.off_policy_gate import CASES, HELD_OUT, PER_DAY, double_dipping, gate, paired_width_ratio
from benchmarks.off_policy_refusals import refusals, sound_log_refused
from benchmarks.off_policy_speed import speed
from benchmarks.off_policy_worlds import SIZES, WORLDS, Row, worlds
from components.pages.page import write_page
from flows.workspace import enter, scratch

OPEN_BANDIT = Path(__file__).parents[1] / "tests" / "evaluate" / "open_bandit"
OUT = Path(__file__).parent / "results" / "off_policy.json"
SEED = 20_261_122
"""Fresh: no threshold or default of the evaluation was chosen with it."""


@dataclass(frozen=True)
class Size:
    """How much to run.

    Attributes
    ----------
    logs : logs per coverage cell by n. bootstraps : logs per task that are bootstrapped, too.
    histories, dipping : of the gate and of double dipping. worlds : logs per world and size. rows : decisions for
        speed. creep : histories of a hundred small losses. drilled : cases of the drill.
    stretch, batch : logs and histories per task of a worker process.
    """

    logs: dict[int, int]
    bootstraps: int
    histories: int
    dipping: int
    worlds: int
    creep: int
    drilled: int
    rows: int = 1_000_000
    stretch: int = 200
    batch: int = 20


FULL = Size({1000: 2000, 20_000: 2000}, 200, 1000, 1000, 1000, 200, 99)
QUICK = Size({1000: 400, 20_000: 200}, 50, 40, 200, 100, 20, 99)
SMALLEST = Size({1000: 2}, 1, 1, 1, 1, 1, 0, rows=1000)


@dataclass(frozen=True)
class Simulated:
    """What the worker processes found: cells of coverage, worlds, promotions by requests per day, double dipping."""

    cells: list[Cell]
    worlds: list[Row]
    promoted: dict[int, dict[str, int]]
    dipped: dict[str, float]


def report(size: Size, open_bandit: Path, workers: int, seed: int, tell: Callable[[str], None]) -> dict[str, object]:
    """All figures of the benchmark. Speed runs alone first, then `workers` processes share the simulations."""
    begun = time.perf_counter()
    tell("speed")
    fast = speed(size.rows)
    found = simulate(size, workers, seed, tell)
    tell("creep, drill")
    crept, drill = creep(size.creep, seed), drilled(size.drilled)
    tell("paired width, refusals")
    rows = [asdict(row) for cell in found.cells for row in cell.rows()]
    beside = (*GUARANTEED, *COMPARED)
    return {
        "coverage": [r for r in rows if r["interval"] not in beside],
        "worlds": [row.told() for row in found.worlds],
        "creep": asdict(crept),
        "drill": drill,
        "gate": _shares(found.promoted[PER_DAY], size.histories),
        "paired_width_ratio": paired_width_ratio(seed),
        "refusals": refusals(open_bandit),
        "speed": {name: fast.pop(name) for name in ("seconds", "peak_gib", "ips_over_numpy")},
        "also": {
            "seed": seed,
            "histories": size.histories,
            "other_intervals": [r for r in rows if r["interval"] in beside],
            "small_shop_gate": _shares(found.promoted[HELD_OUT], size.histories),
            "double_dipping": found.dipped,
            "sound_log_refused": sound_log_refused(),
            "speed": fast,
            "benchmark_seconds": time.perf_counter() - begun,
        },
    }


def drilled(cases: int) -> dict[str, str]:
    """Verdict of each of the first cases of the drill, in a scratch home."""
    if not cases:
        return {}
    with scratch(None) as root:
        enter(root)
        from flows.drill.cases import CASES as DRILL
        from flows.drill.drill import run_drill

        return {case.case: case.verdict.value for case in run_drill(root, DRILL[:cases]).cases}


def simulate(size: Size, workers: int, seed: int, tell: Callable[[str], None]) -> Simulated:
    """Coverage, gate and double dipping, in small tasks so that progress can be told."""
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        cells = {
            (n, rate): [
                pool.submit(coverage, n, rate, logs, bootstraps=size.bootstraps, seed=seed, stretch=first)
                for first, logs in _parts(total, size.stretch)
            ]
            for n, total in sorted(size.logs.items(), reverse=True)
            for rate in RATES
        }
        gates = {
            per_day: [
                pool.submit(gate, count, first=seed + first, per_day=per_day)
                for first, count in _parts(size.histories, size.batch)
            ]
            for per_day in (PER_DAY, HELD_OUT)
        }
        rows = [
            [
                pool.submit(worlds, world, n, logs, seed=seed, stretch=first)
                for first, logs in _parts(size.worlds, size.stretch)
            ]
            for world in WORLDS
            for n in SIZES
        ]
        dipping = pool.submit(double_dipping, size.dipping, seed)
        tasks = [dipping, *(t for group in (*cells.values(), *gates.values(), *rows) for t in group)]
        _watch(tasks, tell)
        return Simulated(
            [_merged(group) for group in cells.values()],
            [_merged(group) for group in rows],
            {per_day: _summed(group) for per_day, group in gates.items()},
            asdict(dipping.result()),
        )


def _watch(tasks: list[Future], tell: Callable[[str], None]) -> None:
    for done, task in enumerate(as_completed(tasks), 1):
        task.result()
        tell(f"{done} of {len(tasks)} parts of the simulations")


def _parts(total: int, size: int) -> list[tuple[int, int]]:
    """First number and count of each part.

    >>> _parts(50, 20)
    [(0, 20), (20, 20), (40, 10)]
    """
    return [(first, min(size, total - first)) for first in range(0, total, size)]


Part = TypeVar("Part", Cell, Row)


def _merged(group: list[Future[Part]]) -> Part:
    whole, *others = (task.result() for task in group)
    for other in others:
        whole.merge(other)
    return whole


def _summed(group: list[Future[dict[str, int]]]) -> dict[str, int]:
    return {case.name: sum(task.result()[case.name] for task in group) for case in CASES}


def _shares(promoted: dict[str, int], histories: int) -> dict[str, dict[str, float]]:
    shares: dict[str, dict[str, float]] = {}
    for name, count in promoted.items():
        test, case = name.split(".")
        shares.setdefault(test, {})[case] = count / histories
    return shares


def main() -> None:
    """Run, tell on stderr how far it is, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else on stdout")
    effort = parser.add_mutually_exclusive_group()
    effort.add_argument("--quick", action="store_true", help="fewer logs, same code")
    effort.add_argument("--smallest", action="store_true", help="next to no logs, to show that the code runs")
    parser.add_argument("--workers", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--seed", type=int, default=SEED, help="of every world and draw")
    parser.add_argument("--out", type=Path, nargs="?", const=OUT, help=f"also write the figures (default {OUT.name})")
    parser.add_argument("--open-bandit", type=Path, default=OPEN_BANDIT, help="folder of the Open Bandit files")
    args = parser.parse_args()
    begun = time.perf_counter()

    def tell(what: str) -> None:
        sys.stderr.write(f"{time.perf_counter() - begun:7.1f} s  {what}\n")

    size = SMALLEST if args.smallest else QUICK if args.quick else FULL
    figures = report(size, args.open_bandit, args.workers, args.seed, tell)
    if args.out:
        write_page(args.out, json.dumps(figures, indent=1) + "\n")
    sys.stdout.write(json.dumps(figures, indent=None if args.json else 2) + "\n")


if __name__ == "__main__":
    main()
