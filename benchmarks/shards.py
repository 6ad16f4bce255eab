"""An update shared among workers against one process: ``python -m benchmarks.shards [--nodes 2] [--json]``.

A day's window over a table is learned by one process and by each number of workers: by how much any weight differs,
and what the busiest worker spends of a processor. With `--nodes` the workers live in so many network namespaces of
this machine (root's to make, `benchmarks.nodes`), so that what they tell each other goes through a network. With
`--rows` the table is one of so many ids, made on the disk, and only the workers learn on it: what each holds at most.
"""

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.generation_work import at
from benchmarks.nodes import Node, here, nodes_of
from benchmarks.shard_table import make_table, window_of
from components.domain import DAY, Examples, Ints, Matured
from components.feature_spec import FeatureSpec, Field, FieldKind, FieldOf
from components.ranker.settings import RankerSettings
from components.ranker.splitmix import mix
from components.update.checkpoint import Checkpoint
from components.update.settings import UpdateSettings
from components.update.shard.files import PARENT, Asked, ask, put_together
from components.update.train import pretrain
from components.update.warm_start import warm_start

SPEC = FeatureSpec(
    (
        Field("user", FieldKind.ID, FieldOf.USER),
        Field("item", FieldKind.ID, FieldOf.ITEM),
        Field("category", FieldKind.ID, FieldOf.ITEM),
        Field("recent", FieldKind.MULTI, FieldOf.CONTEXT, 4, shares="item"),
    )
)
USERS, ITEMS, CATEGORIES = 200_000, 50_000, 40
ZIPF = 1.2
PORT = 29_511


@dataclass(frozen=True, slots=True)
class Shared:
    """Of one draw of ids and one number of workers.

    `difference`: of any weight or learning history from one process's, at the most. `processor_seconds`: of the busiest
    worker; `seconds`: of the slowest, by the wall; `speedup_cpu`: processor seconds of one process over the former.
    """

    ids: str
    workers: int
    difference: float
    processor_seconds: float
    seconds: float
    speedup_cpu: float
    peak_gib: float


def window(day: int, examples: int, zipf: float) -> Matured:
    """A day of examples, users and items drawn evenly or by Zipf's law."""
    rng = np.random.default_rng([day, examples, int(10 * zipf)])

    def draw(many: int, *shape: int) -> Ints:
        return (rng.zipf(zipf, shape) - 1) % many if zipf else rng.integers(0, many, shape)

    user, item, recent = draw(USERS, examples), draw(ITEMS, examples), draw(ITEMS, examples, 4)
    keys = np.column_stack([_key(user, 1), _key(item, 2), _key(item % CATEGORIES, 3), _key(recent, 2)])
    keys[:, 3:][rng.random((examples, 4)) < 0.4] = 0
    liked = rng.random(examples) < 1 / (1 + np.exp(1 - np.sin(user) - np.cos(1.7 * item) - 0.5 * np.sin(recent[:, 0])))
    at = np.sort(rng.integers(day * DAY, (day + 1) * DAY, examples))
    return Matured(Examples(keys, np.empty((examples, 0), np.float32), at), liked.astype(np.float32))


def compare(examples: int, batch: int, workers: Sequence[int], nodes: Sequence[Node]) -> list[Shared]:
    """One process against each number of workers, ids drawn evenly and by Zipf's law."""
    found = []
    for name, zipf in (("even", 0.0), ("zipf", ZIPF)):
        settings, fresh = UpdateSettings(batch_size=batch), window(1, examples, zipf)
        parent = pretrain(SPEC, window(0, 100_000, zipf), RankerSettings(), UpdateSettings(max_epochs=2), 0).checkpoint
        warm_start(parent, fresh.take(slice(0, 100)), None, 2 * DAY, settings, 1)  # what is compiled is compiled
        begin = time.process_time()
        alone = warm_start(parent, fresh, None, 2 * DAY, settings, 1).checkpoint
        spent = time.process_time() - begin
        for count in workers:
            with TemporaryDirectory() as folder:
                asked = Asked(cutoff=2 * DAY, seed=1, workers=count, settings=settings)
                ask(Path(folder), asked, parent, fresh, None)
                costs = run(Path(folder), count, nodes, warm=True)
                made = put_together(Path(folder), parent, count).checkpoint
            busiest = max(cost["processor_seconds"] for cost in costs)
            found.append(
                Shared(
                    ids=name,
                    workers=count,
                    difference=difference(alone, made),
                    processor_seconds=busiest,
                    seconds=max(cost["seconds"] for cost in costs),
                    speedup_cpu=spent / busiest,
                    peak_gib=max(cost["peak_gib"] for cost in costs),
                )
            )
            sys.stderr.write(f"{found[-1]}\n")
    return found


def hold(rows: int, examples: int, batch: int, workers: int, nodes: Sequence[Node]) -> dict[str, float]:
    """Workers that learn a day on a table of `rows` ids: the most that one of them holds, and how long they take."""
    with TemporaryDirectory(dir=Path.cwd()) as room:
        folder = Path(room)
        make_table(folder / PARENT, rows)
        fresh = window_of(rows, examples)
        asked = Asked(cutoff=at(1), seed=1, workers=workers, settings=UpdateSettings(batch_size=batch))
        ask(folder, asked, None, fresh, None)
        costs = run(folder, workers, nodes)
    return {
        "rows": rows,
        "workers": workers,
        "peak_gib": max(cost["peak_gib"] for cost in costs),
        "own_gib": max(cost["own_gib"] for cost in costs),
        "share_gib": max(cost["share_gib"] for cost in costs),
        "seconds": max(cost["seconds"] for cost in costs),
    }


def run(folder: Path, workers: int, nodes: Sequence[Node], warm: bool = False) -> list[dict[str, float]]:
    """What each worker says it took; worker k lives on node k mod nodes. `warm`: see `benchmarks.shard_work`."""
    about = {"MASTER_ADDR": nodes[0].address, "MASTER_PORT": str(PORT), "WORLD_SIZE": str(workers)}
    command = [sys.executable, "-m", "benchmarks.shard_work", str(folder), *(["warm"] if warm else [])]
    with ExitStack() as ending:
        started = []
        for rank in range(workers):
            node = nodes[rank % len(nodes)]
            names = about | {"RANK": str(rank), "GLOO_SOCKET_IFNAME": node.interface}
            started.append(subprocess.Popen([*node.within, *command], env=os.environ | names))
            ending.callback(started[-1].kill)
        for worker in started:
            if worker.wait():
                raise SystemExit(f"error: a worker ended with code {worker.returncode}")
    return [json.loads((folder / f"cost-{rank}.json").read_text()) for rank in range(workers)]


def difference(a: Checkpoint, b: Checkpoint) -> float:
    """The largest, over all rows and all weights of the dense part."""
    rows = np.arange(max(a.model.table.rows, b.model.table.rows))
    found = [np.abs(a.model.table.layers.take(rows) - b.model.table.layers.take(rows)).max()]
    dense = zip(a.model.dense.state_dict().values(), b.model.dense.state_dict().values(), strict=True)
    return float(max([*found, *(float((x - y).abs().max()) for x, y in dense if x.numel())]))


def _key(number: Ints, salt: int) -> np.ndarray:
    return mix(number.astype(np.uint64) + np.uint64(salt << 56))


def main(
    examples: Annotated[float, typer.Option(help="Of the day that is learned.")] = 3e5,
    batch: Annotated[int, typer.Option(help="Examples a step.")] = 8_192,
    workers: Annotated[str, typer.Option(help="Numbers of workers, by comma.")] = "1,2,4",
    nodes: Annotated[int, typer.Option(help="Network namespaces; 0: loopback.")] = 0,
    rows: Annotated[float, typer.Option(help="Ids of a table that is held by the most workers named; 0: none.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document on stdout.")] = False,
) -> None:
    """Compare, and hold."""
    counts = [int(count) for count in workers.split(",")]
    with nodes_of(nodes) if nodes else here() as there:
        found = compare(int(examples), batch, counts, there) if not rows else []
        held = hold(int(rows), int(examples), batch, max(counts), there) if rows else None
    agreement = {str(c): max(one.difference for one in found if one.workers == c) for c in counts if found}
    speedup = {str(c): min(one.speedup_cpu for one in found if one.workers == c) for c in counts if found}
    told = {"agreement": agreement, "speedup_cpu": speedup, "runs": [asdict(one) for one in found], "held": held}
    if as_json:
        typer.echo(json.dumps(told, indent=1))
        return
    table = Table("ids", "workers", "difference", "processor s", "wall s", "one process", "GiB", title="shared updates")
    for one in found:
        cells = (one.difference, one.processor_seconds, one.seconds, one.speedup_cpu, one.peak_gib)
        table.add_row(one.ids, str(one.workers), *(f"{cell:.3g}" for cell in cells))
    Console().print(table if found else held)


if __name__ == "__main__":
    typer.run(main)
