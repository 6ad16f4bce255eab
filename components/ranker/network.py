"""The contract of every network: field vectors in, a logit and a hidden layer out.

Shapes: n examples, F fields (keyed ones, a multi-valued field pooled to its mean, then
numeric ones), C key columns, D embedding size, H hidden size.
"""

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import nn


@dataclass(frozen=True, slots=True)
class Inputs:
    """What a network sees of n examples.

    Attributes
    ----------
    vectors : (n, F, D) field vectors.
    first : (n, F) first-order terms.
    columns : (n, C, D) embeddings before pooling; present : (n, C) where a value is known.
    """

    vectors: torch.Tensor
    first: torch.Tensor
    columns: torch.Tensor
    present: torch.Tensor


@dataclass(frozen=True, slots=True)
class Scores:
    """`logit` (n,) and the last hidden layer `hidden` (n, H)."""

    logit: torch.Tensor
    hidden: torch.Tensor


class Network(nn.Module):
    """A ranker's dense part: made of ``(spec, settings)``, defines `forward` and `hidden_size`."""

    hidden_size: int

    def forward(self, inputs: Inputs) -> Scores:
        """Scores of n examples."""
        raise NotImplementedError


class Deep(nn.Module):
    """Fully connected layers with ReLU: (n, I) -> (n, H)."""

    def __init__(self, inputs: int, hidden_sizes: tuple[int, ...], dropout: float) -> None:
        super().__init__()
        sizes = (inputs, *hidden_sizes)
        self.layers = nn.ModuleList([nn.Linear(a, b) for a, b in pairwise(sizes)])
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """(n, H) last layer."""
        for layer in self.layers:
            x = self.dropout(torch.relu(layer(x)))
        return x
