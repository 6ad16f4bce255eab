"""A worker of `benchmarks.shards`: what `components.update.shard.work` does, and the processor seconds it took.

    python -m benchmarks.shard_work FOLDER

Each worker leaves ``cost-K.json``: processor and wall seconds of its work, and the most memory it held, GiB.
"""

import json
import os
import resource
import sys
import time
from datetime import timedelta
from pathlib import Path

import torch.distributed as dist

from benchmarks.scale_process import KIB_IN_GIB
from components.compiled import make_ready
from components.update.shard.work import work


def main(folder: Path) -> None:
    """Do a worker's part and say what it took; imports are not timed."""
    make_ready()
    dist.init_process_group("gloo", timeout=timedelta(hours=1))
    processor, wall = time.process_time(), time.perf_counter()
    work(folder)
    cost = {
        "processor_seconds": time.process_time() - processor,
        "seconds": time.perf_counter() - wall,
        "peak_gib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / KIB_IN_GIB,
    }
    (folder / f"cost-{os.environ['RANK']}.json").write_text(json.dumps(cost))
    dist.destroy_process_group()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
