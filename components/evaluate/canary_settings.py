"""How a canary is released: whom it serves first, for how long, and what it must show."""

from pydantic import Field

from components.frozen import Frozen


class CanarySettings(Frozen):
    """Settings of a canary release; every share is of users or of the champion's value, every error one-sided."""

    share: float = Field(0.0, ge=0, le=0.5)
    """Share of users, by hash, that a generation which passed the gate serves before all others do; 0: it serves all at
    once. At .1 a canary that earns 3 % less costs 0.3 % of what it is out for."""
    margin: float = Field(0.03, gt=0, le=1)
    """Non-inferiority margin, share of the champion's value on its own users: a canary worse by this much is promoted
    with a probability of at most `error`. Tighter than the gate's, because here nothing is weighted."""
    error: float = Field(0.045, gt=0, lt=0.5)
    """Error of promoting a canary that is worse by the margin, over all looks together: below one in twenty, with room
    for what the normal limit leaves out (`python -m benchmarks.canary`)."""
    last_look_share: float = Field(0.9, gt=0, lt=1)
    """Share of `error` that the look at the end of `days` may spend, at an interval of fixed size, where most canaries
    end that are as good; the rest goes to the looks of the days before, which promote early who is clearly better."""
    harm_error: float = Field(0.01, gt=0, lt=0.5)
    """Error of calling a canary worse, over all looks together, that is as good as the champion."""
    days: float = Field(28.0, gt=0)
    """Days after which it is decided: whole weeks, because week-ends differ. A canary that is not shown to be within
    the margin by then is rolled back; how small a loss its traffic could exclude stands in the reasons."""
    minimum_users: int = Field(200, ge=2)
    """Users with a matured request that each side needs before the first look: the sequence has a normal limit."""
    past_days: float = Field(28.0, ge=0)
    """Days before the canary of which each user's mean is the covariate that differences are adjusted by; 0: none."""
