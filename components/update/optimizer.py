"""Two optimizers in one step: row-wise AdaGrad for the table, Adam for the dense part.

The table's cost follows the rows a batch touches. Each row has one accumulator s_r, kept
in the row itself, so a fresh row learns at the full rate however old the table is, and an
old row slowly (g_r includes the L2 term ``decay * w_r``):

    s_r <- keep s_r + mean_d g_rd^2        w_r <- w_r - eta g_r / sqrt(start + s_r)

Gradients are those of the summed loss, so `start` counts in examples whatever the batch:
it is the prior that stops the first example of an id from moving its row all the way.

Duchi, Hazan, Singer 2011 (AdaGrad); row-wise: Mudigere et al., ISCA 2022, section 4.1.4.
Adam: Kingma, Ba 2015, algorithm 1.
"""

from dataclasses import dataclass

import torch
from torch import nn

_EPSILON = 1e-12
_BETA1, _BETA2 = 0.9, 0.999


@dataclass(frozen=True, slots=True)
class Rates:
    """How fast both parts learn; see `UpdateSettings` for each."""

    table: float
    start: float
    keep: float
    decay: float
    dense: float


def step_rows(old: torch.Tensor, vectors: torch.Tensor, first: torch.Tensor, rates: Rates) -> torch.Tensor:
    """One AdaGrad step on distinct rows; writes into and returns `old`.

    Parameters
    ----------
    old : (u, D + 2) the rows: embedding, first-order weight, history.
    vectors, first : (u, D) and (u,) their summed gradients; overwritten.
    """
    size = old.shape[1] - 2
    if rates.decay:
        vectors.add_(old[:, :size], alpha=rates.decay)
        first.add_(old[:, size], alpha=rates.decay)
    squared = torch.linalg.vecdot(vectors, vectors).addcmul_(first, first)
    history = old[:, -1].mul_(rates.keep).add_(squared, alpha=1 / (size + 1))
    rate = (history + (rates.start + _EPSILON)).rsqrt_().mul_(-rates.table)
    old[:, :size].addcmul_(vectors, rate[:, None])
    old[:, size].addcmul_(first, rate)
    return old


class DenseAdam:
    """Adam over the dense part; `moments` name -> (first, second), `steps` taken."""

    def __init__(self, dense: nn.Module) -> None:
        self.moments = {n: (torch.zeros_like(p), torch.zeros_like(p)) for n, p in dense.named_parameters()}
        self.steps = 0

    def copy(self) -> "DenseAdam":
        """An independent copy."""
        twin = DenseAdam(nn.Module())
        twin.moments = {n: (a.clone(), b.clone()) for n, (a, b) in self.moments.items()}
        twin.steps = self.steps
        return twin

    @torch.no_grad()
    def step(self, dense: nn.Module, gradients: list[torch.Tensor], rate: float) -> None:
        """One step; `gradients` in the order of the parameters."""
        self.steps += 1
        size = rate * (1 - _BETA2**self.steps) ** 0.5 / (1 - _BETA1**self.steps)
        for (name, parameter), gradient in zip(dense.named_parameters(), gradients, strict=True):
            first, second = self.moments[name]
            first.lerp_(gradient, 1 - _BETA1)
            second.mul_(_BETA2).addcmul_(gradient, gradient, value=1 - _BETA2)
            parameter.addcdiv_(first, second.sqrt().add_(_EPSILON), value=-size)
