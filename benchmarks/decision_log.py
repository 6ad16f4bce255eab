"""What it costs to take in a few outcomes beside a long decision log: a log is made, taken, and told of outcomes.

``python -m benchmarks.decision_log --decisions 1e6``: requests with a slate of three from 10,000 servable items, in
segments of 64 MiB; every process reads what is new of it, and says its seconds and its peak memory.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from components.domain import DAY
from components.ingest.log_lines import LogLine, OutcomeLine, RequestLine, ServableLine, ShownLine, written
from flows.stages.decisions import take_decisions
from flows.stages.forget import forget
from flows.workspace import Workspace

AT, ITEMS, SLATE, SEGMENT = 20_000 * DAY, 10_000, 3, 1 << 26
SOURCE = Path(__file__).parent / "scale_log.toml"


def lines(decisions: int) -> Iterator[LogLine]:
    """Requests in order of time, one in three with an outcome."""
    for n in range(decisions):
        shown = tuple(
            ShownLine(f"{n:032x}-{p}", f"i{(n * 7 + p) % ITEMS}", p, 1 / (p + 2), 0.25, 0.125) for p in range(SLATE)
        )
        at = AT + n * 50_000
        yield RequestLine(f"{n:032x}", f"u{n % 50_000}", at, 1, {"page": "home"}, None, shown, AT, n)
        if n % 3 == 0:
            yield outcome(n, at + 9_000_000)


def outcome(number: int, at: int) -> OutcomeLine:
    """Of the first position of a request."""
    return OutcomeLine(f"{number:032x}-0", "click", 1, 1.0, at)


def write_log(home: Workspace, decisions: int) -> int:
    """The log in segments; its bytes."""
    home.decisions.mkdir(parents=True)
    home.source.write_bytes(SOURCE.read_bytes())
    named = written(ServableLine(1, tuple(f"i{n}" for n in range(ITEMS))))
    part, size, total = bytearray(named), 0, 0
    for line in lines(decisions):
        part += written(line)
        if len(part) > SEGMENT:
            total += _close(home, part, size)
            part, size = bytearray(named), size + 1
    return total + _close(home, part, size)


def _close(home: Workspace, part: bytearray, number: int) -> int:
    (home.decisions / f"2024-10-04-1-{number:06d}.jsonl").write_bytes(part)
    return len(part)


def taken(root: Path, outcomes: int) -> dict[str, float]:
    """What taking in costs in a process of its own, after `outcomes` new ones."""
    home = Workspace(root)
    if outcomes:
        last = max(home.decisions.glob("*.jsonl"))
        with last.open("ab") as log:
            new = time.time_ns()
            log.writelines(written(outcome(n * 3 + 1 + new % 7_000 * 3, AT + n)) for n in range(outcomes))
    run = [sys.executable, "-m", "benchmarks.decision_log", "--take", str(root)]
    told: dict[str, float] = json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
    return told


def take(root: Path) -> dict[str, float]:
    """Take in what is new, and forget whom the log says to: seconds after imports, peak GiB, rows."""
    begin = time.perf_counter()
    batch = take_decisions(Workspace(root))
    forget(Workspace(root))
    seconds = time.perf_counter() - begin
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2
    return {"seconds": round(seconds, 3), "peak_gib": round(peak, 2), "rows": 0 if batch is None else batch.rows}


def main() -> None:
    """Measure, and print a line of JSON per reading."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=lambda text: int(float(text)), default=1_000_000)
    parser.add_argument("--home", type=Path, default=Path("decision-log-home"))
    parser.add_argument("--take", type=Path)
    asked = parser.parse_args()
    if asked.take:
        _say(take(asked.take))
        return
    size = write_log(Workspace(asked.home), asked.decisions)
    _say({"decisions": asked.decisions, "log_mib": size >> 20})
    for name, outcomes in (("first reading", 0), ("10 outcomes", 10), ("1,000 outcomes", 1_000), ("nothing new", 0)):
        _say({"reading": name, **taken(asked.home, outcomes)})


def _say(told: Mapping[str, float | str]) -> None:
    sys.stdout.write(json.dumps(told) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
