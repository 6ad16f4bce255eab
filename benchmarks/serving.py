"""How fast and how safe the service is: ``python -m benchmarks.serving --home .evercurrent --json``.

Starts the service on a copy of a home that has a champion, and a floor: a trivial endpoint of the same kind of service
that reads the same body. ``wrk`` (a Debian package) asks both over loopback sockets from a process of its own, in one
run, so that ratios mean something on a busy machine. Every answer of the service is on the disk before it leaves.
``--kills`` and ``--swaps`` add ``kill -9`` under load and generations that change under load, ``--restart`` the cost of
a start beside so many logged decisions.
"""

import argparse
import json
import os
import re
import shutil
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.serving_faults import Kills, Swaps, killed, swapped
from benchmarks.serving_load import FLOOR, Latency, Running, call, load, service, wait
from benchmarks.serving_parts import compute_ms, start_cost
from components.domain import EvercurrentError
from components.publish.pointer import read_pointer
from components.publish.read_bundle import load_bundle

VISIBLE = 20
"""Outcomes whose way into the memory is timed."""


@dataclass(frozen=True)
class Asked:
    """How much to measure."""

    items: int
    slate_size: int
    connections: int
    seconds: int
    kills: int
    swaps: int
    restart: int


@dataclass(frozen=True)
class Serving:
    """All figures of one run. `visible_ms_p99`: from an outcome's answer to a memory that knows it."""

    items: int
    slate_size: int
    load_average: float
    floor: Latency
    rank: Latency
    rank_all: Latency
    outcome: Latency
    compute_ms: dict[str, float]
    visible_ms_p99: float
    swap: Swaps
    kill: Kills
    restart_seconds: dict[str, float]
    bytes_per_decision: float
    rss_mib: float


def measure(home: Path, asked: Asked) -> Serving:
    """All figures for one home."""
    champion = read_pointer(home)
    assert champion is not None, "looked for before the home was copied"
    bundle = home / champion.bundle
    eligible = pq.read_table(bundle / "servable_items.parquet")["item_id"].to_pylist()[: asked.items]
    users = users_of(home)
    served = load_bundle(bundle)
    body: dict[str, object] = {"slate_size": asked.slate_size, "eligible": eligible}
    told = {"kind": served.outcome.kind, "value": 1 if served.outcome.at_least is None else served.outcome.at_least}
    with tempfile.TemporaryDirectory() as folder:
        bodies = Path(folder) / "rank.jsonl"
        write_bodies(bodies, [{"user_id": user, **body} for user in users])
        anything = Path(folder) / "rank_all.jsonl"
        write_bodies(anything, [{"user_id": user, "slate_size": min(asked.slate_size, 10)} for user in users])
        with service(home, FLOOR) as running:
            floor = _loaded(running, "/rank", bodies, asked)
        with service(home) as running:
            rank = _loaded(running, "/rank", bodies, asked)
            rank_all = _loaded(running, "/rank", anything, asked)
            outcomes = Path(folder) / "outcome.jsonl"
            shown = _shown(running, {"user_id": users[0], **body}, 300 * asked.seconds)
            write_bodies(outcomes, [{"impression_id": i, **told} for i in shown])
            outcome = _loaded(running, "/outcome", outcomes, asked)
            visible = [_visible(running, {"user_id": users[0], **body}, told) for _ in range(VISIBLE)]
            swap = swapped(running, home, bodies, asked.swaps, asked.seconds)
            rss = running.rss_mib()
    return Serving(
        asked.items,
        asked.slate_size,
        os.getloadavg()[0],
        floor,
        rank,
        rank_all,
        outcome,
        compute_ms(served, users, eligible, asked.slate_size, 50 * asked.seconds),
        1000 * float(np.percentile(visible, 99)),
        swap,
        killed(home, {"user_id": users[0], **body}, told, asked.kills),
        *_start(asked.restart),
        rss,
    )


def _start(decisions: int) -> tuple[dict[str, float], float]:
    spent, kept = start_cost(decisions)
    return {"0": round(start_cost(0)[0], 3), str(decisions): round(spent, 3)}, kept


def _loaded(running: Running, path: str, bodies: Path, asked: Asked) -> Latency:
    load(running, path, bodies, 1, 1)  # what is computed at first use is ready
    return load(running, path, bodies, asked.connections, asked.seconds)


def write_bodies(path: Path, bodies: list[dict[str, object]]) -> None:
    """For `load`: an object a line."""
    path.write_text("".join(json.dumps(body) + "\n" for body in bodies))


def users_of(home: Path) -> list[str]:
    """Up to 500 users that some generation gave a row to, by the names the log has for them."""
    named: list[str] = []
    for path in sorted((home / "bundles").glob("g*/id_changes.parquet")):
        table = pq.read_table(path, filters=[("field", "=", "user"), ("change", "=", "admitted")])
        named += [user for user in table["id"].to_pylist() if user is not None]
    if not named:
        raise EvercurrentError(f"no bundle of {home} names a user; make a generation first: make run")
    return named[:500]


def _shown(running: Running, body: dict[str, object], impressions: int) -> list[str]:
    """Impressions that somebody was shown, to tell outcomes of."""
    found: list[str] = []
    while len(found) < impressions:
        found += re.findall(r'"impression_id":"([^"]+)"', str(call(f"{running.url}/rank", body)))
    return found


def _visible(running: Running, body: dict[str, object], told: dict[str, object]) -> float:
    slate = json.loads(str(call(f"{running.url}/rank", body)))["slate"]
    before = _learned(running)
    call(f"{running.url}/outcome", {"impression_id": slate[0]["impression_id"], **told})
    return wait(lambda: _learned(running) > before, 30)


def _learned(running: Running) -> int:
    return int(json.loads(str(call(f"{running.url}/generation")))["outcomes_learned"])


def main() -> None:
    """Measure; what goes wrong is one line."""
    try:
        _main()
    except EvercurrentError as error:
        sys.exit(f"error: {error}")


def _main() -> None:
    """Measure a copy of a home, so that its own decision log stays as it is."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(".evercurrent"))
    parser.add_argument("--items", type=int, default=100)
    parser.add_argument("--slate-size", type=int, default=10)
    parser.add_argument("--connections", type=int, default=32)
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--kills", type=int, default=0)
    parser.add_argument("--swaps", type=int, default=4)
    parser.add_argument("--restart", type=int, default=1_000_000)
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    if read_pointer(words.home) is None:
        raise EvercurrentError(f"{words.home} has no champion; make one first: make run")
    if shutil.which("wrk") is None:
        raise EvercurrentError("the load generator wrk is not installed; Debian has it: apt-get install wrk")
    wanted = Asked(**{name: getattr(words, name) for name in Asked.__dataclass_fields__})
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("bundles", "pointers"):
            shutil.copytree(words.home / name, copy / name)
        found = measure(copy, wanted)
    sys.stdout.write(json.dumps(asdict(found)) + "\n" if words.json else _said(found))


def _said(found: Serving) -> str:
    lines = []
    for name in ("floor", "rank", "rank_all", "outcome"):
        row: Latency = getattr(found, name)
        lines.append(
            f"{name:8} p50 {row.p50_ms:.2f} ms, p99 {row.p99_ms:.2f} ms, processor {row.cpu_ms:.2f} ms, "
            f"{row.rps:.0f} requests/s, {row.failed} failed"
        )
    lines.append("compute: " + ", ".join(f"{part} {ms:.2f} ms" for part, ms in found.compute_ms.items()))
    lines.append(
        f"outcome in the memory after {found.visible_ms_p99:.0f} ms (p99); {found.swap.swaps} swaps, "
        f"{found.swap.failed} of {found.swap.requests} requests failed; {found.kill.kills} kills, "
        f"{found.kill.lost} of {found.kill.acknowledged} acknowledged lost"
    )
    lines.append(
        f"start {found.restart_seconds} s of processor by logged decisions, {found.bytes_per_decision:.0f} bytes each; "
        f"{found.rss_mib:.0f} MiB, load average {found.load_average:.1f}"
    )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
