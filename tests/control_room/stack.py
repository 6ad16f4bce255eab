"""A Prefect server, a process worker and the deployments of ``prefect.yaml``, all real, on free ports."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
import yaml

from tests.conftest import ROOT

Found = TypeVar("Found")
PREFECT = [sys.executable, "-m", "prefect"]


@dataclass(frozen=True)
class Stack:
    """What runs, and how to ask it."""

    api: str
    folder: Path
    environment: dict[str, str]
    worker: "subprocess.Popen[bytes]"

    @property
    def ui(self) -> str:
        """Where a browser looks."""
        return self.api.removesuffix("/api")

    def get(self, path: str) -> Any:
        """The answer to a GET."""
        return self._ask("GET", path)

    def post(self, path: str, body: Any) -> Any:
        """The answer to a POST."""
        return self._ask("POST", path, body)

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        """An answer; a server whose database is busy says so (503) and is asked again, as every client does."""

        def ask() -> httpx.Response | None:
            said = httpx.request(method, self.api + path, json=body, timeout=30)
            return None if said.status_code == httpx.codes.SERVICE_UNAVAILABLE else said

        answer = until(ask, 60)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def deploy(self, entrypoint: str) -> str:
        """Deploy what ``prefect.yaml`` says of a flow, without its schedule; its id."""
        deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
        name = next(d["name"] for d in deployments if d["entrypoint"] == entrypoint)
        self.prefect("--no-prompt", "deploy", "-n", name)
        (made,) = self.post("/deployments/filter", {"deployments": {"name": {"any_": [name]}}})
        self._ask("PATCH", f"/deployments/{made['id']}", {"paused": True})
        return str(made["id"])

    def prefect(self, *words: str) -> None:
        """Run a command of Prefect's."""
        done = subprocess.run(
            [*PREFECT, *words], cwd=ROOT, env=self.environment, capture_output=True, text=True, check=False, timeout=180
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def run(self, deployment: str, parameters: dict[str, Any], environment: dict[str, str] | None = None) -> str:
        """Ask for a run as the UI does; its id. `environment` is what its process finds beside the worker's."""
        body = {"parameters": parameters} | ({"job_variables": {"env": environment}} if environment else {})
        return str(self.post(f"/deployments/{deployment}/create_flow_run", body)["id"])

    def flow_run(self, run: str) -> dict[str, Any]:
        """A run as the API tells of it."""
        found: dict[str, Any] = self.get(f"/flow_runs/{run}")
        return found

    def ended(self, run: str, seconds: float = 240) -> dict[str, Any]:
        """The run once it has ended."""
        return until(lambda: _if_in(self.flow_run(run), "COMPLETED", "FAILED", "CRASHED", "CANCELLED"), seconds)

    def question(self, run: str, seconds: float = 240) -> str:
        """The id of the run in which a run asks a person, once it waits."""

        def look() -> str | None:
            assert self.flow_run(run)["state_type"] in ("SCHEDULED", "PENDING", "RUNNING"), self.lines(run)
            below = self.post("/flow_runs/filter", {"flow_runs": {"parent_flow_run_id": {"any_": [run]}}})
            return next((str(one["id"]) for one in below if one["state_type"] == "PAUSED"), None)

        return until(look, seconds)

    def artifacts(self, run: str) -> dict[str, dict[str, Any]]:
        """The artifacts of a run by key."""
        of = {"artifacts": {"flow_run_id": {"any_": [run]}}, "limit": 200}
        return {a["key"]: a for a in self.post("/artifacts/filter", of) if a["key"]}

    def lines(self, run: str) -> list[tuple[int, str]]:
        """Level and message of every log line of a run."""
        of = {"logs": {"flow_run_id": {"any_": [run]}}, "limit": 200, "sort": "TIMESTAMP_ASC"}
        return [(line["level"], line["message"]) for line in self.post("/logs/filter", of)]

    def events(self) -> list[dict[str, Any]]:
        """Our events, the latest last."""
        wanted = {"filter": {"event": {"prefix": ["evercurrent."]}, "order": "ASC"}, "limit": 50}
        found: list[dict[str, Any]] = self.post("/events/filter", wanted)["events"]
        return found


def until(look: Callable[[], Found | None], seconds: float = 120) -> Found:
    """What `look` finds, as soon as it finds something."""
    deadline = time.monotonic() + seconds
    while (found := look()) is None:
        assert time.monotonic() < deadline, f"nothing after {seconds:g} s"
        time.sleep(0.25)
    return found


def _if_in(run: dict[str, Any], *types: str) -> dict[str, Any] | None:
    return run if run["state_type"] in types else None


def free_port() -> int:
    """A port nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


@contextmanager
def stack(folder: Path) -> Iterator[Stack]:
    """Server and worker while the block runs; their state and logs lie in `folder`."""
    port = free_port()
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
    environment = kept | {
        "PYTHONPATH": str(ROOT),
        "PREFECT_HOME": str(folder / "prefect"),
        "PREFECT_API_URL": f"http://127.0.0.1:{port}/api",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_SERVER_UI_SHOW_PROMOTIONAL_CONTENT": "false",
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": "30",
    }
    with _process(folder / "server.log", environment, "server", "start", "--host", "127.0.0.1", "--port", str(port)):
        until(lambda: _healthy(environment["PREFECT_API_URL"]), 120)
        pool = [*PREFECT, "work-pool", "create", "evercurrent", "--type", "process"]
        subprocess.run(pool, env=environment, check=True, capture_output=True, timeout=120)
        with _process(folder / "worker.log", environment, "worker", "start", "--pool", "evercurrent") as worker:
            yield Stack(environment["PREFECT_API_URL"], folder, environment, worker)


def _healthy(api: str) -> bool | None:
    try:
        return httpx.get(f"{api}/health", timeout=5).is_success or None
    except httpx.TransportError:
        return None


@contextmanager
def _process(log: Path, environment: dict[str, str], *words: str) -> "Iterator[subprocess.Popen[bytes]]":
    with log.open("wb") as out:
        made = subprocess.Popen(
            [*PREFECT, *words], cwd=ROOT, env=environment, stdout=out, stderr=out, start_new_session=True
        )
    try:
        yield made
    finally:
        made.send_signal(signal.SIGTERM)
        try:
            made.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(made.pid, signal.SIGKILL)  # its own session: nobody else's processes are in it
            made.wait(20)
