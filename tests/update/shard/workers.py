"""Workers of a sharded update as processes of this machine."""

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

from components.update.shard.files import DONE, read_asked

PATIENCE = 120


def start(folder: Path, workers: int) -> list[subprocess.Popen]:
    """A process per worker; they talk over loopback."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    about = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(workers)}
    about |= {"GLOO_SOCKET_IFNAME": "lo", "OMP_NUM_THREADS": "1"}
    command = [sys.executable, "-m", "components.update.shard.work", str(folder)]
    return [
        subprocess.Popen(command, env=os.environ | about | {"RANK": str(rank)}, stderr=subprocess.PIPE, text=True)
        for rank in range(workers)
    ]


def run(folder: Path) -> None:
    """Let as many as were asked for work to their end."""
    started = start(folder, read_asked(folder).workers)
    try:
        said = [worker.communicate(timeout=PATIENCE)[1] for worker in started]
    finally:
        _end(started)
    for worker, text in zip(started, said, strict=True):
        assert worker.returncode == 0, text


def kill_one_at_work(folder: Path) -> None:
    """Kill the last worker once it has begun, then the others, as whoever starts them does."""
    started = start(folder, read_asked(folder).workers)
    last = folder / f"part-{len(started) - 1}" / DONE
    try:
        give_up = time.monotonic() + PATIENCE
        while last.exists():
            assert time.monotonic() < give_up, f"{last} is still there"
            time.sleep(0.05)
        started[-1].kill()
    finally:
        _end(started)


def _end(started: list[subprocess.Popen]) -> None:
    for worker in started:
        worker.kill()
        worker.communicate()
