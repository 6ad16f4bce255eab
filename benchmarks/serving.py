"""How fast the service answers: ``python -m benchmarks.serving --home .evercurrent --json``.

Starts the service on a home that has a champion, lets ``wrk`` (a Debian package) ask for
slates over one loopback socket per connection, and reads what the user of the service
feels: latency of ``/rank`` by number of connections, seconds until an outcome is in the
memory, seconds until a moved pointer answers. The load generator shares the machine.
"""

import argparse
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.request import Request, urlopen

import pyarrow.parquet as pq

from components.domain import EvercurrentError
from components.publish.pointer import Role, move_pointer, read_pointer

LUA = """
local users = {%s}
local body = [[%s]]
local i = 0
request = function()
  i = i + 1
  local filled = body:gsub("@user", users[i %% #users + 1])
  return wrk.format("POST", "/rank", {["Content-Type"] = "application/json"}, filled)
end
done = function(summary, latency, requests)
  io.write(string.format("RESULT %%f %%f %%f %%d %%d %%f\\n", latency:percentile(50), latency:percentile(99),
    latency.max, summary.requests, summary.errors.status + summary.errors.read + summary.errors.timeout,
    summary.duration))
end
"""


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds of /rank at a number of connections, requests per second, and failed requests.

    `cpu_ms` is the service's processor time per request, which other work on the machine
    lengthens less than it lengthens waiting.
    """

    connections: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_ms: float
    per_second: float
    failed: int


@dataclass(frozen=True, slots=True)
class Serving:
    """All figures of one run."""

    items: int
    slate_size: int
    load_average: float
    rank: tuple[Latency, ...]
    outcome_learned_s: float
    swap_s: float
    swap_failed: int
    rss_mib: float


@contextmanager
def service(home: Path, port: int) -> Iterator[str]:
    """The service of a home as a process of its own; its address."""
    environment = os.environ | {"EVERCURRENT_HOME": str(home), "BENTOML_HOME": str(home / "bentoml")}
    environment |= {"BENTOML_DO_NOT_TRACK": "True"}
    command = [sys.executable, "-m", "bentoml", "serve", "bento.service:Evercurrent", "--port", str(port)]
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)
    try:
        wait(lambda: call(f"http://127.0.0.1:{port}/readyz") is not None, 120)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(30)


def call(url: str, body: dict[str, object] | None = None) -> str | None:
    """The answer's text, or None without one."""
    try:
        with urlopen(Request(url, None if body is None else json.dumps(body).encode()), timeout=10) as answer:
            return str(answer.read().decode())
    except OSError:
        return None


def wait(condition: Callable[[], bool], seconds: float) -> float:
    """Seconds until a condition holds."""
    begin = time.perf_counter()
    while not condition():
        if time.perf_counter() - begin > seconds:
            raise EvercurrentError(f"the service did not get there within {seconds:g} s; see its log")
        time.sleep(0.005)
    return time.perf_counter() - begin


def load(url: str, lua: Path, connections: int, seconds: int) -> Latency:
    """Latencies at a number of connections."""
    before = _processor_seconds(url)
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(lua), f"{url}/rank"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"RESULT (\S+) (\S+) (\S+) (\d+) (\d+) (\S+)", told.stdout)
    if found is None:
        said = " ".join((told.stderr + told.stdout).split())
        raise EvercurrentError(f"wrk ended with code {told.returncode} and no figures; it said: {said}")
    p50, p99, most, requests, failed, micros = (float(x) for x in found.groups())
    cpu = (_processor_seconds(url) - before) / requests
    return Latency(connections, p50 / 1e3, p99 / 1e3, most / 1e3, cpu * 1e3, requests / micros * 1e6, int(failed))


def measure(home: Path, items: int, slate_size: int, connections: list[int], seconds: int) -> Serving:
    """All figures for one home."""
    champion = read_pointer(home)
    assert champion is not None, "looked for before the home was copied"
    bundle = home / champion.bundle
    eligible = pq.read_table(bundle / "servable_items.parquet")["item_id"].to_pylist()[:items]
    users = _users(home)
    body = {"user_id": "@user", "slate_size": slate_size, "eligible": eligible}
    with socket.socket() as probe, tempfile.TemporaryDirectory() as folder:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()
        lua = Path(folder) / "rank.lua"
        lua.write_text(LUA % (",".join(json.dumps(u) for u in users), json.dumps(body)))
        with service(home, port) as url:
            load(url, lua, 1, 2)
            rank = tuple(load(url, lua, c, seconds) for c in connections)
            learned = _learned(url, body)
            with ThreadPoolExecutor() as threads:
                busy = threads.submit(load, url, lua, 4, seconds)
                swapped = _swapped(home, url, champion.generation)
                failed = busy.result().failed
            rss = _rss(url)
    return Serving(items, slate_size, os.getloadavg()[0], rank, learned, swapped, failed, rss)


def _users(home: Path) -> list[str]:
    """Up to 500 users that some generation gave a row to, by the names the log has for them."""
    named: list[str] = []
    for path in sorted((home / "bundles").glob("g*/id_changes.parquet")):
        table = pq.read_table(path, filters=[("field", "=", "user"), ("change", "=", "admitted")])
        named += [user for user in table["id"].to_pylist() if user is not None]
    if not named:
        raise EvercurrentError(f"no bundle of {home} names a user; make a generation first: make run")
    return named[:500]


def _learned(url: str, body: dict[str, object]) -> float:
    slate = json.loads(str(call(f"{url}/rank", body)))["slate"]
    before = json.loads(str(call(f"{url}/generation")))["outcomes_learned"]
    kind = re.search(r"learns from '(.*)' alone", _refusal(url, slate[0]["impression_id"]))
    assert kind is not None
    told = {"impression_id": slate[0]["impression_id"], "kind": kind.group(1), "value": 1}
    call(f"{url}/outcome", told)
    return wait(lambda: json.loads(str(call(f"{url}/generation")))["outcomes_learned"] > before, 30)


def _refusal(url: str, impression_id: str) -> str:
    from urllib.error import HTTPError

    body = json.dumps({"impression_id": impression_id, "kind": "?", "value": 1}).encode()
    try:
        urlopen(Request(f"{url}/outcome", body), timeout=10).close()
    except HTTPError as error:
        return str(json.loads(error.read())["error"])
    return ""


def _swapped(home: Path, url: str, champion: int) -> float:
    others = sorted(p.name for p in (home / "bundles").glob("g*") if p.name != f"g{champion:06d}")
    if not others:
        return float("nan")
    back = read_pointer(home)
    assert back is not None
    other = back.model_copy(update={"generation": int(others[-1][1:]), "bundle": f"bundles/{others[-1]}"})
    move_pointer(home, Role.CHAMPION, other)
    try:
        return wait(lambda: json.loads(str(call(f"{url}/generation")))["generation"] == other.generation, 60)
    finally:
        move_pointer(home, Role.CHAMPION, back)


def _processes(url: str) -> set[str]:
    told = subprocess.run(
        ["ss", "-ltnpH", f"sport = :{url.rpartition(':')[2]}"], capture_output=True, text=True, check=False
    )
    return set(re.findall(r"pid=(\d+)", told.stdout))


def _processor_seconds(url: str) -> float:
    ticks = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13] for pid in _processes(url)]
    return sum(int(t) for pair in ticks for t in pair) / os.sysconf("SC_CLK_TCK")


def _rss(url: str) -> float:
    sizes = [
        int(line.split()[1])
        for pid in _processes(url)
        for line in Path(f"/proc/{pid}/status").read_text().splitlines()
        if line.startswith("VmRSS")
    ]
    return max(sizes, default=0) / 1024


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
    parser.add_argument("--connections", type=int, nargs="+", default=[1, 4, 16])
    parser.add_argument("--seconds", type=int, default=10)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    if read_pointer(asked.home) is None:
        raise EvercurrentError(f"{asked.home} has no champion; make one first: make run")
    if shutil.which("wrk") is None:
        raise EvercurrentError("the load generator wrk is not installed; Debian has it: apt-get install wrk")
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("bundles", "pointers"):
            shutil.copytree(asked.home / name, copy / name)
        found = measure(copy, asked.items, asked.slate_size, asked.connections, asked.seconds)
    if asked.json:
        sys.stdout.write(json.dumps(asdict(found)) + "\n")
        return
    for row in found.rank:
        sys.stdout.write(
            f"{row.connections:3d} connections: p50 {row.p50_ms:.2f} ms, p99 {row.p99_ms:.2f} ms, "
            f"processor {row.cpu_ms:.2f} ms, {row.per_second:.0f} requests/s, {row.failed} failed\n"
        )
    sys.stdout.write(
        f"outcome learned after {found.outcome_learned_s:.2f} s, "
        f"swap under load after {found.swap_s:.2f} s with {found.swap_failed} requests failed, "
        f"{found.rss_mib:.0f} MiB, load average {found.load_average:.1f}\n"
    )


if __name__ == "__main__":
    main()
