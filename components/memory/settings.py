"""Settings of the error memory."""

from typing import TypeAlias

from pydantic import BaseModel, ConfigDict

Crossing: TypeAlias = tuple[str, ...]
"""Names of the fields whose combination is one entity; a single name is the field itself."""


class MemorySettings(BaseModel):
    """How the memory learns and forgets."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    crossings: tuple[Crossing, ...] | None = None
    """Entities to count by, as combinations of field names; none: every single keyed field."""
    half_life: float = 30.0
    """Days of event time after which evidence counts half."""
    shrinkage: float = 1.0
    """Precision of the prior of an entity's error in logits, in units of outcome variance."""
    trust_precision: float = 10.0
    """Precision of the prior of the trust weights around the identity."""
    trust_discount: float = 0.99
    """Share of the evidence about trust kept per 1,000 outcomes."""
    batch: int = 256
    """Outcomes per step of a write: trust is learned from the views as read before the step."""
