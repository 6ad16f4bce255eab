"""A worker of `benchmarks.shards`: what `components.update.shard.work` does, and the processor seconds it took.

    python -m benchmarks.shard_work FOLDER

Each worker leaves ``cost-K.json``: processor and wall seconds of its work, and the most memory it held, GiB: all of it,
and what is its own, without pages of files.
"""

import json
import os
import resource
import sys
import threading
import time
from datetime import timedelta
from pathlib import Path

import torch.distributed as dist

from benchmarks.scale_process import KIB_IN_GIB
from components.compiled import make_ready
from components.update.shard.work import work

EVERY = 0.1
"""Seconds between two looks."""


def main(folder: Path) -> None:
    """Do a worker's part and say what it took; imports are not timed."""
    make_ready()
    own = OwnMemory()
    own.start()
    dist.init_process_group("gloo", timeout=timedelta(hours=1))
    processor, wall = time.process_time(), time.perf_counter()
    work(folder)
    cost = {
        "processor_seconds": time.process_time() - processor,
        "seconds": time.perf_counter() - wall,
        "own_gib": own.most / KIB_IN_GIB,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_IN_GIB,
    }
    (folder / f"cost-{os.environ['RANK']}.json").write_text(json.dumps(cost))
    dist.destroy_process_group()


class OwnMemory(threading.Thread):
    """Looks every so often at how much memory this process has for itself; `most`, KiB."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most = 0

    def run(self) -> None:
        """Look until the process ends."""
        while True:
            lines = Path("/proc/self/status").read_text().splitlines()
            self.most = max([self.most, *(int(line.split()[1]) for line in lines if line.startswith("RssAnon"))])
            time.sleep(EVERY)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
