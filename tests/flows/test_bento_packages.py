"""A Bento names what its service imports, and runs on that alone."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib.metadata import distributions, packages_distributions, requires
from pathlib import Path

import httpx
import pytest

from components.publish.bundle import write_bundle
from flows.stages.bento_packages import packages
from tests.conftest import ROOT
from tests.docs.test_docs import free_port
from tests.publish.conftest import make_content

ANSWERED = """
import json, os, sys
before = set(sys.modules)
from pathlib import Path
from starlette.testclient import TestClient
ours = set(sys.modules) - before
from bento import service
with TestClient(service.Evercurrent.to_asgi()) as client:
    body = {"user_id": "ann", "slate_size": 1, "eligible": ["heat"]}
    assert client.post("/rank", json=body).status_code == 200
print(json.dumps(sorted({name.partition(".")[0] for name in set(sys.modules) - ours - before})))
"""


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def closure(names: set[str]) -> set[str]:
    """The distributions and everything they require, as installed here."""
    here, found, waiting = {plain(d.name) for d in distributions()}, set[str](), set(names)
    while waiting:
        name = waiting.pop()
        if name in found or name not in here:
            continue
        found.add(name)
        waiting |= {plain(m[0]) for r in requires(name) or [] if (m := re.match(r"[\w.-]+", r))}
    return found


def test_everything_that_a_service_in_use_has_imported_is_in_the_bentos_list(tmp_path: Path) -> None:
    from components.publish.pointer import Pointer, Role, move_pointer

    write_bundle(tmp_path / "bundles", make_content())
    move_pointer(tmp_path, Role.CHAMPION, Pointer.to(1))
    environment = os.environ | {"EVERCURRENT_HOME": str(tmp_path), "BENTOML_HOME": str(tmp_path / "bentoml")}
    ended = subprocess.run(
        [sys.executable, "-c", ANSWERED], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    listed = closure({plain(p.partition("==")[0]) for p in packages(ROOT)})
    known = packages_distributions()
    loaded = [{plain(d) for d in known[n]} for n in json.loads(ended.stdout.splitlines()[-1]) if n in known]
    beside = {"evercurrent", "setuptools", "httpx2", "pip"}
    assert [any_of for any_of in loaded if not any_of & (listed | beside)] == []  # a namespace is of several
    assert {"numba"} in loaded
    assert {"numba", "faiss-cpu"} <= listed


def test_what_only_the_flows_need_is_not_in_it() -> None:
    listed = {plain(p.partition("==")[0]) for p in packages(ROOT)}
    assert not listed & {"torch", "prefect", "duckdb", "evidently", "great-expectations", "plotly", "scikit-learn"}


@pytest.mark.clean_environment
def test_a_bento_starts_in_an_environment_made_from_its_own_list(tmp_path: Path) -> None:
    script = (
        "import sys, bentoml; from pathlib import Path; from flows.stages.bento_store import build_bento\n"
        "print(bentoml.bentos.get(build_bento(Path(sys.argv[1]))).path)\n"
    )
    bundle = write_bundle(tmp_path / "bundles", make_content())
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "EVERCURRENT_HOME")}
    environment |= {"BENTOML_HOME": str(tmp_path / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
    built = subprocess.run(
        [sys.executable, "-c", script, str(bundle)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()[-1]
    clean = tmp_path / "clean"
    wanted = (Path(built) / "env" / "python" / "requirements.txt").read_text().split()
    subprocess.run([sys.executable, "-m", "venv", str(clean)], check=True)
    install = [str(clean / "bin" / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, *wanted], check=True)
    port = free_port()
    words = [str(clean / "bin" / "bentoml"), "serve", built, "--port", str(port)]
    environment |= {"EVERCURRENT_HOME": str(tmp_path / "empty")}
    with (tmp_path / "serve.log").open("w") as log:
        server = subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        body = {"user_id": "ann", "slate_size": 1, "eligible": ["heat"]}
        assert ranked(port, body, server), (tmp_path / "serve.log").read_text()
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)


def ranked(port: int, body: dict[str, object], server: "subprocess.Popen[bytes]") -> bool:
    """Whether the service comes to answer a request."""
    for _ in range(600):
        if server.poll() is not None:
            return False
        try:
            if httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200:
                return httpx.post(f"http://127.0.0.1:{port}/rank", json=body).status_code == 200
        except httpx.TransportError:
            pass
        time.sleep(0.2)
    return False
