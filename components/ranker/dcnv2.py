"""DCNv2, parallel form: a cross network and a deep network side by side.

Wang, Shivanna, Cheng, Jain, Lin, Hong, Chi: DCN V2, WWW 2021, figure 1b, equation 1.

    x_{l+1} = x_0 * (W_l x_l + b_l) + x_l            (* elementwise)
    logit   = sum_i w_i + a' [x_L ; relu(...relu(A x_0))]
"""

import torch
from torch import nn

from components.feature_spec import FeatureSpec
from components.ranker.network import Deep, Inputs, Network, Scores
from components.ranker.settings import RankerSettings


class DCNv2(Network):
    """Cross part | deep part."""

    def __init__(self, spec: FeatureSpec, settings: RankerSettings) -> None:
        super().__init__()
        self.hidden_size = settings.hidden_sizes[-1]
        width = len(spec.fields) * settings.embedding_size
        self.cross = nn.ModuleList([nn.Linear(width, width) for _ in range(settings.cross_layers)])
        self.deep = Deep(width, settings.hidden_sizes, settings.dropout)
        self.out = nn.Linear(width + self.hidden_size, 1)

    def forward(self, inputs: Inputs) -> Scores:
        """Scores of n examples."""
        x0 = inputs.vectors.flatten(1)  # (n, F, D) -> (n, F D)
        x = x0
        for layer in self.cross:
            x = x0 * layer(x) + x  # (n, F D)
        hidden = self.deep(x0)  # (n, H)
        both = self.out(torch.cat([x, hidden], 1)).squeeze(1)  # (n, F D + H) -> (n,)
        return Scores(inputs.first.sum(1) + both, hidden)
