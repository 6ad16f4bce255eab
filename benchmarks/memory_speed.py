"""How fast is the error memory? Reads of 100 candidates and writes of 1,000 outcomes against a full memory.

    OMP_NUM_THREADS=1 python -m benchmarks.memory_speed [--json] [--quick]

A memory is filled until it knows a million ids and keeps 100,000 neighbours; then a request of one user with 100
candidates is read and a batch of 1,000 outcomes is written, in turns. Ids are drawn evenly, the worst case for
any cache; real logs are kinder. Two feature specs: the seven fields of KuaiRand and 17 single-valued fields.
Wall time is what a caller waits; processor time is what remains of it on a quiet machine.
"""

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Annotated, get_args

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from components.domain import DAY, SECOND, Examples, Floats, Prediction
from components.feature_spec import FeatureSpec, Field, FieldKind, FieldOf
from components.memory.memory import ErrorMemory, MemorySettings
from components.memory.neighbour_view import NeighbourView
from components.memory.settings import ViewName
from components.sigmoid import sigmoid

WIDTH = 112
"""Characters of the table; a narrower terminal wraps it rather than losing figures."""

ALL: tuple[ViewName, ...] = get_args(ViewName)
HIDDEN = 32
"""Units of the last hidden layer by default."""
CLUSTERS = 200
"""Kinds of hidden state: outcomes of a kind are neighbours of each other."""
CANDIDATES, OUTCOMES = 100, 1_000
START = 1_000 * DAY
PERCENTILES = (50, 90)

KUAIRAND = FeatureSpec(
    (
        Field("user", FieldKind.ID, FieldOf.USER),
        Field("item", FieldKind.ID, FieldOf.ITEM),
        Field("author", FieldKind.CATEGORICAL, FieldOf.ITEM),
        Field("tag", FieldKind.CATEGORICAL, FieldOf.ITEM),
        Field("tab", FieldKind.CATEGORICAL, FieldOf.CONTEXT),
        Field("duration", FieldKind.CATEGORICAL, FieldOf.ITEM),
        Field("hour", FieldKind.CATEGORICAL, FieldOf.CONTEXT),
    )
)
WIDE = FeatureSpec(
    (
        *KUAIRAND.fields,
        *(Field(f"user{i}", FieldKind.CATEGORICAL, FieldOf.USER) for i in range(5)),
        *(Field(f"item{i}", FieldKind.CATEGORICAL, FieldOf.ITEM) for i in range(5)),
    )
)
SPECS = {"kuairand": KUAIRAND, "wide": WIDE}


@dataclass(frozen=True, slots=True)
class Cost:
    """Milliseconds of one call: percentiles of wall time, median and least of processor time."""

    p50_ms: float
    p90_ms: float
    cpu_p50_ms: float
    cpu_min_ms: float


@dataclass(frozen=True, slots=True)
class Speed:
    """What one memory costs; `recall` is the share of the 50 nearest neighbours that their fast index sees."""

    spec: str
    views: tuple[str, ...]
    outcomes: int
    ids: int
    read: Cost
    write: Cost
    bytes: int
    recall: float | None


class Traffic:
    """Outcomes of a made-up log, seeded: half of the ids are users, the rest items with their attributes."""

    def __init__(self, spec: FeatureSpec, ids: int, seed: int) -> None:
        self._rng = np.random.default_rng(seed)
        self._spec, self.users, self.items = spec, ids // 2, ids // 2
        self._keys = self._rng.integers(1, 2**64, (spec.key_columns, self.users), dtype=np.uint64, endpoint=False)
        self._kinds = self._rng.normal(size=(CLUSTERS, HIDDEN)).astype(np.float32)
        self._now = START

    def everybody(self, start: int, rows: int) -> tuple[Examples, Prediction, Floats]:
        """`rows` outcomes in which users and items number `start`, `start` + 1, ... occur."""
        at = np.arange(start, start + rows)
        return self._drawn(at % self.users, at % self.items)

    def request(self) -> tuple[Examples, Prediction]:
        """One user with candidates."""
        user = np.full(CANDIDATES, self._rng.integers(self.users))
        return self._drawn(user, self._rng.integers(0, self.items, CANDIDATES))[:2]

    def outcomes(self) -> tuple[Examples, Prediction, Floats]:
        """A batch of outcomes."""
        return self._drawn(*(self._rng.integers(0, n, OUTCOMES) for n in (self.users, self.items)))

    def _drawn(self, user: np.ndarray, item: np.ndarray) -> tuple[Examples, Prediction, Floats]:
        n, own = len(user), {FieldOf.USER: user, FieldOf.ITEM: item}
        self._now += SECOND
        columns = []
        for number, field in enumerate(self._spec.fields):
            value = own[field.of] if field.of in own else np.full(n, self._now // (7 * SECOND))
            values = self.users if field.kind is FieldKind.ID else min(50 + 500 * number, self.users)
            columns.append(self._keys[number, value % values])
        hidden = self._kinds[(user + item) % CLUSTERS] + 0.5 * self._rng.normal(size=(n, HIDDEN))
        logit = self._rng.normal(-0.5, 1, n).astype(np.float32)
        reward = (self._rng.random(n) < sigmoid(logit)).astype(np.float32)
        examples = Examples(np.stack(columns, 1), np.zeros((n, 0), np.float32), np.full(n, self._now))
        return examples, Prediction(logit, np.maximum(hidden, 0).astype(np.float32)), reward


def filled(traffic: Traffic, spec: FeatureSpec, settings: MemorySettings, outcomes: int) -> ErrorMemory:
    """A memory that was told `outcomes` outcomes, which name every id at least once."""
    memory = ErrorMemory.empty(spec, HIDDEN, settings)
    for start in range(0, outcomes, OUTCOMES):
        memory.learn(*traffic.everybody(start, OUTCOMES))
    return memory


def timed(call: Callable[[], object]) -> tuple[float, float]:
    """Seconds of wall and of processor time of one call."""
    wall, processor = time.perf_counter(), time.process_time()
    call()
    return time.perf_counter() - wall, time.process_time() - processor


def cost(taken: list[tuple[float, float]]) -> Cost:
    """Percentiles over calls, in milliseconds."""
    wall, processor = 1e3 * np.array(taken).T
    p50, p90 = np.percentile(wall, PERCENTILES)
    return Cost(float(p50), float(p90), float(np.median(processor)), float(processor.min()))


def measure(name: str, views: tuple[ViewName, ...], ids: int, calls: int, seed: int) -> Speed:
    """Costs of one kind of memory; the first tenth of the calls warms up."""
    settings = MemorySettings(views=views, choose=False)
    traffic = Traffic(SPECS[name], ids, seed)
    memory = filled(traffic, SPECS[name], settings, max(traffic.users, 1))
    reads, writes = [], []
    gc.disable()  # a collection in the middle of a call is the benchmark's own doing
    for _ in range(calls):
        request, outcomes = traffic.request(), traffic.outcomes()
        reads.append(timed(lambda: memory.compensate(*request)))  # noqa: B023
        writes.append(timed(lambda: memory.learn(*outcomes)))  # noqa: B023
    gc.enable()
    warm = slice(calls // 10, None)
    view = memory._views.get("neighbours")
    recall = view.recall_at_k(traffic.request()[1]) if isinstance(view, NeighbourView) else None
    costs = cost(reads[warm]), cost(writes[warm])
    return Speed(name, views, len(memory), ids, *costs, memory.nbytes, recall)


def main(
    ids: Annotated[int, typer.Option(help="Users and items the memory knows.", min=100)] = 1_000_000,
    calls: Annotated[int, typer.Option(help="Reads and writes that are timed.", min=10)] = 200,
    seed: Annotated[int, typer.Option(help="Of the made-up log.")] = 0,
    quick: Annotated[bool, typer.Option(help="10,000 ids and 20 calls.")] = False,
    only: Annotated[str, typer.Option(help="Views, by comma, instead of the default and all.")] = "",
    as_text: Annotated[bool, typer.Option("--json", help="One JSON document on stdout and nothing else.")] = False,
) -> None:
    """Time a full memory."""
    ids, calls = (10_000, 20) if quick else (ids, calls)
    sets = (_named(only),) if only else (MemorySettings().views, ALL)
    found = [measure(name, views, ids, calls, seed) for name in SPECS for views in sets]
    if as_text:
        head = {"candidates": CANDIDATES, "outcomes": OUTCOMES, "seed": seed, "load_average": os.getloadavg()[0]}
        sys.stdout.write(json.dumps(head | {"memories": [asdict(speed) for speed in found]}) + "\n")
    else:
        screen = Console()
        screen.width = max(screen.width, WIDTH)
        screen.print(_table(found))


def _named(only: str) -> tuple[ViewName, ...]:
    unknown = sorted(set(only.split(",")) - set(ALL))
    if unknown:
        raise typer.BadParameter(f"received view {unknown[0]!r}; allowed are {', '.join(ALL)}")
    return tuple(view for view in ALL if view in only.split(","))


def _table(found: list[Speed]) -> Table:
    table = Table(title=f"ms per read of {CANDIDATES} candidates and write of {OUTCOMES:,} outcomes")
    heads = (
        "spec",
        "views",
        "read p50",
        "p90",
        "cpu p50",
        "cpu min",
        "write p50",
        "p90",
        "cpu p50",
        "cpu min",
        "MB",
        "recall",
    )
    for head in heads:
        table.add_column(head, justify="left" if head in ("spec", "views") else "right")
    for speed in found:
        views = "all" if speed.views == ALL else " ".join(speed.views)
        recall = "" if speed.recall is None else f"{speed.recall:.2f}"
        figures = [f"{value:.2f}" for part in (speed.read, speed.write) for value in asdict(part).values()]
        table.add_row(speed.spec, views, *figures, f"{speed.bytes / 1e6:.0f}", recall)
    return table


if __name__ == "__main__":
    typer.run(main)
