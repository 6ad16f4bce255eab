"""Workers of a sharded update as processes of this machine, or of nodes of it."""

import json
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.nodes import LOOPBACK, Node
from components.update.shard.files import DONE, read_asked
from tests.conftest import ROOT

PATIENCE = 120
HERE = (Node(LOOPBACK, "lo"),)
IMPATIENT = (
    "import datetime; from components.update.shard import work; "
    "work.LONGEST_WAIT = datetime.timedelta(seconds={}); work.main()"
)


KEPT = """
import datetime, json, os, sys
from components.update.shard import work
work.LONGEST_WAIT = datetime.timedelta(seconds={})
for line in sys.stdin:
    asked = json.loads(line)
    os.environ.update(asked["about"])
    sys.argv[1:] = [asked["folder"]]
    work.main()
    print("done", flush=True)
"""
kept: list[subprocess.Popen] = []
"""Processes that have worked and wait to work again: what they import takes longer than what they do."""


def start(folder: Path, workers: int, nodes: Sequence[Node] = HERE, wait: float = PATIENCE) -> list[subprocess.Popen]:
    """A process per worker, number k on node k mod nodes; `wait`: seconds that one waits for the others."""
    about = {"MASTER_ADDR": nodes[0].address, "MASTER_PORT": str(_free_port()), "WORLD_SIZE": str(workers)}
    about |= {"OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-c", IMPATIENT.format(wait), str(folder)]
    return [
        subprocess.Popen(
            [*node.within, *command],
            env=os.environ | about | {"RANK": str(rank), "GLOO_SOCKET_IFNAME": node.interface},
            stderr=subprocess.PIPE,
            text=True,
        )
        for rank in range(workers)
        for node in (nodes[rank % len(nodes)],)
    ]


def run(folder: Path) -> None:
    """Let as many as were asked for work to their end, in processes that are kept for the next time."""
    count, port = read_asked(folder).workers, _free_port()
    about = {"MASTER_ADDR": LOOPBACK, "MASTER_PORT": str(port), "WORLD_SIZE": str(count), "GLOO_SOCKET_IFNAME": "lo"}
    kept.extend(_keep() for _ in range(count - len(kept)))
    patience = threading.Timer(PATIENCE, _end, [list(kept)])
    patience.start()
    for rank, worker in enumerate(kept[:count]):
        worker.stdin.write(json.dumps({"folder": str(folder), "about": about | {"RANK": str(rank)}}) + "\n")
        worker.stdin.flush()
    said = [worker.stdout.readline() for worker in kept[:count]]
    patience.cancel()
    if said != ["done\n"] * count:
        _end(kept)
        kept.clear()
        raise AssertionError(f"of {count} workers {said.count('done' + chr(10))} came to their end")


def _keep() -> subprocess.Popen:
    """A process that works whenever it is told to, and ends with this one, by the end of its input."""
    command, piped = [sys.executable, "-c", KEPT.format(PATIENCE)], subprocess.PIPE
    return subprocess.Popen(
        command, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdin=piped, stdout=piped, text=True, cwd=ROOT
    )


def kill_one_at_work(folder: Path) -> None:
    """Kill the last worker once it has begun, then the others, as whoever starts them does."""
    with at_work(folder) as started:
        started[-1].kill()


@contextmanager
def at_work(folder: Path, nodes: Sequence[Node] = HERE, wait: float = PATIENCE) -> Iterator[list[subprocess.Popen]]:
    """As many as were asked for, once the last one has begun; ended afterwards."""
    started = start(folder, read_asked(folder).workers, nodes, wait)
    last = folder / f"part-{len(started) - 1}"
    try:
        give_up = time.monotonic() + PATIENCE
        while not last.exists() or (last / DONE).exists():
            assert time.monotonic() < give_up, f"nobody has begun on {last}"
            time.sleep(0.05)
        yield started
    finally:
        _end(started)


def _free_port() -> int:
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        return int(free.getsockname()[1])


def _end(started: list[subprocess.Popen]) -> None:
    for worker in started:
        worker.kill()
        worker.communicate()
