"""Minutes of steady load: ``python -m benchmarks.serving_soak --home .evercurrent --minutes 10``.

Measures what the service answers at most to `--threads` callers that wait for nothing, then asks for half of that,
evenly spaced, and watches the resident memory of its largest process. A caller asks `/rank` for ten of a hundred items
and tells `/outcome` of the first. What the service keeps by design grows with what it answered within the retention, so
``--retention-days`` shorter than the run shows whether anything else grows.
"""

import argparse
import json
import os
import shutil
import sys
import tempfile
import threading
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq

from benchmarks.serving_load import Running, service
from components.domain import EvercurrentError
from components.publish.pointer import read_pointer
from components.publish.read_bundle import load_bundle

ITEMS, SLATE_SIZE = 100, 10
EVERY = 5.0
"""Seconds between two looks at the memory."""


@dataclass(frozen=True)
class Soaked:
    """Figures of a soak. `failed` by status, 0 for a connection that broke; memory in MiB: after the first minute, at
    the end and at most since; `slope_bytes` is what it grew per visit after the first minute, by least squares."""

    minutes: float
    retention_days: float
    most_per_second: float
    visits_per_second: float
    visits: int
    failed: dict[str, int]
    rank_ms_p50: float
    rank_ms_p99: float
    first_minute_mib: float
    end_mib: float
    most_mib: float
    growth: float
    slope_bytes: float
    load_average: float


@dataclass
class Callers:
    """Threads with a connection each; visits are spaced evenly at `rate` a second, or follow at once without one."""

    port: int
    body: bytes
    told: dict[str, object]
    threads: int
    rate: float | None = None
    visits: int = 0
    failed: Counter[str] = field(default_factory=Counter)
    rank_ms: list[float] = field(default_factory=list)
    _due: float = 0.0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _over: threading.Event = field(default_factory=threading.Event)
    _crew: list[threading.Thread] = field(default_factory=list)

    def start(self) -> None:
        """Begin."""
        self._due = time.perf_counter()
        self._crew = [threading.Thread(target=self._visit_all) for _ in range(self.threads)]
        for thread in self._crew:
            thread.start()

    def stop(self) -> None:
        """End, after the visits that are going on."""
        self._over.set()
        for thread in self._crew:
            thread.join()

    def _visit_all(self) -> None:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        while not self._over.is_set():
            self._wait()
            try:
                self._visit(connection)
            except (OSError, HTTPException):
                self._fail("0")
                connection.close()
        connection.close()

    def _wait(self) -> None:
        if self.rate is None:
            return
        with self._lock:
            due, self._due = self._due, self._due + 1 / self.rate
        self._over.wait(max(0.0, due - time.perf_counter()))

    def _visit(self, connection: HTTPConnection) -> None:
        begin = time.perf_counter()
        answer = self._ask(connection, "/rank", self.body)
        waited = 1000 * (time.perf_counter() - begin)
        if answer is not None:
            shown = answer["slate"][0]["impression_id"]
            self._ask(connection, "/outcome", json.dumps({"impression_id": shown, **self.told}).encode())
        with self._lock:
            self.visits += 1
            self.rank_ms.append(waited)

    def _ask(self, connection: HTTPConnection, path: str, body: bytes) -> "dict[str, list[dict[str, str]]] | None":
        connection.request("POST", path, body)
        answer = connection.getresponse()
        content = answer.read()
        if answer.status == 200:
            return dict(json.loads(content))
        self._fail(str(answer.status))
        return None

    def _fail(self, status: str) -> None:
        with self._lock:
            self.failed[status] += 1


def soak(running: Running, home: Path, minutes: float, threads: int, retention_days: float) -> Soaked:
    """The figures of one service."""
    body, told = _asked(home)
    most = Callers(running.port, body, told, threads)
    most.start()
    time.sleep(min(15.0, 10 * minutes))
    most.stop()
    at_most = most.visits / min(15.0, 10 * minutes)
    callers = Callers(running.port, body, told, threads, at_most / 2)
    callers.start()
    begin, seen = time.perf_counter(), list[tuple[float, int, float]]()
    while (now := time.perf_counter() - begin) < 60 * minutes:
        seen.append((now, callers.visits, running.rss_mib()))
        time.sleep(min(EVERY, minutes))
    callers.stop()
    seen.append((time.perf_counter() - begin, callers.visits, running.rss_mib()))
    later = [s for s in seen if s[0] >= min(60.0, 6 * minutes)]
    first, end = later[0][2], later[-1][2]
    slope = np.polyfit([s[1] for s in later], [s[2] * 2**20 for s in later], 1)[0] if len(later) > 2 else float("nan")
    return Soaked(
        minutes,
        retention_days,
        round(at_most, 1),
        round(callers.visits / (60 * minutes), 1),
        callers.visits,
        dict(callers.failed + most.failed),
        round(float(np.percentile(callers.rank_ms, 50)), 2),
        round(float(np.percentile(callers.rank_ms, 99)), 2),
        round(first, 1),
        round(end, 1),
        round(max(s[2] for s in later), 1),
        round(end / first - 1, 5),
        round(float(slope), 1),
        round(os.getloadavg()[0], 1),
    )


def _asked(home: Path) -> tuple[bytes, dict[str, object]]:
    """A body of `/rank`, and what is told of an outcome."""
    champion = read_pointer(home)
    assert champion is not None, "looked for before the home was copied"
    bundle = home / champion.bundle
    items = pq.read_table(bundle / "servable_items.parquet")["item_id"].to_pylist()[:ITEMS]
    body = {"user_id": "7", "slate_size": min(SLATE_SIZE, len(items)), "eligible": items}
    rule = load_bundle(bundle).outcome
    return json.dumps(body).encode(), {"kind": rule.kind, "value": 1 if rule.at_least is None else rule.at_least}


def main() -> None:
    """Soak a service on a copy of a home; what goes wrong is one line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--home", type=Path, default=Path(".evercurrent"))
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--retention-days", type=float, default=7.0)
    words = parser.parse_args()
    try:
        found = _soak_copy(words.home, words.minutes, words.threads, words.retention_days)
    except EvercurrentError as error:
        sys.exit(f"error: {error}")
    sys.stdout.write(json.dumps(asdict(found), indent=1) + "\n")


def _soak_copy(home: Path, minutes: float, threads: int, retention_days: float) -> Soaked:
    if read_pointer(home) is None:
        raise EvercurrentError(f"{home} has no champion; make one first: make run")
    os.environ["EVERCURRENT_RETENTION_DAYS"] = str(retention_days)
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("bundles", "pointers"):
            shutil.copytree(home / name, copy / name)
        with service(copy) as running:
            return soak(running, copy, minutes, threads, retention_days)


if __name__ == "__main__":
    main()
