"""The factorisation machine with a logistic output.

Rendle: Factorization Machines, ICDM 2010, equations 1 and 5.

    logit = w0 + sum_i w_i + sum_{i<j} <v_i, v_j>
    sum_{i<j} <v_i, v_j> = 1/2 (|sum_i v_i|^2 - sum_i |v_i|^2)
"""

from typing import Any

import torch
from torch import nn

from components.feature_spec import FeatureSpec
from components.ranker.network import Inputs, Network, Scores
from components.ranker.settings import RankerSettings


class _Pairwise(torch.autograd.Function):
    """Its own gradient, ``d/dv_i = sum_j v_j - v_i``: one pass instead of autograd's four."""

    @staticmethod
    def forward(context: Any, vectors: torch.Tensor) -> torch.Tensor:
        total = vectors.sum(1)  # (n, F, D) -> (n, D)
        context.save_for_backward(vectors, total)
        flat = vectors.flatten(1)
        return 0.5 * (torch.linalg.vecdot(total, total) - torch.linalg.vecdot(flat, flat))  # (n,)

    @staticmethod
    def backward(context: Any, gradient: torch.Tensor) -> torch.Tensor:
        vectors, total = context.saved_tensors
        return (total[:, None] - vectors).mul_(gradient[:, None, None])


def pairwise(vectors: torch.Tensor) -> torch.Tensor:
    """(n,) sum of the inner products of all pairs of the (n, F, D) field vectors.

    >>> pairwise(torch.tensor([[[1.0, 2.0], [3.0, 4.0], [0.0, 1.0]]]))
    tensor([17.])
    """
    return _Pairwise.apply(vectors)


class FM(Network):
    """No deep part; its hidden layer is the sum of the field vectors."""

    def __init__(self, spec: FeatureSpec, settings: RankerSettings) -> None:
        super().__init__()
        self.hidden_size = settings.embedding_size
        self.bias = nn.Parameter(torch.zeros(()))

    def forward(self, inputs: Inputs) -> Scores:
        """Scores of n examples."""
        logit = self.bias + inputs.first.sum(1) + pairwise(inputs.vectors)  # (n,)
        return Scores(logit, inputs.vectors.sum(1))  # (n, F, D) -> (n, D)
