"""Two optimizers in one step: row-wise AdaGrad for the table, Adam for the dense part.

The table's cost follows the rows a batch touches. Each row has one accumulator, so a
fresh row learns at the full rate however old the table is, and an old row slowly.

    s_r <- s_r + mean_d g_rd^2        w_r <- w_r - eta g_r / (sqrt(s_r) + eps)

Duchi, Hazan, Singer 2011 (AdaGrad); row-wise: Gupta et al. 2014, Mudigere et al. 2022
(section 4.1.4). Adam: Kingma, Ba 2015, algorithm 1.
"""

from dataclasses import dataclass

import torch
from torch import nn

from components.domain import Ints

_EPSILON = 1e-8
_BETA1, _BETA2 = 0.9, 0.999


@dataclass(frozen=True, slots=True)
class Rates:
    """Learning rates of the table and of the dense part, and the L2 penalty on touched rows."""

    table: float
    dense: float
    decay: float


class Optimizer:
    """State of both; `accumulator` (rows,), `moments` name -> (first, second), `steps` taken."""

    def __init__(self, dense: nn.Module, rows: int) -> None:
        self.accumulator = torch.zeros(rows)
        self.moments = {n: (torch.zeros_like(p), torch.zeros_like(p)) for n, p in dense.named_parameters()}
        self.steps = 0

    def copy(self) -> "Optimizer":
        """An independent copy."""
        twin = Optimizer(nn.Module(), 0)
        twin.accumulator, twin.steps = self.accumulator.clone(), self.steps
        twin.moments = {n: (a.clone(), b.clone()) for n, (a, b) in self.moments.items()}
        return twin

    def resize(self, rows: int) -> None:
        """At least `rows` accumulators; new ones are 0."""
        if rows > len(self.accumulator):
            self.accumulator = torch.cat([self.accumulator, torch.zeros(rows - len(self.accumulator))])

    def reset(self, rows: Ints) -> None:
        """Forget the history of rows that changed hands."""
        self.accumulator[torch.from_numpy(rows)] = 0.0

    def step_table(self, weight: torch.Tensor, rows: torch.Tensor, gradient: torch.Tensor, rates: Rates) -> None:
        """One step on distinct `rows` (u,) with summed `gradient` (u, D + 1)."""
        old = weight.index_select(0, rows)
        gradient = gradient.add(old, alpha=rates.decay)
        history = self.accumulator.index_select(0, rows) + gradient.square().mean(1)
        self.accumulator.index_copy_(0, rows, history)
        weight.index_copy_(0, rows, old.addcdiv_(gradient, (history.sqrt() + _EPSILON)[:, None], value=-rates.table))

    def step_dense(self, dense: nn.Module, gradients: list[torch.Tensor], rates: Rates) -> None:
        """One Adam step on the dense parameters, in their order."""
        self.steps += 1
        size = rates.dense * (1 - _BETA2**self.steps) ** 0.5 / (1 - _BETA1**self.steps)
        with torch.no_grad():
            for (name, parameter), gradient in zip(dense.named_parameters(), gradients, strict=True):
                first, second = self.moments[name]
                first.lerp_(gradient, 1 - _BETA1)
                second.mul_(_BETA2).addcmul_(gradient, gradient, value=1 - _BETA2)
                parameter.addcdiv_(first, second.sqrt().add_(_EPSILON), value=-size)
