"""Settings of the update stage: how generation g becomes g + 1."""

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from components.frozen import Frozen


class UpdateSettings(Frozen):
    """How a model learns and forgets; may change from one generation to the next."""

    batch_size: PositiveInt = 128
    """Examples per step (64 to 256 were alike on the tuning stretch, docs/LOG.md)."""
    epochs: PositiveInt = 1
    """Passes over a warm start's rows; a second one spoils the ids it has memorised (-.8 AUC points measured)."""
    max_epochs: PositiveInt = 20
    """Most passes at pre-training; early stopping decides."""
    patience: PositiveInt = 3
    """Pre-training stops after so many passes without a better held-out log loss."""
    renew_table: bool = True
    """Pre-training starts every pass with a fresh table and keeps the dense part (Fan et al. 2023)."""
    table_rate: PositiveFloat = 0.03
    """Learning rate of the table (row-wise AdaGrad: a row's own rate decays with its own gradients). Denser logs
    like less (KuaiRand .02), sparser ones more (MovieTweetings .05); .03 loses little on either."""
    table_start: NonNegativeFloat = 0.01
    """History a fresh row starts with, in mean squared gradients (one example adds about 0.01): larger is slower."""
    table_keep: float = Field(default=0.999, gt=0.0, le=1.0)
    """Share of its history a row keeps per step; below 1 an old row never stops learning."""
    dense_rate: PositiveFloat = 0.0005
    """Learning rate of the network (Adam)."""
    table_decay: NonNegativeFloat = 0.01
    """L2 penalty on the rows a batch touches."""
    replay_share: float = Field(default=0.1, ge=0.0, le=1.0)
    """Replayed rows of a warm start, as a share of its fresh rows. 0.1 is neutral, 1.0 costs half an AUC point."""
    replay_half_life_days: PositiveFloat = 60.0
    """Age at which a past row is half as likely to be kept for replay."""
    replay_rows: NonNegativeInt = 20_000
    """Capacity of the replay buffer."""
    holdout_share: float = Field(default=0.1, ge=0.0, le=0.5)
    """Share of the rows on which the convergence guard is measured; learned after it has passed."""
    guard_tolerance: PositiveFloat = 0.02
    """Log loss (nats) by which the held-out slice may get worse before the challenger is discarded."""
    admission_count: PositiveInt = 1
    """Appearances before an id gets a row of its own; before, it reads the out-of-vocabulary row."""
    ttl_days: PositiveFloat = 365.0
    """Days of data time without an appearance after which an id's row is freed."""
    floor_rows: NonNegativeInt = 1_000
    """Ids that are kept whatever their age: an empty table after a pause would be worse than a stale one."""
    reloop_alpha: float = Field(default=0.0, ge=0.0, le=1.0)
    """Weight of the self-correction loss against the parent's predictions (Cai et al., SIGIR 2022); 0 is off."""
