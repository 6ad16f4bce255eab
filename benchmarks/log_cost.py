"""What the decision log costs, by where it is: ``python -m benchmarks.log_cost --home .evercurrent --json``.

Files of the home and a Redis stream (``appendfsync always``), a line alone and many together; what it takes to follow a
stream, to start from it, to drain it, and to move decisions that waited for it; and ``/rank`` of two services that
differ in their log alone, asked in turns by `wrk` in one run, then of the second while its broker is away and decisions
are spooled. Needs `redis-server` and `wrk`. Lines are decisions of ten positions among a hundred.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import pyarrow.parquet as pq

from benchmarks.log_parts import TOGETHER, Reading, Writing, reading, writing
from benchmarks.replicas_fleet import Broker, fleet
from benchmarks.serving import users_of, write_bodies
from benchmarks.serving_load import SERVICE, Latency, Running, free_port, load, wait
from bento.decision_log import DecisionLog
from bento.stream_log import StreamLog
from components.domain import EvercurrentError
from components.publish.pointer import read_pointer
from flows.stages.drain import drain
from flows.workspace import Workspace


@dataclass(frozen=True, slots=True)
class LogCost:
    """All figures of one run; of `rank` the medians of the rounds, by log and connections."""

    lines: int
    files: Writing
    stream: Writing
    reading: Reading
    rank: dict[str, dict[str, Latency]]
    load_average: float


def measure(home: Path, lines: int, rounds: int, seconds: int) -> LogCost:
    """All of it, for what a home releases."""
    with tempfile.TemporaryDirectory(prefix="evercurrent-") as name, ExitStack() as ending:
        folder = Path(name)
        broker = Broker(folder / "redis")
        ending.callback(broker.end)
        broker.start()
        files = writing(DecisionLog(folder / "files", 1), lines)
        stream = writing(StreamLog(broker.stream, 7.0), lines)
        read = reading(broker, folder, lines)
        broker.end()
        return LogCost(lines, files, stream, read, _ranked(home, folder, rounds, seconds), os.getloadavg()[0])


def drained(home: Path) -> dict[str, float]:
    """What a drain costs in this process: entries, seconds, and of those the processor's."""
    begin, processor = time.perf_counter(), time.process_time()
    made = drain(Workspace(home))
    assert made is not None, "the home's log is a stream"
    seconds, spent = time.perf_counter() - begin, time.process_time() - processor
    return {"entries": made.entries, "seconds": seconds, "processor": spent}


def _ranked(home: Path, folder: Path, rounds: int, seconds: int) -> dict[str, dict[str, Latency]]:
    champion = read_pointer(home)
    assert champion is not None, "looked for before"
    items = pq.read_table(home / champion.bundle / "servable_items.parquet")["item_id"].to_pylist()[:100]
    bodies, found = folder / "rank.jsonl", dict[tuple[str, int], list[Latency]]()
    slate = min(10, len(items))
    write_bodies(bodies, [{"user_id": user, "slate_size": slate, "eligible": items} for user in users_of(home)])
    copy = folder / "home"
    for name in ("bundles", "pointers"):
        shutil.copytree(home / name, copy / name)
    told = {"EVERCURRENT_LOG_WHEN_AWAY": "spool"}
    with ExitStack() as ending:
        running = ending.enter_context(fleet(home, folder / "fleet", replicas=1, told=told))
        beside = Running.start(copy, SERVICE, free_port())
        ending.callback(beside.end)
        beside.until_ready()
        services = {"files": beside, "stream": running.running[0]}
        for one in services.values():
            load(one, "/rank", bodies, 1, 1)  # what is computed at first use is ready
        for _ in range(rounds):
            for connections in (1, TOGETHER):
                for name, one in services.items():
                    found.setdefault((name, connections), []).append(load(one, "/rank", bodies, connections, seconds))
        running.broker.end()
        url = f"{running.running[0].url}/generation"
        wait(lambda: json.loads(running.ask(url).text)["degraded"] is not None, 30)
        for connections in (1, TOGETHER) * rounds:
            made = load(running.running[0], "/rank", bodies, connections, seconds)
            found.setdefault(("spool", connections), []).append(made)
    return {name: {str(at): _middle(found[name, at]) for at in (1, TOGETHER)} for name in ("files", "stream", "spool")}


def _middle(rounds: list[Latency]) -> Latency:
    """Medians of rounds; those that failed are added up."""
    columns = {name: [getattr(one, name) for one in rounds] for name in Latency.__dataclass_fields__}
    made = {name: median(values) for name, values in columns.items()}
    return Latency(**made | {"connections": rounds[0].connections, "failed": sum(columns["failed"])})


def main() -> None:
    """Measure, and print JSON or lines of text; what goes wrong is one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(".evercurrent"))
    parser.add_argument("--lines", type=lambda text: int(float(text)), default=20_000)
    parser.add_argument("--rounds", type=int, default=3, help="times each service is asked in turn")
    parser.add_argument("--seconds", type=int, default=5, help="of one of those")
    parser.add_argument("--drain", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--json", action="store_true")
    words = parser.parse_args()
    if words.drain:
        sys.stdout.write(json.dumps(drained(words.drain)) + "\n")
        return
    try:
        if read_pointer(words.home) is None:
            raise EvercurrentError(f"{words.home} has no champion; make one first: make run")
        if shutil.which("wrk") is None:
            raise EvercurrentError("the load generator wrk is not installed; Debian has it: apt-get install wrk")
        found = measure(words.home, words.lines, words.rounds, words.seconds)
    except EvercurrentError as error:
        sys.exit(f"error: {error}")
    sys.stdout.write(json.dumps(asdict(found)) + "\n" if words.json else _said(found))


def _said(found: LogCost) -> str:
    lines = []
    for name, row in (("files", found.files), ("stream", found.stream), ("", found.reading)):
        lines += [f"{name} {figure}".strip() + f": {value:.4g}" for figure, value in asdict(row).items()]
    for name, by_connections in found.rank.items():
        lines += [
            f"/rank {name}, {at} connections: p50 {one.p50_ms:.2f} ms, p99 {one.p99_ms:.2f} ms, processor "
            f"{one.cpu_ms:.2f} ms, {one.rps:.0f} requests/s, {one.failed} failed"
            for at, one in by_connections.items()
        ]
    return "\n".join(lines) + f"\nload average {found.load_average:.1f}\n"


if __name__ == "__main__":
    main()
