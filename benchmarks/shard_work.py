"""A worker of `benchmarks.shards`: what `components.update.shard.work` does, and the processor seconds it took.

    python -m benchmarks.shard_work FOLDER [warm]

`warm`: it does it once before it is timed, so that what a process loads and compiles once is there.
Each worker leaves ``cost-K.json``: processor and wall seconds of its work, and the most memory it held, GiB: all of it
(`peak_gib`); its own, without pages of files (`own_gib`); its own and its share of every page of a file, which is the
page's size over the number of processes that have it mapped (`share_gib`, Linux's proportional set size).
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
"""Seconds between two looks, at the least: a look takes longer the more is mapped, and waits ten times that."""


def main(folder: Path, warm: bool) -> None:
    """Do a worker's part and say what it took; imports are not timed."""
    make_ready()
    watched = Watched()
    watched.start()
    dist.init_process_group("gloo", timeout=timedelta(hours=1))
    if warm:
        work(folder)
    processor, wall, looked = time.process_time(), time.perf_counter(), watched.spent
    work(folder)
    cost = {
        "processor_seconds": time.process_time() - processor - (watched.spent - looked),
        "seconds": time.perf_counter() - wall,
        "own_gib": watched.own / KIB_IN_GIB,
        "share_gib": watched.share / KIB_IN_GIB,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_IN_GIB,
    }
    (folder / f"cost-{os.environ['RANK']}.json").write_text(json.dumps(cost))
    dist.destroy_process_group()


class Watched(threading.Thread):
    """Looks every so often at how much memory this process holds: `own` and `share`, KiB at the most.

    `spent` : processor seconds that looking took.
    """

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.own, self.share, self.spent = 0, 0, 0.0

    def run(self) -> None:
        """Look until the process ends."""
        while True:
            begin = time.perf_counter()
            lines = (line.split() for line in Path("/proc/self/smaps_rollup").read_text().splitlines()[1:])
            now = {name: int(size) for name, size, *_ in lines}
            self.own = max(self.own, now["Anonymous:"])
            self.share = max(self.share, now["Pss:"])
            self.spent = time.thread_time()
            time.sleep(max(EVERY, 10 * (time.perf_counter() - begin)))


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:] == ["warm"])
