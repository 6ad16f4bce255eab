"""A Ray cluster of nodes of this machine: a head on the first, and who drives it lives there, too."""

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.nodes import Node
from components.engine import EngineSettings
from tests.conftest import ROOT

PORT, PATIENCE = 6379, 120
STARTED = "Ray runtime started."
SECONDS_TO_A_NODES_DEATH = {
    "RAY_health_check_initial_delay_ms": "0",
    "RAY_health_check_period_ms": "1000",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_failure_threshold": "3",
}
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "a" * 64}
ABOUT = {"PYTHONPATH": str(ROOT), "RAY_USAGE_STATS_ENABLED": "0", "RAY_NUM_REDIS_GET_RETRIES": "2"}
SHARE = """
import sys
from pathlib import Path
from components.domain import EvercurrentError
from components.engine import EngineSettings
from flows.engine import ray_cluster
try:
    ray_cluster.share(Path(sys.argv[2]), EngineSettings.model_validate_json(sys.argv[1]))
except EvercurrentError as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""
AWAIT = """
import sys, time, ray
from components.engine import EngineSettings
from flows.engine import ray_cluster
with ray_cluster.connected(EngineSettings.model_validate_json(sys.argv[1])):
    while ray.cluster_resources().get("CPU", 0) != int(sys.argv[2]):
        time.sleep(0.2)
"""
HOLD = """
import sys, time, ray
from components.engine import EngineSettings
from flows.engine import ray_cluster
with ray_cluster.connected(EngineSettings.model_validate_json(sys.argv[1])):
    @ray.remote(num_cpus=1)
    class Holder:
        def here(self):
            return True
    held = [Holder.remote() for _ in range(int(sys.argv[2]))]
    ray.get([one.here.remote() for one in held])
    print(flush=True)
    time.sleep(3600)
"""


@dataclass(frozen=True, slots=True)
class Cluster:
    """`room`: Ray's own folder, shared by the nodes; its path is short, for sockets."""

    nodes: list[Node]
    room: Path

    def engine(self, **more: object) -> EngineSettings:
        """Settings that name it."""
        given = {"name": "ray", "address": f"{self.nodes[0].address}:{PORT}", "workers": 2} | more
        return EngineSettings.model_validate(given)

    @contextmanager
    def started(self, number: int, path: str = "", gloo: str = "") -> Iterator[None]:
        """Ray on a node, with a processor; `path` goes before everything else that its processes import, and `gloo` is
        the interface by which its workers speak."""
        node, about = self.nodes[number], TOKEN | ABOUT | SECONDS_TO_A_NODES_DEATH
        about["PYTHONPATH"] = f"{path}:{ROOT}" if path else str(ROOT)
        about["GLOO_SOCKET_IFNAME"] = gloo or node.interface
        where = ["--head", f"--port={PORT}", f"--temp-dir={self.room}", "--include-dashboard=false"]
        where = where if number == 0 else [f"--address={self.nodes[0].address}:{PORT}"]
        words = ["start", *where, f"--node-ip-address={node.address}", "--num-cpus=1", "--block"]
        command = [*node.within, sys.executable, "-m", "ray.scripts.scripts", *words]
        with (self.room / f"said-{number}").open("w") as said:
            process = subprocess.Popen(command, env=os.environ | about, stdout=said, stderr=said)
        try:
            give_up = time.monotonic() + PATIENCE
            while STARTED not in (text := (self.room / f"said-{number}").read_text()):
                assert process.poll() is None and time.monotonic() < give_up, text
                time.sleep(0.1)
            yield
        finally:
            process.terminate()
            process.wait(PATIENCE)

    def driver(self, *command: str, **about: str) -> subprocess.Popen[str]:
        """A Python process that has the cluster's token, on the first node."""
        words = [*self.nodes[0].within, sys.executable, *command]
        piped = subprocess.PIPE
        return subprocess.Popen(
            words, env=os.environ | TOKEN | ABOUT | about, cwd=ROOT, stdout=piped, stderr=piped, text=True
        )

    def share(self, folder: Path, engine: EngineSettings) -> subprocess.Popen[str]:
        """An update on the cluster; its last line says how it ended, if badly."""
        return self.driver("-c", SHARE, engine.model_dump_json(), str(folder))

    def await_processors(self, many: int) -> None:
        """Until it has just so many."""
        waiting = self.driver("-c", AWAIT, self.engine().model_dump_json(), str(many))
        give_up = time.monotonic() + PATIENCE
        while waiting.poll() is None and time.monotonic() < give_up:
            time.sleep(0.1)
        waiting.kill()
        _, complained = waiting.communicate()
        assert waiting.returncode == 0, complained

    @contextmanager
    def taken(self, many: int) -> Iterator[None]:
        """So many processors are somebody else's."""
        holder = self.driver("-c", HOLD, self.engine().model_dump_json(), str(many))
        try:
            assert holder.stdout and holder.stdout.readline()
            yield
        finally:
            holder.kill()
            holder.communicate()
