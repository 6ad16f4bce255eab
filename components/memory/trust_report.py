"""What a memory trusts, for reports."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TrustWeight:
    """Weight of one input of the compensated logit, with its standard error."""

    signal: str
    weight: float
    error: float


@dataclass(frozen=True, slots=True)
class TrustReport:
    """What the memory trusts: intercept, base logit, then one weight per signal; after `outcomes` outcomes."""

    outcomes: int
    weights: tuple[TrustWeight, ...]
