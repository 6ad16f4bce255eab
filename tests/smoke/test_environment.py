"""Three ways in which versions that a resolver accepts do not work together; and silence about it.

fastapi from 0.151 breaks Prefect's client, SQLAlchemy 2.1 its scheduler (silently), pandas
3.1 breaks Evidently's import: the lock holds them back, and these tests notice a lock that does not.
"""

import ast
import os
import re
import socket
import subprocess
import sys
import time
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import httpx
import pytest

from tests.conftest import ROOT


def test_evidently_can_be_imported_beside_this_pandas() -> None:
    subprocess.run([sys.executable, "-c", "import evidently; evidently.Report"], check=True, timeout=120)


@pytest.mark.usefixtures("prefect_server")
def test_an_artifact_can_be_read_back_from_prefects_server() -> None:
    from prefect import flow
    from prefect.artifacts import Artifact, create_table_artifact

    @flow
    def leaves_one() -> None:
        create_table_artifact([{"figure": "rows", "value": 1}], key="smoke")

    leaves_one()
    found = Artifact.get("smoke")
    assert found is not None
    assert '"rows"' in str(found.data)


@pytest.fixture
def scheduling_server(tmp_path: Path) -> Iterator[str]:
    """A real server with its scheduler, which the test harness leaves out; yields its API's address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {"PREFECT_HOME": str(tmp_path), "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "1"}
    words = ["-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(
        [sys.executable, *words], env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield f"http://127.0.0.1:{port}/api"
    finally:
        server.terminate()
        server.wait(30)


BUSY = 503


def answers(address: str, path: str, body: "dict[str, object] | None" = None) -> "object":
    """JSON of one call, repeated while the server is still starting, or its database busy (503)."""
    for attempt in range(240):
        try:
            response = httpx.post(address + path, json=body) if body is not None else httpx.get(address + path)
            if response.status_code != BUSY:
                response.raise_for_status()
                return response.json()
            time.sleep(0.5)
        except httpx.TransportError:
            assert attempt < 239, f"no answer from {address}"
            time.sleep(0.5)
    return None


def test_the_scheduler_really_creates_the_runs_of_a_schedule(scheduling_server: str) -> None:
    assert answers(scheduling_server, "/health") is True
    flow = answers(scheduling_server, "/flows/", {"name": "idle"})
    schedule = {"schedule": {"interval": 3600}, "active": True}
    deployment = {"name": "hourly", "flow_id": flow["id"], "schedules": [schedule]}  # type: ignore[index]
    made = answers(scheduling_server, "/deployments/", deployment)
    asked = {"deployments": {"id": {"any_": [made["id"]]}}}  # type: ignore[index]
    for _ in range(240):
        if answers(scheduling_server, "/flow_runs/filter", asked):
            return
        time.sleep(0.5)
    pytest.fail("no run was scheduled")


TELEMETRY = """
import os, socket
from pathlib import Path
import tempfile
from flows.workspace import enter
enter(Path(tempfile.mkdtemp()))
def refuse(self, address, *rest):
    raise SystemExit(f"connected to {address}")
socket.socket.connect = refuse
import prefect, bentoml, evidently, great_expectations
assert os.environ["DO_NOT_TRACK"] == "1" and os.environ["BENTOML_DO_NOT_TRACK"] == "True"
from bentoml._internal.utils.analytics.usage_stats import do_not_track
assert do_not_track()
"""


def test_importing_the_libraries_connects_to_nobody_and_telemetry_is_off() -> None:
    done = subprocess.run([sys.executable, "-c", TELEMETRY], capture_output=True, text=True, check=False, timeout=180)
    assert done.returncode == 0, done.stderr


def test_every_package_that_the_product_imports_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = [name for extra in project["optional-dependencies"].values() for name in extra]
    declared = {re.split(r"[<>=\[]", requirement)[0].lower() for requirement in [*project["dependencies"], *extras]}
    known = packages_distributions()
    for room in ("flows", "components", "bento", "warehouse", "benchmarks"):
        for path in (ROOT / room).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                names = [n.name for n in node.names] if isinstance(node, ast.Import) else []
                names += [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
                for top in {name.partition(".")[0] for name in names} & known.keys():
                    package = known[top][0].replace("_", "-").lower()
                    assert package in declared | {"evercurrent"}, f"{path} imports {top}"
