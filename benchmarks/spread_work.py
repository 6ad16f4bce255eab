"""The processes of `benchmarks.spread`: one that works everything out alone, one that lets a cluster do it.

    python -m benchmarks.spread_work HOME REQUESTS [--address HOST:PORT]

Prints what it took as one JSON document. Processor seconds are those of this process, and, of a cluster, those of each
node's tasks.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, cast

import httpx
import numpy as np
import typer

from components.coded import NOTHING, Coded
from components.domain import EvercurrentError
from components.engine import EngineSettings
from components.evaluate.evaluate import EvaluateSettings, evaluate
from components.evaluate.logged_decisions import LoggedDecisions
from components.memory.memory import ErrorMemory
from components.policy.slates import Shown
from components.publish.read_bundle import MODEL, load_bundle
from components.ranker.features import Encoder
from components.ranker.forward import Forward
from components.whole_file import write_whole
from flows.engine.choice_files import answer, ask, put_together
from flows.stages.choices import Asked, Choices, Rater, choices
from flows.stages.eligible_sets import Requests
from flows.workspace import enter, scratch

ELIGIBLE = 10
"""Items to choose from in each request; one is shown."""
PATIENCE = 120.0
"""Seconds that a cluster may take to start."""
USERS = 50_000
MOST = 4
"""Generations that are asked at most: a turn asks challenger, champion, parent and anchor."""


@dataclass(frozen=True)
class World:
    """Requests to a home's generations, drawn; logged by dice, each eligible item as likely as any other."""

    asked: Asked
    log: LoggedDecisions
    encoder: Encoder
    raters: Mapping[str, Rater]


def world(home: Path, requests: int, seed: int) -> World:
    """So many requests, of users and items as a home of `benchmarks.scale` has, and its newest generations."""
    served = [load_bundle(folder) for folder in sorted((home / "bundles").glob("g??????"))[-MOST:]]
    rng, encoder = np.random.default_rng(seed), served[-1].encoder
    users, items = np.array([f"u{n}" for n in range(USERS)], object), served[-1].servable
    base, step = rng.integers(0, len(items), requests), rng.integers(1, len(items) // ELIGIBLE, requests)
    item = (base[:, None] + step[:, None] * np.arange(ELIGIBLE)) % len(items)
    nobody = np.full(requests, NOTHING)
    asked = Requests(
        request_id=np.arange(requests).astype(str).astype(object),
        user=Coded(rng.integers(0, len(users), requests).astype(np.int32), users),
        context=Coded(nobody, np.empty(0, object)),
        at=served[-1].cutoff + np.arange(requests, dtype=np.int64) * 1_000,
        item=Coded(item.ravel().astype(np.int32), items),
        offsets=np.arange(requests + 1, dtype=np.int64) * ELIGIBLE,
        positions=np.ones(requests, np.int64),
        broken=np.zeros(requests, np.int64),
    )
    entry = asked.offsets[:-1] + rng.integers(0, ELIGIBLE, requests)
    log = LoggedDecisions(
        request=np.arange(requests),
        position=np.zeros(requests, np.int64),
        offsets=asked.offsets,
        action=entry,
        propensity=np.full(requests, 1 / ELIGIBLE),
        reward=(rng.random(requests) < 0.1).astype(np.float64),
        at=asked.at,
        logger=np.zeros(requests, np.int64),
        user=asked.user.codes,
    )
    raters = {
        f"generation {one.generation}": Rater(
            cast(Forward, one.model),
            cast(ErrorMemory, one.memory),
            one.policy,
            home / "bundles" / f"g{one.generation:06}" / MODEL,
            expects=one is served[-1],
        )
        for one in served
    }
    return World(Asked(asked, None, Shown(entry, np.arange(requests + 1))), log, encoder, raters)


def judged(drawn: World, made: Mapping[str, Choices]) -> str:
    """A digest of the evaluation of the newest generation against the oldest that was asked."""
    oldest, newest = made[next(iter(made))], made[list(made)[-1]]
    found = evaluate(drawn.log, newest.probability, oldest.probability, newest.expected, EvaluateSettings())
    return hashlib.sha256(found.to_json().encode()).hexdigest()[:16]


def answer_and_tell(folder: str, share: int) -> None:
    """`answer`, and beside it where it was worked out and what that process has spent so far, its imports included."""
    import ray

    answer(folder, share)
    where = {"node": ray.util.get_node_ip_address(), "process": os.getpid()}
    told = where | {"processor_seconds": time.process_time()}
    write_whole(Path(folder) / f"cost-{share}.json", lambda path: path.write_text(json.dumps(told)))


def shared(drawn: World, address: str) -> tuple[dict[str, Choices], dict[str, float]]:
    """What a cluster's tasks make of it, and the processor seconds of each node's."""
    from flows.engine import ray_tasks

    with scratch() as folder:
        shares = ask(folder, drawn.asked, drawn.encoder, drawn.raters)
        ray_tasks.spread(
            "choices", answer_and_tell, folder, shares, EngineSettings(name="ray", address=address, workers=1)
        )
        spent: dict[tuple[str, int], float] = {}
        for path in folder.glob("cost-*.json"):
            told = json.loads(path.read_text())
            who = told["node"], told["process"]
            spent[who] = max(spent.get(who, 0.0), told["processor_seconds"])
        nodes = {node: sum(s for (n, _), s in spent.items() if n == node) for node, _ in spent}
        return put_together(folder, shares, drawn.raters), nodes


def wait_for(address: str, nodes: int) -> None:
    """Until Prefect's server answers and so many nodes have joined.

    Raises
    ------
    EvercurrentError
        If that takes too long.
    """
    import ray

    def there() -> bool:
        with suppress(httpx.HTTPError, ConnectionError):
            httpx.get(f"{os.environ['PREFECT_API_URL']}/health").raise_for_status()
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR, ignore_reinit_error=True)
            return sum(node["Alive"] for node in ray.nodes()) == nodes
        return False

    until = time.monotonic() + PATIENCE
    while not there():
        if time.monotonic() > until:
            raise EvercurrentError(f"no {nodes} nodes of Ray at {address}, or no Prefect, after {PATIENCE:g} s")
        time.sleep(1.0)
    ray.shutdown()


def main(
    home: Annotated[Path, typer.Argument(help="A home with a generation or more.")],
    requests: Annotated[int, typer.Argument(help="That are judged.")],
    address: Annotated[str, typer.Option(help="Of a Ray cluster; none: this process alone.")] = "",
    nodes: Annotated[int, typer.Option(help="That it has.")] = 1,
    seed: Annotated[int, typer.Option(help="Of the dice.")] = 0,
) -> None:
    """Work it out and tell."""
    home = home.resolve()
    with scratch() as state:
        enter(state)
        drawn = world(home, requests, seed)
        choices(drawn.asked.part(0, min(requests, 100)), drawn.encoder, drawn.raters)  # what is compiled is compiled
        if address:
            wait_for(address, nodes)
        begin, spent, nodes = time.perf_counter(), time.process_time(), dict[str, float]()
        if address:
            made, nodes = shared(drawn, address)
        else:
            made = choices(drawn.asked, drawn.encoder, drawn.raters)
        digest = judged(drawn, made)
        told = {
            "seconds": time.perf_counter() - begin,
            "processor_seconds": time.process_time() - spent,
            "nodes": nodes,
            "digest": digest,
            "raters": len(drawn.raters),
        }
    typer.echo(json.dumps(told))


if __name__ == "__main__":
    typer.run(main)
