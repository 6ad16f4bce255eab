"""One pass over matured examples: the inner loop of every update.

The network runs under autograd; the table does not. A batch's rows are gathered once,
the gradient of the gathered block is summed per distinct row, and only those rows move.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from components.domain import MISSING_KEY, Floats, Ints, Matured
from components.ranker.model import Model
from components.ranker.strides import stretches
from components.update.checkpoint import Checkpoint
from components.update.optimizer import Rates
from components.update.place import HERE, Gradients, Held, Place
from components.update.settings import UpdateSettings
from components.update.touched import Touched

_NOWHERE = torch.empty(0, dtype=torch.int64)


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows (b, C), presence (b, C), standardised numbers (b, M), target (b,), and the parent's raw probability (b,).

    A block that is yet to be cut has rows of 32 bits; a batch of it has what torch looks up by, 64.
    """

    rows: torch.Tensor
    present: torch.Tensor
    numeric: torch.Tensor
    target: torch.Tensor
    before: torch.Tensor | None

    @classmethod
    def of(cls, model: Model, data: Matured, rows: Ints | None = None, parent: Model | None = None) -> "Batch":
        """All of `data`, or what is at `rows`, as one block, to be cut; with what `parent` says if there is any."""
        chosen = list(stretches(len(data) if rows is None else rows)) or [slice(0, 0)]
        return cls.together([cls._part(model, data.take(at), parent) for at in chosen])

    @classmethod
    def together(cls, blocks: "Sequence[Batch]") -> "Batch":
        """One after the other."""
        said = [block.before for block in blocks if block.before is not None]
        return cls(
            torch.cat([block.rows for block in blocks]),
            torch.cat([block.present for block in blocks]),
            torch.cat([block.numeric for block in blocks]),
            torch.cat([block.target for block in blocks]),
            torch.cat(said) if said else None,
        )

    @classmethod
    def shared_out(
        cls, model: Model, data: Matured, place: Place, rows: Ints | None = None, parent: Model | None = None
    ) -> "Batch":
        """As `of`, of which every worker prepares its share."""
        index = np.arange(len(data)) if rows is None else rows
        return cls.of(model, data, index[place.share(len(index))], parent)._together(place)

    def _together(self, place: Place) -> "Batch":
        """What all workers prepared, one after the other; nothing of a parent."""
        rows, present, numeric, target = (
            torch.from_numpy(place.together(part.numpy()))
            for part in (self.rows, self.present, self.numeric, self.target)
        )
        return Batch(rows, present, numeric, target, self.before)

    @classmethod
    def _part(cls, model: Model, data: Matured, parent: Model | None) -> "Batch":
        examples = data.examples
        return cls(
            torch.from_numpy(model.rows(examples.keys).astype(np.int32)),
            torch.from_numpy(examples.keys != MISSING_KEY),
            torch.from_numpy(model.scaling.apply(examples.numeric)),
            torch.from_numpy(np.ascontiguousarray(model.graded_labels.target(data))),
            None if parent is None else torch.from_numpy(parent.predict_raw(examples).probability),
        )

    def take(self, index: torch.Tensor) -> "Batch":
        """The examples at `index`."""
        before = None if self.before is None else self.before[index]
        return Batch(self.rows[index].long(), self.present[index], self.numeric[index], self.target[index], before)


def learn(
    checkpoint: Checkpoint, block: Batch, rng: np.random.Generator, settings: UpdateSettings, place: Place = HERE
) -> Floats:
    """One pass over `block` in random order, batch after batch; changes `checkpoint` in place.

    Returns the curve: (batches,) mean training loss per example, in nats, each before its batch was learned.

    On one thread: batches this small lose more in hand-overs than they win (20-fold on a
    busy machine), and sums come out the same whatever the number of cores.

    Parameters
    ----------
    place : where the table's rows live, and who else learns of this pass.
    """
    rates = Rates(
        settings.table_rate, settings.table_start, settings.table_keep, settings.table_decay, settings.dense_rate
    )
    order = torch.from_numpy(rng.permutation(len(block.target)))
    with _one_thread(), torch.random.fork_rng(devices=[]):  # dropout draws from torch's own dice
        torch.manual_seed(int(rng.integers(2**62)) + place.rank)
        checkpoint.model.dense.train()
        batches = order.split(settings.batch_size) if len(order) else ()
        curve = [_step(checkpoint, block, index, settings.reloop_alpha, rates, place) for index in batches]
        checkpoint.model.dense.eval()
    return np.array(curve, np.float32)


@contextmanager
def _one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _step(checkpoint: Checkpoint, block: Batch, index: torch.Tensor, alpha: float, rates: Rates, place: Place) -> float:
    """Learn the batch at `index`; its mean loss before."""
    model = checkpoint.model
    chunks = [block.take(index[chunk]) for chunk in place.chunks(len(index))]
    held = place.gather(model.table, [chunk.rows.view(-1) for chunk in chunks])
    found = [_gradients(model, chunk, rows, alpha) for chunk, rows in zip(chunks, held.chunks, strict=True)]
    together = found[0] if len(found) == 1 else _one_after_the_other(found, held, model.settings.embedding_size)
    held.step(together, rates)
    loss, *dense = place.added(together, [torch.zeros(()), *model.dense.parameters()])
    checkpoint.optimizer.step(model.dense, dense, rates.dense)
    return float(loss) / len(index)


def _one_after_the_other(found: Sequence[Gradients], held: Held, size: int) -> Gradients:
    starts = accumulate((len(values) for values in held.chunks), initial=0)
    return Gradients(
        torch.cat([_NOWHERE, *(one.at + start for one, start in zip(found, starts, strict=False))]),
        torch.cat([torch.empty(0, size), *(one.vectors for one in found)]),
        torch.cat([torch.empty(0), *(one.first for one in found)]),
        [dense for one in found for dense in one.dense],
    )


def _gradients(model: Model, batch: Batch, held: torch.Tensor, alpha: float) -> Gradients:
    """Of one chunk: `held` (b C, D + 2) is what the table holds for its rows."""
    vectors = held[:, :-2].contiguous().view(*batch.rows.shape, -1).requires_grad_()  # (b, C, D)
    first = held[:, -2].contiguous().view(batch.rows.shape).requires_grad_()  # (b, C)
    scores = model.score(vectors, first, batch.present, batch.numeric)
    loss = loss_of(scores.logit, batch.target, batch.before, alpha)
    leaves = [vectors, first, *model.dense.parameters()]
    of_vectors, of_first, *dense = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
    touched = Touched.of(batch.rows.view(-1))
    return Gradients(
        touched.example,
        touched.sum(of_vectors.flatten(0, 1)),
        touched.sum(of_first.view(-1, 1))[:, 0],
        [[loss.detach(), *dense]],
    )


def loss_of(logit: torch.Tensor, target: torch.Tensor, before: torch.Tensor | None, alpha: float) -> torch.Tensor:
    """Summed log loss of n raw logits, or with the parent's predictions the self-correction loss of ReLoop.

    ``(1 - alpha) BCE + alpha (y max(0, p_last - p) + (1 - y) max(0, p - p_last))``
    (Cai et al., ReLoop, SIGIR 2022, equation 5): the model pays where it errs more than its parent did; y the target.
    """
    entropy = binary_cross_entropy_with_logits(logit, target, reduction="sum")
    if before is None or alpha == 0:
        return entropy
    now = torch.sigmoid(logit)
    worse = target * torch.relu(before - now) + (1 - target) * torch.relu(now - before)
    return (1 - alpha) * entropy + alpha * worse.sum()


def log_loss(model: Model, data: Matured, rows: Ints | None = None, place: Place = HERE) -> Floats:
    """(n,) log loss of the reward of each example, or of those at `rows`, in nats; no example changes anything."""
    said = place.logits(model, data.examples, rows)
    return _cross_entropy(said, data.reward if rows is None else data.reward[rows])


def training_loss(model: Model, data: Matured, place: Place = HERE) -> Floats:
    """(n,) cross-entropy of the graded target of each example, in nats: what training lowers."""
    return _cross_entropy(place.logits(model, data.examples, raw=True), model.graded_labels.target(data))


def _cross_entropy(logit: Floats, target: Floats) -> Floats:
    logit = logit.astype(np.float64)
    return (np.logaddexp(0, logit) - target * logit).astype(np.float32)
