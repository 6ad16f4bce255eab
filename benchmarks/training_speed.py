"""Training rows per second against a plain sparse torch loop, as the vocabulary grows.

    python -m benchmarks.training_speed [--json] [--sizes 100000 1000000 10000000] [--batches 60]

Both sides train the same DeepFM (17 single-valued fields x 16, the same hidden sizes)
on the same uniformly drawn ids (the worst case for any cache), batch 1,024, in turns within one process. The plain loop
is what a torch user writes: `nn.Embedding(sparse=True)` for vectors and for weights,
`SparseAdam` for them and `Adam` for the rest, rows given as integers. Ours starts one
step earlier, from 64-bit keys, so its figure includes the vocabulary look-up.
"""

import argparse
import json
import sys
import time
from dataclasses import asdict, dataclass

import numpy as np
import torch
from torch import nn

from components.domain import Examples, Matured
from components.feature_spec import FeatureSpec, Field, FieldKind, FieldOf
from components.ranker.model import Model
from components.ranker.network import Deep
from components.ranker.settings import RankerSettings
from components.update.checkpoint import Checkpoint
from components.update.learn import Batch, learn
from components.update.settings import UpdateSettings

FIELDS, BATCH = 17, 1024
SPEC = FeatureSpec(tuple(Field(f"field{i}", FieldKind.ID, FieldOf.CONTEXT) for i in range(FIELDS)))


@dataclass(frozen=True)
class Speed:
    """Median rows per second of both loops at one vocabulary size."""

    vocabulary: int
    plain: float
    ours: float

    @property
    def ratio(self) -> float:
        """How many times faster ours is."""
        return self.ours / self.plain


class PlainDeepFM(nn.Module):
    """The textbook module over sparse embeddings."""

    def __init__(self, rows: int, settings: RankerSettings) -> None:
        super().__init__()
        self.vectors = nn.Embedding(rows, settings.embedding_size, sparse=True)
        self.weights = nn.Embedding(rows, 1, sparse=True)
        self.deep = Deep(FIELDS * settings.embedding_size, settings.hidden_sizes, 0.0)
        self.out = nn.Linear(settings.hidden_sizes[-1], 1)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        """(n,) logits of (n, 17) rows."""
        vectors = self.vectors(rows)
        deep = self.out(self.deep(vectors.flatten(1))).squeeze(1)
        crossed = 0.5 * (vectors.sum(1).square() - vectors.square().sum(1)).sum(1)
        return self.weights(rows).sum((1, 2)) + crossed + deep


class PlainLoop:
    """One sparse torch training loop."""

    def __init__(self, rows: int, settings: RankerSettings) -> None:
        self.model = PlainDeepFM(rows, settings)
        sparse = [self.model.vectors.weight, self.model.weights.weight]
        dense = [*self.model.deep.parameters(), *self.model.out.parameters()]
        self.optimizers = [torch.optim.SparseAdam(sparse), torch.optim.Adam(dense)]
        self.loss = nn.BCEWithLogitsLoss()

    def train(self, rows: torch.Tensor, reward: torch.Tensor) -> None:
        """One pass, batch after batch."""
        for index in torch.arange(len(rows)).split(BATCH):
            for optimizer in self.optimizers:
                optimizer.zero_grad()
            self.loss(self.model(rows[index]), reward[index]).backward()
            for optimizer in self.optimizers:
                optimizer.step()


class OurLoop:
    """The product's own training loop over keys."""

    def __init__(self, ids: np.ndarray, settings: RankerSettings) -> None:
        self.checkpoint = Checkpoint.fresh(Model.fresh(SPEC, settings, 0))
        model = self.checkpoint.model
        padded = np.concatenate([ids, np.zeros(-len(ids) % FIELDS, np.uint64)]).reshape(-1, FIELDS)
        at = np.zeros(len(padded), np.int64)
        model.observe(Examples(padded, np.empty((len(padded), 0), np.float32), at))
        model.turn_over(1, -1, 0)
        self.settings = UpdateSettings(batch_size=BATCH)

    def train(self, data: Matured) -> None:
        """One pass, from keys."""
        learn(self.checkpoint, Batch.of(self.checkpoint.model, data), np.random.default_rng(0), self.settings)


class Pair:
    """Both loops over the same ids."""

    def __init__(self, vocabulary: int, settings: RankerSettings) -> None:
        self.rng = np.random.default_rng(vocabulary)
        self.ids = np.unique(self.rng.integers(1, 2**63, vocabulary, dtype=np.uint64))
        self.rng.shuffle(self.ids)
        self.plain, self.ours = PlainLoop(len(self.ids), settings), OurLoop(self.ids, settings)

    def once(self, batches: int) -> tuple[float, float]:
        """Seconds the plain loop and ours take for the same fresh batches, one after the other."""
        rows = self.rng.integers(0, len(self.ids), (batches * BATCH, FIELDS))
        reward = (self.rng.random(len(rows)) < 0.3).astype(np.float32)
        nothing = np.empty((len(rows), 0), np.float32)
        data = Matured(Examples(self.ids[rows], nothing, np.zeros(len(rows), np.int64)), reward)
        start = time.perf_counter()
        self.plain.train(torch.from_numpy(rows), torch.from_numpy(reward))
        middle = time.perf_counter()
        self.ours.train(data)
        return middle - start, time.perf_counter() - middle


def measure(sizes: list[int], batches: int, repeats: int, settings: RankerSettings) -> list[Speed]:
    """All sizes in turns, so that a busy neighbour slows them alike; the first two rounds warm up."""
    pairs = [Pair(size, settings) for size in sizes]
    taken = np.array([[pair.once(batches) for pair in pairs] for _ in range(repeats + 2)])[2:]
    per_second = batches * BATCH / np.median(taken, 0)  # (sizes, 2)
    return [Speed(size, *map(float, pair)) for size, pair in zip(sizes, per_second, strict=True)]


def main(arguments: list[str] | None = None) -> None:
    """Print a table, or one JSON document."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[100_000, 1_000_000, 10_000_000])
    parser.add_argument("--batches", type=int, default=40)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args(arguments)
    settings = RankerSettings(embedding_size=16)
    torch.set_num_threads(chosen.threads)
    speeds = measure(chosen.sizes, chosen.batches, chosen.repeats, settings)
    flatness = max(s.ours for s in speeds) / min(s.ours for s in speeds)
    if chosen.json:
        rows = [asdict(speed) | {"ratio": speed.ratio} for speed in speeds]
        print(json.dumps({"threads": torch.get_num_threads(), "batch": BATCH, "speeds": rows, "flatness": flatness}))  # noqa: T201
        return
    lines = [
        f"{s.vocabulary:>12,} ids  plain {s.plain:>9,.0f}  ours {s.ours:>9,.0f} rows/s  {s.ratio:.2f}x" for s in speeds
    ]
    sys.stdout.write("\n".join([*lines, f"fastest over slowest size: {flatness:.2f}", ""]))


if __name__ == "__main__":
    main()
