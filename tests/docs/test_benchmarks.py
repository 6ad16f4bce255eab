"""The README's benchmarks run as it gives them, at their smallest effort."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, TinySource
from tests.loop.test_loop import first_generation

SERVING = "--seconds 1 --connections 1 --items 5 --slate-size 2 --kills 1 --swaps 0 --restart 100"
SMALLEST = {
    "adaptation": ("--rows", "60"),
    "canary": ("--months", "1", "--worlds", "shop", "--losses", "0.3", "--workers", "1"),
    "generation_size": ("--ids", "2e3", "--days", "1", "--repeats", "1"),
    "memory_speed": ("--quick", "--calls", "10"),
    "off_policy": ("--smallest", "--workers", "1"),
    "scale": ("--sizes", "2e3"),
    "retrieval": ("--items", "1100", "--requests", "5"),
    "training_speed": ("--sizes", "1000", "--batches", "1", "--repeats", "1"),
    "serving": tuple(SERVING.split()),
}
"""Words beside the README's."""
LONG = {"scale"}
"""It starts Prefect's server three times, as everybody does who runs its commands."""


def run(*words: object) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)


def test_every_benchmark_that_the_readme_names_is_run_here() -> None:
    assert set(re.findall(r"python -m benchmarks\.(\w+)", (ROOT / "README.md").read_text())) <= set(SMALLEST)


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.long if n in LONG else ()) for n in sorted(set(SMALLEST) - {"serving"})],
)
def test_a_benchmark_runs_at_its_smallest_effort(name: str) -> None:
    ended = run(f"benchmarks.{name}", *SMALLEST[name])
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.strip()


@pytest.mark.usefixtures("prefect_server")
def test_the_serving_benchmark_asks_a_home_whose_users_have_no_attributes(tmp_path: Path, tiny: TinySource) -> None:
    if shutil.which("wrk") is None:
        pytest.skip("wrk is not installed")
    first_generation(tmp_path / "home", tiny)
    ended = run("benchmarks.serving", "--home", tmp_path / "home", *SMALLEST["serving"])
    assert ended.returncode == 0, ended.stderr
    assert ended.stdout.count("requests/s, 0 failed") == 4, ended.stdout
    assert re.search(r"1 kills, 0 of [1-9]\d* acknowledged lost", ended.stdout), ended.stdout


@pytest.mark.long
@pytest.mark.skipif(shutil.which("redis-server") is None, reason="no redis-server: apt-get install redis-server")
@pytest.mark.usefixtures("prefect_server")
@pytest.mark.parametrize("when_away", ["refuse", "spool"])
def test_the_benchmark_of_replicas_loses_nothing(tmp_path: Path, tiny: TinySource, when_away: str) -> None:
    first_generation(tmp_path / "home", tiny)
    words = "--home", tmp_path / "home", "--when-away", when_away, "--kills", 1, "--outcomes", 3, "--json"
    ended = run("benchmarks.replicas", *words)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert (found["kills"], found["broker_kills"], found["lost"], found["duplicated"]) == (1, 1, 0, 0)
    assert found["visible_ms_p99"] >= found["visible_ms_p50"] > 0 and found["answered"] > 0


@pytest.mark.long
@pytest.mark.skipif(not (shutil.which("redis-server") and shutil.which("wrk")), reason="no redis-server or no wrk")
@pytest.mark.usefixtures("prefect_server")
def test_the_benchmark_of_the_log_asks_all_its_ways(tmp_path: Path, tiny: TinySource) -> None:
    first_generation(tmp_path / "home", tiny)
    words = "--home", tmp_path / "home", "--lines", 200, "--rounds", 1, "--seconds", 1, "--json"
    ended = run("benchmarks.log_cost", *words)
    assert ended.returncode == 0, ended.stderr
    found = json.loads(ended.stdout)
    assert all(value > 0 for part in ("files", "stream", "reading") for value in found[part].values()), found
    asked = [one for by_connections in found["rank"].values() for one in by_connections.values()]
    assert len(asked) == 6 and all(one["rps"] > 0 and one["failed"] == 0 for one in asked), found


def test_the_serving_benchmark_says_in_one_line_what_it_lacks(tmp_path: Path) -> None:
    ended = run("benchmarks.serving", "--home", tmp_path / "nowhere")
    assert ended.returncode == 1
    assert ended.stderr.startswith("error: ") and "has no champion" in ended.stderr
    assert len(ended.stderr.splitlines()) == 1
