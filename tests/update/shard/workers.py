"""Workers of a sharded update as processes of this machine, or of nodes of it."""

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from benchmarks.nodes import LOOPBACK, Node
from components.update.shard.files import DONE, read_asked

PATIENCE = 120
HERE = (Node(LOOPBACK, "lo"),)
IMPATIENT = (
    "import datetime; from components.update.shard import work; "
    "work.LONGEST_WAIT = datetime.timedelta(seconds={}); work.main()"
)


def start(folder: Path, workers: int, nodes: Sequence[Node] = HERE, wait: float = PATIENCE) -> list[subprocess.Popen]:
    """A process per worker, number k on node k mod nodes; `wait`: seconds that one waits for the others."""
    with socket.socket() as free:
        free.bind((LOOPBACK, 0))
        port = free.getsockname()[1]
    about = {"MASTER_ADDR": nodes[0].address, "MASTER_PORT": str(port), "WORLD_SIZE": str(workers)}
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


def run(folder: Path, nodes: Sequence[Node] = HERE) -> None:
    """Let as many as were asked for work to their end."""
    started = start(folder, read_asked(folder).workers, nodes)
    try:
        said = [worker.communicate(timeout=PATIENCE)[1] for worker in started]
    finally:
        _end(started)
    for worker, text in zip(started, said, strict=True):
        assert worker.returncode == 0, text


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


def _end(started: list[subprocess.Popen]) -> None:
    for worker in started:
        worker.kill()
        worker.communicate()
