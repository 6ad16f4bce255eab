"""Finding a person's best items in a large catalogue: how much is found, how long it takes, what the index costs.

``python -m benchmarks.retrieval --items 1000000 --json`` makes a catalogue of so many items and a network whose
embeddings are drawn, so that tastes differ and no item is everybody's best, and compares with scoring everything.
"""

import json
import time
from dataclasses import replace
from statistics import median
from typing import Annotated

import numpy as np
import pandas as pd
import torch
import typer

from components.domain import SECOND
from components.feature_spec import FeatureSpec, Field, FieldKind, FieldOf
from components.ingest.reward_rule import RewardRule
from components.memory.memory import ErrorMemory, MemorySettings
from components.policy.plackett_luce import PlackettLuce
from components.ranker.features import Attributes, Encoder
from components.ranker.model import Model
from components.ranker.settings import RankerSettings
from components.serving.catalogue import Catalogue
from components.serving.retrieval import Retrieval, fit
from components.serving.served import KnownOutcomes, RankRequests, Served

SPEC = FeatureSpec(
    (
        Field("user", FieldKind.ID, FieldOf.USER),
        Field("item", FieldKind.ID, FieldOf.ITEM),
        Field("genre", FieldKind.CATEGORICAL, FieldOf.ITEM),
        Field("group", FieldKind.CATEGORICAL, FieldOf.USER),
    )
)
USERS, SLATE = 2_000, 10


def generation(items: int, spread: float, seed: int) -> Served:
    """A DeepFM over `items` items, with embeddings of standard deviation `spread`, and a memory of one outcome."""
    rng = np.random.default_rng(seed)
    users = np.array([f"u{n}" for n in range(USERS)], object)
    ids = np.array([f"i{n}" for n in range(items)], object)
    people = pd.DataFrame({"user": users, "group": rng.integers(0, 5, USERS).astype(str)})
    things = pd.DataFrame({"item": ids, "genre": rng.integers(0, 50, items).astype(str)})
    encoder = Encoder(
        SPEC,
        Attributes.build(people, "user", SPEC, FieldOf.USER),
        Attributes.build(things, "item", SPEC, FieldOf.ITEM),
    )
    model = Model.fresh(SPEC, RankerSettings(architecture="deepfm"), seed)
    everyone, everything = np.resize(users, max(items, USERS)), np.resize(ids, max(items, USERS))
    model.observe(encoder.encode(everyone, everything, np.zeros(len(everyone), np.int64), {}))
    model.turn_over(1, -1, 0)
    with torch.no_grad():
        drawn = rng.normal(scale=spread, size=tuple(model.table.weight[1:].shape)).astype(np.float32)
        model.table.block[1:, :-1] += torch.from_numpy(drawn)
    forward = model.forward()
    made = Served(
        generation=1,
        cutoff=SECOND,
        encoder=encoder,
        model=forward,
        memory=ErrorMemory.empty(SPEC, forward.hidden_size, MemorySettings()),
        policy=PlackettLuce(),
        outcome=RewardRule(kind="like"),
        servable=ids,
        catalogue=Catalogue.of(encoder, ids, forward),
        freshest=np.arange(min(100, items)),
    )
    known, told = np.full(1, SECOND), np.ones(1, np.float32)
    made.learn(KnownOutcomes(users[:1], ids[:1], known, told, np.full(1, np.nan, np.float32)))
    return made


def measure(items: int, requests: int, spread: float, seed: int) -> dict[str, float]:
    """Figures of one catalogue; an index is made only where it is large enough to need one."""
    served = generation(items, spread, seed)
    begin = time.perf_counter()
    fitted = fit(served, Retrieval(), seed)
    spent = time.perf_counter() - begin
    if fitted is None:
        raise typer.BadParameter(f"{items} items are scored whole; an index is made from 1,001 on")
    landmarks, found = fitted
    served, rng = replace(served, landmarks=landmarks), np.random.default_rng(seed)
    each: list[float] = []
    for n in range(requests + 5):
        user, at = f"u{n % USERS}", np.array([SECOND + n])
        begin = time.perf_counter()
        (rows,) = Retrieval().retrieve(served, RankRequests.of([user], at, [[]]), rng)
        served.decide(RankRequests.of([user], at, [served.servable[rows]]), SLATE, rng)
        each.append(1000 * (time.perf_counter() - begin))
    return {
        "items": items,
        "recall": found.recall,
        "kept": found.kept,
        "fit_seconds": round(spent, 2),
        "retrieve_and_rank_ms_p50": round(median(each[5:]), 3),
        "retrieve_and_rank_ms_max": round(max(each[5:]), 3),
    }


def main(
    items: Annotated[list[int] | None, typer.Option(help="Items in the catalogue; several for several rows.")] = None,
    requests: Annotated[int, typer.Option(help="Requests to time.")] = 200,
    spread: Annotated[float, typer.Option(help="Standard deviation of the embeddings.")] = 0.3,
    seed: Annotated[int, typer.Option(help="Of the world and the index.")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Recall and time of retrieval."""
    rows = [measure(count, requests, spread, seed) for count in items or [10_000, 100_000]]
    if as_json:
        typer.echo(json.dumps({"rows": rows}))
        return
    for row in rows:
        typer.echo("  ".join(f"{name} {value:g}" for name, value in row.items()))


if __name__ == "__main__":
    typer.run(main)
