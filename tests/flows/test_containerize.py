"""The folder of an image: whole, once, and what it serves answers from itself alone."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("bentoml")

from tests.bento.conftest import release
from tests.conftest import ROOT
from tests.docs.test_docs import free_port
from tests.flows.test_bento_packages import ranked


def containerize(home: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "flows.cli", "containerize", "--home", str(home), *words]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("home")
    release(root, 1)
    return root


@pytest.fixture(scope="module")
def made(home: Path) -> dict[str, str]:
    ended = containerize(home, "--json")
    assert ended.returncode == 0, ended.stderr
    told: dict[str, str] = json.loads(ended.stdout)
    return told


def test_the_dockerfile_copies_the_bento_and_starts_it_as_nobody_special(made: dict[str, str]) -> None:
    folder = Path(made["folder"])
    told = (folder / "Dockerfile").read_text()
    assert re.search(r"^COPY .*\. \./$", told, re.M) and re.search(r"^USER bentoml$", told, re.M)
    assert told.index("ENV BENTOML_HOST=0.0.0.0") < told.rindex("ENTRYPOINT")
    for path in re.findall(r"^COPY \S+ (\S+) ", told, re.M):
        assert (folder / path).exists()
    assert (folder / "src" / "bento" / "service.py").is_file() and not list(folder.rglob("flows"))
    assert made["command"].startswith("docker build ") and made["command"].endswith(str(folder))


def test_again_it_is_there_already_and_another_folder_is_not_overwritten(home: Path, made: dict[str, str]) -> None:
    before = sorted((p, p.stat().st_mtime_ns) for p in Path(made["folder"]).rglob("*"))
    assert json.loads(containerize(home, "--json").stdout) == made
    assert sorted((p, p.stat().st_mtime_ns) for p in Path(made["folder"]).rglob("*")) == before
    assert [p.name for p in (home / "containers").iterdir()] == [Path(made["folder"]).name]
    (home / "mine").mkdir()
    refused = containerize(home, "--to", str(home / "mine"))
    assert refused.returncode == 3 and "name another folder with --to" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_without_a_champion_it_is_refused_in_one_line(tmp_path: Path) -> None:
    refused = containerize(tmp_path)
    assert refused.returncode == 3 and "has no champion yet" in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_the_folder_serves_its_generation_where_no_store_and_no_home_are(made: dict[str, str], tmp_path: Path) -> None:
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "EVERCURRENT_HOME")}
    environment |= {"BENTOML_HOME": str(tmp_path / "bentoml"), "EVERCURRENT_HOME": str(tmp_path / "home")}
    words = [sys.executable, "-m", "bentoml", "serve", made["folder"], "--port", str(port)]
    with (tmp_path / "serve.log").open("w") as log:
        server = subprocess.Popen(words, cwd=tmp_path, env=environment, stdout=log, stderr=log, start_new_session=True)
    try:
        body = {"user_id": "ann", "slate_size": 1, "eligible": ["heat"]}
        assert ranked(port, body, server), (tmp_path / "serve.log").read_text()
        assert list((tmp_path / "home" / "decisions").glob("*.jsonl"))
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(60)
