"""The paired difference once more, by an interval that knows no formula: users drawn again, with their requests.

Told beside the gate's interval, never read by it: where the two disagree by much, the sample is too small or too uneven
for either, and a person should know.
"""

import numpy as np

from components.evaluate.by_user import per_user
from components.evaluate.case import Case
from components.evaluate.estimate import Estimate
from components.evaluate.estimators import Terms
from components.evaluate.intervals import bootstrap_interval

SEED = 20_261_124
"""Of the resampling: the same log gives the same page."""
GROUPS = 1000
"""Groups that many users fall into (`bootstrap_interval`): beyond a thousand the sum of each is near normal."""


def second_opinion(case: Case, terms: Terms) -> Estimate | None:
    """The difference `terms` with its by-user Poisson bootstrap; None where the settings ask for no resamples.

    Sums of the terms and of the requests are drawn together, so that a user's number of requests counts as
    random, too.
    """
    resamples = case.settings.bootstrap_resamples
    if resamples == 0 or not np.ptp(terms.each) > 0:
        return None
    sums, requests = per_user(terms.each, terms.cluster), per_user(np.ones(len(terms.each)), terms.cluster)
    found = bootstrap_interval(
        sums, requests, case.settings.alpha, np.random.default_rng(SEED), resamples=resamples, groups=GROUPS
    )
    return Estimate(terms.name, terms.value, found.lower, found.upper, terms.ess, found.kind)
