"""DIN: what of the user's recent past matters for this very item?

Zhou et al.: Deep Interest Network, KDD 2018, figure 2 (right) and equation 3.

    a_j      = attention([e_j ; v ; e_j - v ; e_j * v])          (v the item, e_j a recent one)
    interest = sum_j a_j e_j                                       (no softmax: strength counts)
    logit    = sum_i w_i + b' relu(...relu(B [v_1 ... v_F ; interest]))
"""

import torch
from torch import nn

from components.domain import ContractBroken
from components.feature_spec import FeatureSpec
from components.ranker.features import RECENT
from components.ranker.network import Deep, Inputs, Network, Scores
from components.ranker.settings import RankerSettings


class DIN(Network):
    """Attention over the columns of the multi-valued field `recent`, whose ids are items."""

    def __init__(self, spec: FeatureSpec, settings: RankerSettings) -> None:
        super().__init__()
        if RECENT not in spec.columns:
            raise ContractBroken(
                f"architecture din got the fields {list(spec.columns)}; it needs a multi-valued field "
                f"named {RECENT} that shares the vocabulary of item; see docs/sources.md"
            )
        self.hidden_size = settings.hidden_sizes[-1]
        self.history = spec.columns[RECENT]
        size = settings.embedding_size
        self.attention = nn.Sequential(nn.Linear(4 * size, 16), nn.Sigmoid(), nn.Linear(16, 1))
        self.deep = Deep((len(spec.fields) + 1) * size, settings.hidden_sizes, settings.dropout)
        self.out = nn.Linear(self.hidden_size, 1)

    def forward(self, inputs: Inputs) -> Scores:
        """Scores of n examples."""
        recent = inputs.columns[:, self.history]  # (n, W, D)
        item = inputs.vectors[:, 1:2].expand_as(recent)  # (n, D) -> (n, W, D)
        pair = torch.cat([recent, item, recent - item, recent * item], 2)  # (n, W, 4 D)
        weight = self.attention(pair) * inputs.present[:, self.history, None]  # (n, W, 1)
        interest = (weight * recent).sum(1)  # (n, W, D) -> (n, D)
        hidden = self.deep(torch.cat([inputs.vectors.flatten(1), interest], 1))  # (n, (F + 1) D) -> (n, H)
        return Scores(inputs.first.sum(1) + self.out(hidden).squeeze(1), hidden)
