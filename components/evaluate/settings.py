"""What the evaluation may decide by: margins, levels and the limits of every diagnostic."""

from typing import Literal

from pydantic import Field

from components.frozen import Frozen

Sequence = Literal["asymptotic", "exact"]
SlateModel = Literal["cascade", "independent", "additive"]


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
    """Error of every two-sided interval that is shown: 0.05 shows 95 % intervals. The gate promotes by one end, and
    what it promises is one-sided: against one champion, challengers of which none is good enough are released with
    a probability of at most alpha / 2, over all days, looks and kinds of challenge together (0.025, the convention
    of ICH E9, section 5.5)."""
    sequence: Sequence = "asymptotic"
    """What is read on days on hold. "asymptotic" keeps its promise in the limit of many users and is read from 200 on;
    "exact" keeps it at any number, whatever the weights, for rewards within their stated range, and needs 1 to 4 times
    the requests (docs/decisions/0009-one-sided-and-exact-sequences.md). A test that has
    begun keeps the sequence that it began with: two of them over the same days would have two errors."""
    slate_model: SlateModel = "cascade"
    """What the gate assumes of a user who sees a slate. "cascade": a position's reward depends on its item and those
    above; it asks least, and on long slates its weights are the heaviest. "independent": on its own item alone.
    "additive": the slate's reward is a sum of effects of its items at their positions. A wrong assumption is a bias
    that no interval shows, so reasons and page name the model. A test that has begun keeps its model."""
    first_look_share: float = Field(0.8, gt=0, lt=1)
    """Share of the gate's error that goes to who is asked first against a champion: a routine update spends it on its
    first day, where most tests end; half of the rest goes to all later days of updates together, half to those of
    changes. At 0.8 the first interval is 5 % wider than with all of the error, and the sequence after it 24 % wider;
    at 0.5 14 % and 15 %."""
    power: float = Field(0.8, gt=0, lt=1)
    """Power at which the smallest detectable difference is stated (convention of clinical trials)."""
    holdout_share: float = Field(0.3, gt=0, le=1)
    """Share of requests, by hash of the user, that a challenger may not learn from before its verdict."""
    max_requests: int = Field(200_000, ge=1)
    """Held-out requests that one turn judges at most, drawn by hash where there are more; the rest is learned all the
    same. 200,000 requests of 15,019 users could have shown a gain of .0012 in a made shop, and took 12 s to judge
    (``python -m benchmarks.scale``)."""
    wait_days: float = Field(7.0, ge=0)
    """Days beyond the attribution window that a held-out request waits for the rest of its slate. After them it is
    learned unjudged and counted: a position whose outcome never comes must not keep the others for ever."""
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
    audit_alpha: float = Field(0.001, gt=0, lt=1)
    """Share of sound logs whose propensities the audit may refuse, all its cells together."""
    pareto_k: float = Field(0.7, gt=0)
    """Tail index of the weights above which sums do not settle (Vehtari et al. 2024, PSIS)."""
    unsupported_mass: float = Field(0.05, ge=0, le=1)
    """Largest share of the target's probability on entries the logger never showed."""
    bootstrap_resamples: int = Field(1000, ge=0)
    """Resamples of the by-user bootstrap that stands beside the gate's interval as a second opinion; 0 leaves it out.
    With 1,000 its ends repeat to a twentieth of the width; 1e6 requests take a tenth of a second."""
    decay_half_life: float | None = Field(None, gt=0)
    """Days after which a decision counts half; None counts all alike."""

    @property
    def gate_error(self) -> float:
        """One-sided error of the gate against one champion."""
        return self.alpha / 2
