"""Share of ids that share all their buckets with another id, measured against the formula.

    python -m benchmarks.hash_collisions [--buckets 65536] [--json]

Reproduces the collision curve of Dereventsov et al., RecSys 2021 (arXiv 2107.07106),
``1 - distinct buckets / distinct ids``, for one and for two hash functions.
"""

import argparse
import json
import sys

import numpy as np

from components.ranker.hashing import collision_rate, expected_collision_rate

LOADS = (0.01, 0.1, 0.25, 0.5, 1.0, 2.0, 4.0, 8.0)


def curve(buckets: int) -> list[dict[str, float]]:
    """One point per load (ids per bucket)."""
    points = []
    for load in LOADS:
        keys = np.random.default_rng(0).integers(1, 2**63, int(load * buckets), dtype=np.uint64)
        point: dict[str, float] = {"ids_per_bucket": load, "ids": len(keys)}
        for functions in (1, 2):
            point[f"measured_{functions}"] = collision_rate(keys, buckets, functions)
            point[f"expected_{functions}"] = expected_collision_rate(len(keys), buckets, functions)
        points.append(point)
    return points


def main(arguments: list[str] | None = None) -> None:
    """Print a table, or one JSON document."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--buckets", type=int, default=1 << 16)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    points = curve(chosen.buckets)
    if chosen.json:
        sys.stdout.write(json.dumps({"buckets": chosen.buckets, "curve": points}) + "\n")
        return
    lines = [
        f"{p['ids_per_bucket']:>6} ids per bucket   one function {p['measured_1']:.5f} (formula {p['expected_1']:.5f})"
        f"   two {p['measured_2']:.5f} ({p['expected_2']:.5f})"
        for p in points
    ]
    sys.stdout.write("\n".join([*lines, ""]))


if __name__ == "__main__":
    main()
