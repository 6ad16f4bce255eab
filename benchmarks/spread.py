"""What nodes bring to an evaluation: ``python -m benchmarks.spread --home HOME [--requests 1e6] [--nodes 1,2]``.

Requests with ten eligible items each are encoded, rated by the home's newest generations, and judged: by one process,
and by the tasks of a Ray cluster whose nodes are network namespaces of this machine (root's to make). Every node, and
the one process, has one core of its own, as far as nobody else works on the machine. Beside the wall's seconds those of
processors are told: of the process that waits and judges, and of the busiest node's tasks. What no node shortens, the
judging and the handing out, is in both.
"""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from secrets import token_hex
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from benchmarks.nodes import Node, nodes_of
from components.domain import EvercurrentError
from flows.workspace import scratch

PORT, API_PORT = 6_379, 4_200
PATIENCE = 120.0
"""Seconds that a server may take to end."""


def measure(home: Path, requests: int, nodes: list[int]) -> dict[str, Any]:
    """One process, and each number of nodes; ratios by the wall and by processors."""
    words = [sys.executable, "-m", "benchmarks.spread_work", str(home), str(requests)]
    alone = _told([*_core(0), *words], {})
    found: dict[str, Any] = {"requests": requests, "alone": alone, "nodes": {}}
    sys.stderr.write(f"alone: {alone}\n")
    for count in nodes:
        with nodes_of(count) as there, scratch() as room, _cluster(there, room) as names:
            told = _told(
                [*there[0].within, *_core(0), *words, "--address", f"{there[0].address}:{PORT}", "--nodes", str(count)],
                names,
            )
        if told["digest"] != alone["digest"]:
            raise EvercurrentError(f"{count} nodes judge otherwise: {told['digest']}, alone {alone['digest']}")
        longest = told["processor_seconds"] + max(told["nodes"].values())
        told["speedup"] = alone["seconds"] / told["seconds"]
        told["speedup_cpu"] = alone["processor_seconds"] / longest
        found["nodes"][str(count)] = told
        sys.stderr.write(f"{count} nodes: {told}\n")
    return found


@contextmanager
def _cluster(nodes: list[Node], room: Path) -> Iterator[dict[str, str]]:
    """Ray on all nodes and Prefect's server on the first; what a process there needs to know of both."""
    api = f"http://{nodes[0].address}:{API_PORT}/api"
    names = {
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": token_hex(32),
        "RAY_USAGE_STATS_ENABLED": "0",
        "PREFECT_HOME": str(room / "prefect"),
        "PREFECT_API_URL": api,
        "PREFECT_LOGGING_LEVEL": "ERROR",
        "DO_NOT_TRACK": "1",
    }
    head = ["--head", f"--port={PORT}", "--include-dashboard=false", f"--temp-dir={room / 'ray'}"]
    server = [sys.executable, "-m", "prefect", "server", "start", "--host", nodes[0].address, "--port", str(API_PORT)]
    with ExitStack() as ending:
        _start(ending, [*nodes[0].within, *server], names, room / "server.log")
        for number, node in enumerate(nodes):
            beside = head if number == 0 else [f"--address={nodes[0].address}:{PORT}"]
            words = [f"--node-ip-address={node.address}", "--num-cpus=1", "--object-store-memory=200000000", "--block"]
            command = [*node.within, *_core(number), str(Path(sys.executable).with_name("ray")), "start"]
            _start(ending, [*command, *beside, *words], names, room / f"ray-{number}.log")
        yield names


def _core(number: int) -> tuple[str, ...]:
    return ("taskset", "--cpu-list", str(number % (os.cpu_count() or 1)))


def _start(ending: ExitStack, command: list[str], names: dict[str, str], log: Path) -> None:
    """A process that is ended with the stack, and what it started with it."""
    started = subprocess.Popen(
        command, env=os.environ | names, stdout=log.open("wb"), stderr=subprocess.STDOUT, start_new_session=True
    )
    ending.callback(_end, started)


def _end(started: subprocess.Popen[bytes]) -> None:
    """It and its children: Ray's servers are a process's children, in its session."""
    with suppress(ProcessLookupError):
        os.killpg(started.pid, signal.SIGTERM)
    try:
        started.wait(PATIENCE)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(started.pid, signal.SIGKILL)


def _told(command: list[str], names: dict[str, str]) -> dict[str, Any]:
    done = subprocess.run(command, env=os.environ | names, capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise EvercurrentError(f"{' '.join(command)} ended with code {done.returncode}; it said: {last}")
    told: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return told


def main(
    home: Annotated[Path, typer.Option(help="A home with a generation or more.")] = Path(".evercurrent"),
    requests: Annotated[float, typer.Option(help="That are judged, ten eligible items each.", min=1)] = 1e6,
    nodes: Annotated[str, typer.Option(help="Numbers of nodes, by comma.")] = "1,2",
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Measure."""
    try:
        found = measure(home, int(requests), [int(count) for count in nodes.split(",")])
    except EvercurrentError as error:
        sys.exit(f"error: {error}")
    if as_json:
        typer.echo(json.dumps(found, indent=1))
        return
    table = Table("nodes", "wall s", "times", "processor s", "times", title=f"{int(requests):,} requests judged")
    alone = found["alone"]
    table.add_row("none", f"{alone['seconds']:.1f}", "", f"{alone['processor_seconds']:.1f}", "")
    for count, told in found["nodes"].items():
        longest = told["processor_seconds"] + max(told["nodes"].values())
        figures = (told["seconds"], told["speedup"], longest, told["speedup_cpu"])
        table.add_row(count, *(f"{figure:.3g}" for figure in figures))
    Console().print(table)


if __name__ == "__main__":
    typer.run(main)
