"""The gate's quantity as gains that nothing can push below a bound known beforehand.

`V_t - (1 - margin) V_c` is to be shown above 0. The challenger's part ``W_t r`` cannot be negative. The champion's
part would be ``-(1 - margin) W_c r``, which large weights push down without limit; but ``E[W_c] = 1``, so what the
champion earns is the largest reward R less what it misses, ``V_c = R - E[W_c (R - r)]``, and

``X = sum_l W_t,l r_l + (1 - margin) (W_c,l (R - r_l) - R)``

has ``E[X] = V_t - (1 - margin) V_c`` and ``X >= -(1 - margin) R L`` for a slate of L positions. No weight needs an
upper bound, no propensity a floor, and neither policy a distribution known for what was not shown. Where the logger
never shows what the champion would, ``E[W_c] < 1`` and X errs on the champion's side; for the challenger such mass
counts nothing. Each value alone is IPS: unbiased, without a model, whose correction ``-W q`` no bound could hold. The
variance is that of ``W_t r + W_c (R - r)``: a good one where the champion is, or nearly is, the logger.

Under the slate model ``independent`` the weights are its own, which are not negative and have mean 1, too. Additive
weights can be negative: nothing bounds their gains, and `evaluate` refuses to read them exactly.

Loggers are not balanced: each request counts by its own propensity, so that each has the expectation that a bet needs.
"""

import numpy as np

from components.domain import Doubles
from components.evaluate.by_user import per_user
from components.evaluate.case import Case
from components.evaluate.estimators import Parts
from components.evaluate.exact_sequence import Bounded
from components.evaluate.gate import Kind
from components.evaluate.sequential_test import SequentialTest
from components.evaluate.weights import weights

TINY = 1e-3
"""Share of the largest reward that a bound is at least, where the margin excuses nearly all."""


def gain_for(sequential_test: SequentialTest, case: Case) -> Bounded | None:
    """What a sequential test that is read exactly bets on; None for one that is not.

    Days whose weights are refused count, too: leaving out days by what was drawn would bias the others.
    """
    if sequential_test.reads(case.settings) != "exact":
        return None
    return bounded_gain(case, sequential_test.kind)


def bounded_gain(case: Case, kind: Kind) -> Bounded | None:
    """Gains of the case's users over the floor that `kind` has to clear; None where propensities mean nothing.

    Rewards must lie within the range that was stated beforehand, as `evaluate` checks; without a largest one the
    bound is infinite.
    """
    log = case.challenger.log
    if not ((log.propensity > 0) & (log.propensity <= 1)).all():
        return None
    keep = 1.0 if kind == "change" else 1 - case.settings.margin
    largest = case.bounds.upper / (int(log.position.max()) + 1)
    if np.isinf(largest):
        return Bounded(np.zeros(log.users), np.inf)
    ours = _through(case, case.challenger, case.target)
    theirs = _through(case, case.champion, case.champion_policy)
    gain = log.per_request(ours * log.reward + keep * (theirs * (largest - log.reward) - largest))
    bound = keep * largest * log.positions
    share = np.ones(log.requests) if case.challenger.share is None else case.challenger.share
    least = float(per_user(bound * share, log.cluster).max())
    return Bounded(per_user(gain * share, log.cluster), max(least, TINY * largest))


def _through(case: Case, p: Parts, policy: Doubles | None) -> Doubles:
    """(n,) weights of each decision; what was logged weighs 1."""
    if policy is None or case.weighing.slates is not None:
        return p.weight.through
    return weights(p.log, policy).through
