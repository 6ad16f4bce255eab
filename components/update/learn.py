"""One pass over matured examples: the inner loop of every update.

The network runs under autograd; the table does not. A batch's rows are gathered once,
the gradient of the gathered block is summed per distinct row, and only those rows move.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits, embedding_bag

from components.domain import MISSING_KEY, Floats, Matured
from components.ranker.model import Model
from components.update.checkpoint import Checkpoint
from components.update.optimizer import Rates, step_rows
from components.update.settings import UpdateSettings


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows (b, C), presence (b, C), standardised numbers (b, M), target (b,), and the parent's raw probability (b,)."""

    rows: torch.Tensor
    present: torch.Tensor
    numeric: torch.Tensor
    target: torch.Tensor
    before: torch.Tensor | None

    @classmethod
    def of(cls, model: Model, data: Matured, before: Floats | None = None) -> "Batch":
        """All of `data` as one block, ready to be cut."""
        return cls(
            torch.from_numpy(model.rows(data.examples.keys)),
            torch.from_numpy(data.examples.keys != MISSING_KEY),
            torch.from_numpy(model.scaling.apply(data.examples.numeric)),
            torch.from_numpy(np.ascontiguousarray(model.graded_labels.target(data))),
            None if before is None else torch.from_numpy(before),
        )

    def take(self, index: torch.Tensor) -> "Batch":
        """The examples at `index`."""
        before = None if self.before is None else self.before[index]
        return Batch(self.rows[index], self.present[index], self.numeric[index], self.target[index], before)


def learn(checkpoint: Checkpoint, block: Batch, rng: np.random.Generator, settings: UpdateSettings) -> Floats:
    """One pass over `block` in random order, batch after batch; changes `checkpoint` in place.

    Returns the curve: (batches,) mean training loss per example, in nats, each before its batch was learned.

    On one thread: batches this small lose more in hand-overs than they win (20-fold on a
    busy machine), and sums come out the same whatever the number of cores.
    """
    rates = Rates(
        settings.table_rate, settings.table_start, settings.table_keep, settings.table_decay, settings.dense_rate
    )
    order = torch.from_numpy(rng.permutation(len(block.target)))
    with _one_thread(), torch.random.fork_rng(devices=[]):  # dropout draws from torch's own dice
        torch.manual_seed(int(rng.integers(2**62)))
        checkpoint.model.dense.train()
        batches = order.split(settings.batch_size) if len(order) else ()
        curve = [_step(checkpoint, block.take(index), settings.reloop_alpha, rates) for index in batches]
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


def _step(checkpoint: Checkpoint, batch: Batch, alpha: float, rates: Rates) -> float:
    """Learn one batch; its mean loss before."""
    model, table = checkpoint.model, checkpoint.model.table
    block = table.gather(batch.rows.view(-1))  # (b C, D + 2)
    vectors = block[:, :-2].contiguous().view(*batch.rows.shape, -1).requires_grad_()  # (b, C, D)
    first = block[:, -2].contiguous().view(batch.rows.shape).requires_grad_()  # (b, C)
    scores = model.score(vectors, first, batch.present, batch.numeric)
    loss = loss_of(scores.logit, batch.target, batch.before, alpha)
    leaves = [vectors, first, *model.dense.parameters()]
    gradients = torch.autograd.grad(loss, leaves, allow_unused=True, materialize_grads=True)
    touched = Touched.of(batch.rows.view(-1))
    old = block.index_select(0, touched.example)
    new = step_rows(old, touched.sum(gradients[0].flatten(0, 1)), touched.sum(gradients[1].view(-1, 1))[:, 0], rates)
    table.scatter(touched.rows, new)
    checkpoint.optimizer.step(model.dense, list(gradients[2:]), rates.dense)
    return float(loss.detach()) / len(batch.target)


@dataclass(frozen=True, slots=True)
class Touched:
    """The distinct rows of a batch and where they occur.

    One sort of ``row * 2^k + position`` finds the distinct rows and orders every sum, so
    that a sum is the same on every run.

    Attributes
    ----------
    rows : (u,) distinct rows, ascending, without the missing row.
    position : (p,) where each occurs, row after row; starts : (u,) first entry of each row in it.
    """

    rows: torch.Tensor
    position: torch.Tensor
    starts: torch.Tensor

    @classmethod
    def of(cls, rows: torch.Tensor) -> "Touched":
        """Of (p,) rows."""
        bits = len(rows).bit_length()
        tagged = np.sort((rows.numpy() << bits) | np.arange(len(rows)))
        tagged = tagged[np.searchsorted(tagged, 1 << bits) :]
        ordered = tagged >> bits
        starts = np.flatnonzero(np.diff(ordered, prepend=-1))
        position = tagged & ((1 << bits) - 1)
        return cls(torch.from_numpy(ordered[starts]), torch.from_numpy(position), torch.from_numpy(starts))

    @property
    def example(self) -> torch.Tensor:
        """(u,) one position of each row."""
        return self.position[self.starts]

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """(u, E) sums of (p, E) values over the positions of each row.

        >>> Touched.of(torch.tensor([3, 0, 3, 1])).sum(torch.tensor([[1.0], [2.0], [4.0], [8.0]]))
        tensor([[8.],
                [5.]])
        """
        return embedding_bag(self.position, values, self.starts, mode="sum")


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


def log_loss(model: Model, data: Matured) -> Floats:
    """(n,) log loss of the reward of each example, in nats; no example changes anything."""
    return _cross_entropy(model.predict(data.examples).logit, data.reward)


def training_loss(model: Model, data: Matured) -> Floats:
    """(n,) cross-entropy of the graded target of each example, in nats: what training lowers."""
    return _cross_entropy(model.predict_raw(data.examples).logit, model.graded_labels.target(data))


def _cross_entropy(logit: Floats, target: Floats) -> Floats:
    logit = logit.astype(np.float64)
    return (np.logaddexp(0, logit) - target * logit).astype(np.float32)
