"""What the evaluation may decide by: margins, levels and the limits of every diagnostic."""

from pydantic import Field

from components.frozen import Frozen


class EvaluateSettings(Frozen):
    """Settings of the stage Evaluate; every share is in [0, 1], every probability has no unit."""

    margin: float = Field(0.05, ge=0, le=1)
    """Non-inferiority margin, share of the champion's value. A week of 200 held-out requests resolves
    differences of .010 to .035 (measured on MovieTweetings, values near .55): 5 % lets most healthy weeks
    through and still holds a release that would cost every twentieth reward."""
    creep_budget: float = Field(0.1, ge=0, le=1)
    """Share of the anchor's value that all releases since it may lose together, as far as their tests leave it
    possible: two whole margins. Where less is left, the margin shrinks with it
    (docs/decisions/0010-a-budget-for-creep.md)."""
    anchor_releases: int = Field(20, ge=1)
    """Releases among which the anchor is the best by lower bounds: beyond some months an old model says little."""
    alpha: float = Field(0.05, gt=0, lt=0.5)
    """Error of the two-sided intervals; the gate reads one end, so it errs with half of it."""
    first_look_share: float = Field(0.8, gt=0, lt=1)
    """Share of alpha spent on a routine update's first day, the rest on all later days together. At 0.8 the first
    interval is 5 % wider than with all of alpha, and the sequence after it 17 % wider; at 0.5 14 % and 8 %. Most
    lines end on their first day (docs/decisions/0007-the-gate-across-days.md)."""
    power: float = Field(0.8, gt=0, lt=1)
    """Power at which the smallest detectable difference is stated (convention of clinical trials)."""
    holdout_share: float = Field(0.3, gt=0, le=1)
    """Share of requests, by hash of the user, that a challenger may not learn from before its verdict."""
    minimum_users: int = Field(50, ge=2)
    """Users below which no normal approximation of a mean is trusted: requests of one user are one observation."""
    minimum_ess: float = Field(50.0, gt=0)
    """Smallest effective sample size (sum w)^2 / sum w^2, in users, w summed over a user's requests (Kish 1965)."""
    largest_weight_share: float = Field(0.1, gt=0, le=1)
    """Largest share of the total weight that one user may hold."""
    mean_weight_z: float = Field(4.0, gt=0)
    """Standard errors by which the mean weight may miss 1: 4 errs once in 16,000 sound logs."""
    mean_weight_tolerance: float = Field(0.02, ge=0)
    """Distance of the mean weight from 1 that is ignored however significant it is (rounded propensities)."""
    pareto_k: float = Field(0.7, gt=0)
    """Tail index of the weights above which sums do not settle (Vehtari et al. 2024, PSIS)."""
    unsupported_mass: float = Field(0.05, ge=0, le=1)
    """Largest share of the target's probability on entries the logger never showed."""
    decay_half_life: float | None = Field(None, gt=0)
    """Days after which a decision counts half; None counts all alike."""
