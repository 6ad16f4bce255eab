"""DeepFM: a factorisation machine and a deep network over the same embeddings, added.

Guo, Tang, Ye, Li, He: DeepFM, IJCAI 2017, figure 1.

    logit = w0 + sum_i w_i + sum_{i<j} <v_i, v_j> + a' relu(...relu(A [v_1 ... v_F]))
"""

import torch
from torch import nn

from components.feature_spec import FeatureSpec
from components.ranker.fm import pairwise
from components.ranker.network import Deep, Inputs, Network, Scores
from components.ranker.settings import RankerSettings


class DeepFM(Network):
    """FM part + deep part."""

    def __init__(self, spec: FeatureSpec, settings: RankerSettings) -> None:
        super().__init__()
        self.hidden_size = settings.hidden_sizes[-1]
        self.bias = nn.Parameter(torch.zeros(()))
        self.deep = Deep(len(spec.fields) * settings.embedding_size, settings.hidden_sizes, settings.dropout)
        self.out = nn.Linear(self.hidden_size, 1, bias=False)

    def forward(self, inputs: Inputs) -> Scores:
        """Scores of n examples."""
        fm = self.bias + inputs.first.sum(1) + pairwise(inputs.vectors)  # (n,)
        hidden = self.deep(inputs.vectors.flatten(1))  # (n, F, D) -> (n, F D) -> (n, H)
        return Scores(fm + self.out(hidden).squeeze(1), hidden)
