"""One pass over matured examples: the inner loop of every update.

The network runs under autograd; the table does not. A batch's rows are gathered once,
the gradient of the gathered block is summed per distinct row, and only those rows move.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits

from components.domain import MISSING_KEY, Floats, Ints, Matured
from components.ranker.model import Model
from components.update.checkpoint import Checkpoint
from components.update.optimizer import Rates
from components.update.settings import UpdateSettings


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows (b, C), presence (b, C), standardised numbers (b, M), reward (b,), and the parent's probability (b,)."""

    rows: torch.Tensor
    present: torch.Tensor
    numeric: torch.Tensor
    reward: torch.Tensor
    before: torch.Tensor | None

    @classmethod
    def of(cls, model: Model, data: Matured, before: Floats | None = None) -> "Batch":
        """All of `data` as one block, ready to be cut."""
        return cls(
            torch.from_numpy(model.rows(data.examples.keys)),
            torch.from_numpy(data.examples.keys != MISSING_KEY),
            torch.from_numpy(model.scaling.apply(data.examples.numeric)),
            torch.from_numpy(np.ascontiguousarray(data.reward)),
            None if before is None else torch.from_numpy(before),
        )

    def take(self, index: torch.Tensor) -> "Batch":
        """The examples at `index`."""
        before = None if self.before is None else self.before[index]
        return Batch(self.rows[index], self.present[index], self.numeric[index], self.reward[index], before)


def learn(checkpoint: Checkpoint, block: Batch, order: Ints, settings: UpdateSettings) -> None:
    """Learn the examples of `block` in `order`, batch after batch; changes `checkpoint` in place."""
    rates = Rates(settings.table_rate, settings.dense_rate, settings.table_decay)
    checkpoint.model.dense.train()
    for index in torch.from_numpy(order).split(settings.batch_size):
        _step(checkpoint, block.take(index), settings.reloop_alpha, rates)
    checkpoint.model.dense.eval()


def _step(checkpoint: Checkpoint, batch: Batch, alpha: float, rates: Rates) -> None:
    model, optimizer = checkpoint.model, checkpoint.optimizer
    weight = model.table.weight
    embedded = weight.index_select(0, batch.rows.view(-1)).requires_grad_()  # (b C, D + 1)
    scores = model.score(embedded.view(*batch.rows.shape, -1), batch.present, batch.numeric)
    parameters = list(model.dense.parameters())
    loss = loss_of(scores.logit, batch.reward, batch.before, alpha)
    gradients = torch.autograd.grad(loss, [embedded, *parameters], allow_unused=True, materialize_grads=True)
    rows, inverse = torch.unique(batch.rows, return_inverse=True)
    summed = torch.zeros(len(rows), weight.shape[1]).index_add_(0, inverse.view(-1), gradients[0])
    if rows[0] == 0:
        rows, summed = rows[1:], summed[1:]
    optimizer.step_table(weight, rows, summed, rates)
    optimizer.step_dense(model.dense, list(gradients[1:]), rates)


def loss_of(logit: torch.Tensor, reward: torch.Tensor, before: torch.Tensor | None, alpha: float) -> torch.Tensor:
    """Mean log loss, or with the parent's predictions the self-correction loss of ReLoop.

    ``(1 - alpha) BCE + alpha (y max(0, p_last - p) + (1 - y) max(0, p - p_last))``
    (Cai et al., ReLoop, SIGIR 2022, equation 5): the model pays where it errs more than its parent did.
    """
    entropy = binary_cross_entropy_with_logits(logit, reward)
    if before is None or alpha == 0:
        return entropy
    now = torch.sigmoid(logit)
    worse = reward * torch.relu(before - now) + (1 - reward) * torch.relu(now - before)
    return (1 - alpha) * entropy + alpha * worse.mean()


def log_loss(model: Model, data: Matured) -> Floats:
    """(n,) log loss of each example, in nats; no example changes anything."""
    logit = model.predict(data.examples).logit.astype(np.float64)
    return (np.logaddexp(0, logit) - data.reward * logit).astype(np.float32)
