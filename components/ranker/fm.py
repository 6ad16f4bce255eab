"""The factorisation machine with a logistic output.

Rendle: Factorization Machines, ICDM 2010, equations 1 and 5.

    logit = w0 + sum_i w_i + sum_{i<j} <v_i, v_j>
    sum_{i<j} <v_i, v_j> = 1/2 (|sum_i v_i|^2 - sum_i |v_i|^2)
"""

import torch
from torch import nn

from components.ranker.network import Inputs, Network, Scores
from components.ranker.settings import RankerSettings


def pairwise(vectors: torch.Tensor) -> torch.Tensor:
    """(n,) sum of the inner products of all pairs of the (n, F, D) field vectors.

    >>> pairwise(torch.tensor([[[1.0, 2.0], [3.0, 4.0], [0.0, 1.0]]]))
    tensor([17.])
    """
    return 0.5 * (vectors.sum(1).square().sum(1) - vectors.square().sum((1, 2)))


class FM(Network):
    """No deep part; its hidden layer is the sum of the field vectors."""

    def __init__(self, fields: int, settings: RankerSettings) -> None:
        super().__init__()
        self.hidden_size = settings.embedding_size
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, inputs: Inputs) -> Scores:
        """Scores of n examples."""
        logit = self.bias + inputs.first.sum(1) + pairwise(inputs.vectors)  # (n,)
        return Scores(logit, inputs.vectors.sum(1))  # (n, F, D) -> (n, D)
