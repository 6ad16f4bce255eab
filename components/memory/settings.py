"""Settings of the error memory."""

from typing import Literal, TypeAlias

from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt

from components.frozen import Frozen

Interaction: TypeAlias = tuple[str, ...]
"""What an entity is: the fields whose combination it is; a single name is the field itself.

``()`` is everybody; ``#name`` in place of a field is how much experience there is with that
field's id, the number of its outcomes by doublings (0, 1-2, 3-6, 7-14, ...).
"""

ViewName = Literal["outcome", "residual", "counters", "sketch", "neighbours"]


class Entity(Frozen):
    """One kind of entity and what is believed of its effect before any outcome."""

    interaction: Interaction
    prior_sd: PositiveFloat
    """Standard deviation of the effect over entities of this kind, in logits. Small means strong shrinkage."""
    half_life: PositiveFloat
    """Days of event time after which half of what was learned of an entity is forgotten."""


class MemorySettings(Frozen):
    """How the memory learns and forgets.

    Defaults were chosen on the first eight weeks of MovieTweetings and the first four days of
    KuaiRand, never on the stretches that benchmarks report; see docs/LOG.md.
    """

    views: tuple[ViewName, ...] = ("outcome", "residual")
    """Views in use: outcome, residual, counters, sketch, neighbours; see components/memory/views.py."""
    entities: tuple[Entity, ...] | None = None
    """Entities of the outcome and residual views; none: derived from the feature spec."""
    choose: bool = True
    """Whether priming an empty memory chooses the prior standard deviations and the half-life by
    history, where `entities` are derived."""
    interactions: tuple[Interaction, ...] = ()
    """Further combinations to count by, where `entities` are derived; priming may add to them."""
    user_prior_sd: PositiveFloat = 1.0
    """Spread of users' effects where `entities` are derived, logits; chosen by the search in benchmarks/adaptation."""
    item_prior_sd: PositiveFloat = 0.6
    """The same for items."""
    attribute_prior_sd: PositiveFloat = 0.3
    """The same for attributes, context and experience with the user."""
    faint_prior_sd: PositiveFloat = 0.1
    """The same for experience with the item and for the clock, of which little was ever to be learned."""
    interaction_prior_sd: PositiveFloat = 0.3
    """The same for combinations."""
    half_life: PositiveFloat = 300.0
    """Days; half-life where `entities` are derived."""
    residual_prior_scale: PositiveFloat = 0.5
    """Prior standard deviations of the residual view, in units of the outcome view's: the model explained a part."""
    residual_half_life: PositiveFloat = 30.0
    """Days; half-life of the residual view: errors of the model pass sooner than tastes."""
    rebase_keep: float = Field(default=0.5, ge=0.0, le=1.0)
    """Share of a residual effect that is kept when the model was warm-started on the same outcomes."""
    counter_half_life: PositiveFloat = 30.0
    """Days; half-life of the plain counters."""
    counter_shrinkage: PositiveFloat = 1.0
    """Precision of the prior of a plain counter, in outcomes of variance 1."""
    sketch_arrays: PositiveInt = 64
    """K, repetitions of the sketch (Zhu et al. 2023 report 70 and 180 as best; 64 is within noise of them)."""
    sketch_bits: PositiveInt = 8
    """L, hyperplanes per repetition: 2^L buckets."""
    sketch_half_life: PositiveFloat = 30.0
    """Days; the sketch is decayed, not reset."""
    sketch_shrinkage: NonNegativeFloat = 1.0
    """Pseudo-outcomes of error 0 in every bucket."""
    sketch_groups: PositiveInt = 1
    """Groups of the median of means over repetitions; 1 is the plain mean."""
    neighbours: PositiveInt = 50
    """k, nearest outcomes asked for."""
    neighbours_exact: bool = False
    """Search all that is kept: milliseconds per query instead of microseconds at 100,000 kept."""
    neighbours_probes: PositiveInt = 4
    """Lists of the inverted file that are searched: 4 of 1,000 find 91 % of the nearest 50 (docs/LOG.md)."""
    neighbours_kept: PositiveInt = 100_000
    """Outcomes in the ring; the oldest is overwritten."""
    neighbours_ttl: PositiveFloat = 90.0
    """Days after which a kept outcome is no longer asked."""
    neighbours_temperature: PositiveFloat = 0.1
    """tau of the softmax over cosine similarities (Zhu et al. 2023, section 4.3)."""
    trust_precision: PositiveFloat = 10.0
    """Precision of the prior of the trust weights around the identity: outcomes of variance 1 it takes to move them."""
    trust_discount: float = Field(default=0.99, gt=0.0, le=1.0)
    """Share of the evidence about trust kept per 1,000 outcomes."""
    amount_prior_sd: PositiveFloat = 0.7
    """Log units; spread of the amounts of users, items and fields around what is expected of them, where rewards are
    amounts: a typical item earns twice or half of what its fields say. Own choice."""
    amount_half_life: PositiveFloat = 60.0
    """Days; half-life of what was learned of amounts: prices stand for a season."""
    batch: PositiveInt = 512
    """Outcomes per step of a write: trust is learned from the views as they were before the step."""
