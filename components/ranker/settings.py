"""Settings of the ranker: the shape of the network and of its embedding table."""

from typing import Literal

from pydantic import Field, PositiveFloat, PositiveInt

from components.frozen import Frozen

Architecture = Literal["auto", "deepfm", "dcnv2", "fm", "din"]
TableKind = Literal["exact", "hashed", "double_hashed"]


class RankerSettings(Frozen):
    """What a model is, fixed at pre-training and carried by every generation after it.

    Changing any of these means a REBUILD: weights of one shape do not fit another.
    """

    architecture: Architecture = "auto"
    """auto: din where the source has the field `recent`, which it needs, deepfm elsewhere. Over eight weeks of
    MovieTweetings din gains half an AUC point on deepfm without the field (docs/LOG.md)."""
    embedding_size: PositiveInt = 16
    """D, numbers per embedding besides the first-order weight (Guo et al. 2017 use 10; multiples of 8 vectorise)."""
    hidden_sizes: tuple[PositiveInt, ...] = (64, 32)
    """Units of the deep part, first to last; the last is the key of the memory's similarity views."""
    cross_layers: PositiveInt = 2
    """Depth of the cross part; dcnv2 only (Wang et al. 2021 find 2 to 3 enough)."""
    dropout: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Share of hidden units dropped while training."""
    table: TableKind = "exact"
    """exact: one growing row per id. hashed, double_hashed: `buckets` rows for ever, ids share them."""
    buckets: PositiveInt = 1 << 16
    """Rows of a hashed table."""
    init_scale: PositiveFloat = 0.02
    """Standard deviation of a fresh embedding; its first-order weight starts at 0."""
