"""Can the evaluation be trusted with the release button? ``python -m benchmarks.off_policy --json [--quick]``.

Coverage of the intervals, errors of the gate, width of the paired interval, double dipping,
refusals and speed, each against known truth. ``--quick`` runs the same code on fewer logs.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.off_policy_coverage import RATES, coverage
from benchmarks.off_policy_gate import CASES, double_dipping, gate, paired_width_ratio
from benchmarks.off_policy_refusals import refusals
from benchmarks.off_policy_speed import speed

OPEN_BANDIT = Path(__file__).parents[1] / "tests" / "evaluate" / "open_bandit"
BATCH = 50
"""Histories per task of a worker process."""


@dataclass(frozen=True)
class Size:
    """How much to run: logs per coverage cell by n, logs that are bootstrapped, histories, decisions for speed."""

    logs: dict[int, int]
    bootstraps: int
    histories: int
    dipping: int
    rows: int


FULL = Size({1000: 2000, 20_000: 2000}, 2000, 1000, 1000, 1_000_000)
QUICK = Size({1000: 300, 20_000: 60}, 60, 30, 200, 1_000_000)


def report(size: Size, open_bandit: Path, workers: int) -> dict[str, object]:
    """All figures of the benchmark; `workers` processes share the simulations, speed runs alone first."""
    begun = time.perf_counter()
    fast = speed(size.rows)
    with ProcessPoolExecutor(workers) as pool:
        cells = [
            pool.submit(coverage, n, rate, logs, bootstraps=size.bootstraps)
            for n, logs in sorted(size.logs.items(), reverse=True)
            for rate in RATES
        ]
        starts = range(0, size.histories, BATCH)
        batches = [pool.submit(gate, min(BATCH, size.histories - s), first=s) for s in starts]
        dipping = pool.submit(double_dipping, size.dipping)
        rows = [row for cell in cells for row in cell.result()]
        promoted = {
            case.name: sum(
                b.result()[case.name] * min(BATCH, size.histories - s) for b, s in zip(batches, starts, strict=True)
            )
            / size.histories
            for case in CASES
        }
        dipped = asdict(dipping.result())
    shares: dict[str, dict[str, float]] = {}
    for name, share in promoted.items():
        test, case = name.split(".")
        shares.setdefault(test, {})[case] = share
    return {
        "coverage": [r for r in rows if r["interval"] not in (*GUARANTEED, *COMPARED)],
        "compared": [r for r in rows if r["interval"] in COMPARED],
        "guaranteed": [r for r in rows if r["interval"] in GUARANTEED],
        "gate": shares | {"histories": size.histories},
        "paired_width_ratio": paired_width_ratio(),
        "double_dipping": dipped,
        "refusals": refusals(open_bandit),
        "speed": fast,
        "seconds": time.perf_counter() - begun,
    }


GUARANTEED = ("empirical Bernstein", "confidence sequence")
"""Intervals that promise at least 95 %, at every n or at every time at once; the others promise 95 %."""

COMPARED = ("normal",)
"""Intervals shown for comparison; no estimate of ours carries them."""


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", action="store_true", help="print one JSON document and nothing else")
    parser.add_argument("--quick", action="store_true", help="fewer logs, same code")
    parser.add_argument("--workers", type=int, default=2, help="processes (default 2)")
    parser.add_argument("--open-bandit", type=Path, default=OPEN_BANDIT, help="folder of the Open Bandit files")
    args = parser.parse_args()
    figures = report(QUICK if args.quick else FULL, args.open_bandit, args.workers)
    sys.stdout.write(json.dumps(figures, indent=None if args.json else 2) + "\n")


if __name__ == "__main__":
    main()
