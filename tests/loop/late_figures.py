"""What waiting costs the gate: a two-day purchase window beside outcomes known at once, over seeds.

``python -m tests.loop.late_figures --seeds 8`` plays the shop of `late_shop` twice per seed, on the same requests:
with an attribution of two days, and of a minute. Turns are daily; the late shop's turn of day d + 2 judges what the
prompt one judged on day d, so power is compared between those.
"""

import argparse
import json
import statistics
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from multiprocessing import get_context

from components.evaluate.evaluation import Evaluation
from components.evaluate.read_evaluation import read_evaluation
from flows.turn import TurnRecord
from flows.workspace import Workspace, enter, scratch
from tests.loop.late_shop import LateShop, turn

FIRST, DAYS, DELAY = 3, 7, 2


def played(shop: LateShop, first: int, days: int) -> dict[int, tuple[TurnRecord, Evaluation | None]]:
    """Day -> the record of its turn, and what was weighed."""
    with scratch(None) as root:
        enter(root)
        home = shop.open(root)
        found = {}
        for day in range(first, days + 1):
            record = turn(home, day)
            path = Workspace(home).turn(record.instant) / "evaluation.json"
            found[day] = (record, read_evaluation(path.read_text()) if path.exists() else None)
    return found


def alone(shop: LateShop, first: int, days: int) -> dict[int, tuple[TurnRecord, Evaluation | None]]:
    """`played` in a process of its own: libraries that keep state keep it for one home."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(played, shop, first, days).result()


def main() -> None:
    """Print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=8)
    seeds = parser.parse_args().seeds
    detectable, promoted, judged = [], {"late": [], "prompt": []}, {"late": 0, "prompt": 0}
    for seed in range(seeds):
        prompt = LateShop(attribution=60.0, delay_days=1e-4, days=DAYS, seed=seed)
        late = replace(prompt, attribution=2 * 86_400.0, delay_days=0.5, days=DAYS + DELAY)
        at_once = alone(prompt, FIRST, DAYS)
        after = alone(late, FIRST, DAYS + DELAY)
        for day in range(FIRST + 1, DAYS + 1):
            (a, told_a), (b, told_b) = at_once[day], after[day + DELAY]
            judged["prompt"] += a.held_out.judged
            judged["late"] += b.held_out.judged
            promoted["prompt"].append(a.verdict == "PROMOTE")
            promoted["late"].append(b.verdict == "PROMOTE")
            if told_a and told_b and told_a.detectable and told_b.detectable:
                detectable.append(told_b.detectable / told_a.detectable)
    shares = {name: statistics.mean(each) for name, each in promoted.items()}
    sys.stdout.write(
        json.dumps(
            {
                "seeds": seeds,
                "turns": len(promoted["late"]),
                "judged": judged,
                "promoted": shares,
                "detectable_late_over_prompt": {
                    "median": statistics.median(detectable),
                    "worst": max(detectable),
                },
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
