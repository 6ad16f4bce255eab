"""A service as a process of its own, and load on it over loopback sockets (`wrk`)."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from urllib.request import Request, urlopen

from benchmarks.nodes import LOOPBACK, Node
from components.domain import EvercurrentError

SERVICE, FLOOR = "bento.service:Evercurrent", "benchmarks.serving_floor:Floor"

HERE = Node(LOOPBACK, "lo")
NO_WORDS: Mapping[str, str] = {}

LUA = """
local bodies, i = {}, 0
for line in io.lines("@bodies") do bodies[#bodies + 1] = line end
request = function()
  i = i + 1
  return wrk.format("POST", "@path", {["Content-Type"] = "application/json"}, bodies[i %% #bodies + 1])
end
done = function(summary, latency, requests)
  io.write(string.format("RESULT %%f %%f %%f %%d %%d %%f\\n", latency:percentile(50), latency:percentile(99),
    latency.max, summary.requests, summary.errors.status + summary.errors.read + summary.errors.timeout,
    summary.duration))
end
""".replace("%%", "%")


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds at a number of connections, requests per second, and failed requests: refused, cut off, or slower
    than the two seconds of `wrk`, which no percentile and no `max_ms` has.

    `cpu_ms` is the service's processor time per request, which other work on the machine
    lengthens less than it lengthens waiting.
    """

    connections: int
    p50_ms: float
    p99_ms: float
    max_ms: float
    cpu_ms: float
    rps: float
    failed: int


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def service(home: Path, name: str = SERVICE) -> Iterator["Running"]:
    """A service as a process; ended, with its worker, when the block is."""
    running = Running.start(home, name, free_port())
    try:
        running.until_ready()
        yield running
    finally:
        running.end()


@dataclass
class Running:
    """One started service."""

    process: "subprocess.Popen[bytes]"
    port: int
    node: Node = HERE

    @classmethod
    def start(
        cls, home: Path, name: str, port: int, told: Mapping[str, str] = NO_WORDS, node: Node = HERE
    ) -> "Running":
        """Start it on a node, not waiting for anything; `told` are variables of its environment besides."""
        environment = os.environ | {"EVERCURRENT_HOME": str(home), "BENTOML_HOME": str(home / "bentoml")}
        environment |= {"BENTOML_DO_NOT_TRACK": "True", **told}
        where = ["--host", node.address, "--port", str(port)]
        command = [*node.within, sys.executable, "-m", "bentoml", "serve", name, *where]
        silent = subprocess.DEVNULL
        made = subprocess.Popen(command, env=environment, stdout=silent, stderr=silent, start_new_session=True)
        return cls(made, port, node)

    @property
    def url(self) -> str:
        """Where it answers."""
        return f"http://{self.node.address}:{self.port}"

    def until_ready(self) -> float:
        """Seconds until it is."""
        return wait(lambda: call(f"{self.url}/readyz") is not None, 180)

    def end(self) -> None:
        """Politely."""
        self.process.send_signal(signal.SIGINT)
        try:
            self.process.wait(30)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """As the kernel does when memory runs out: supervisor and workers, without a word.

        The supervisor stands still first: a worker is in a session of its own, and would end politely without it.
        """
        os.kill(self.process.pid, signal.SIGSTOP)
        workers = descendants(self.process.pid)
        for pid in (*workers, self.process.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()
        wait(lambda: all(map(_is_over, workers)), 30)

    def processes(self) -> set[str]:
        """Those that listen on its port."""
        asked = ["ss", "-ltnpH", f"sport = :{self.port}"]
        told = subprocess.run(asked, capture_output=True, text=True, check=False)
        return set(re.findall(r"pid=(\d+)", told.stdout))

    def processor_seconds(self) -> float:
        """Spent so far."""
        stats = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13] for pid in self.processes()]
        return sum(int(t) for pair in stats for t in pair) / os.sysconf("SC_CLK_TCK")

    def rss_mib(self) -> float:
        """Resident memory of its largest process."""
        lines = [line for pid in self.processes() for line in Path(f"/proc/{pid}/status").read_text().splitlines()]
        return max((int(line.split()[1]) for line in lines if line.startswith("VmRSS")), default=0) / 1024


def descendants(pid: int) -> list[int]:
    """Processes that one has started, and those that they have."""
    told = [path.read_text().split() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    return [one for children in told for child in map(int, children) for one in (child, *descendants(child))]


def _is_over(pid: int) -> bool:
    """Whether a process has ended, though nobody may have asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return True


def call(url: str, body: Mapping[str, object] | None = None) -> str | None:
    """The answer's text, or None without one."""
    try:
        with urlopen(Request(url, None if body is None else json.dumps(body).encode()), timeout=10) as answer:
            return str(answer.read().decode())
    except (OSError, HTTPException):  # the latter: an answer that was cut off
        return None


def wait(condition: Callable[[], bool], seconds: float) -> float:
    """Seconds until a condition holds."""
    begin = time.perf_counter()
    while not condition():
        if time.perf_counter() - begin > seconds:
            raise EvercurrentError(f"the service did not get there within {seconds:g} s; see its log")
        time.sleep(0.005)
    return time.perf_counter() - begin


def load(running: Running, path: str, bodies: Path, connections: int, seconds: int) -> Latency:
    """Latencies of one path at a number of connections; `bodies` has a JSON object per line, sent in turn."""
    lua = bodies.with_suffix(".lua")
    lua.write_text(LUA.replace("@bodies", str(bodies)).replace("@path", path))
    before = running.processor_seconds()
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(lua), f"{running.url}{path}"]
    told = subprocess.run(command, capture_output=True, text=True, check=False)
    found = re.search(r"RESULT (\S+) (\S+) (\S+) (\d+) (\d+) (\S+)", told.stdout)
    if found is None:
        said = " ".join((told.stderr + told.stdout).split())
        raise EvercurrentError(f"wrk ended with code {told.returncode} and no figures; it said: {said}")
    p50, p99, most, requests, failed, micros = (float(x) for x in found.groups())
    cpu = (running.processor_seconds() - before) / max(requests, 1)
    return Latency(connections, p50 / 1e3, p99 / 1e3, most / 1e3, cpu * 1e3, requests / micros * 1e6, int(failed))
