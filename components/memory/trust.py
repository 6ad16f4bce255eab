"""Trust: how much each view's signal is worth, learned online from matured outcomes only.

The compensated logit is a logistic regression of ``[1, logit, signals]`` that starts at the identity, so that a new
memory is exactly the base model; `components.ranker.online_logistic` says how it learns.
"""

from components.ranker.online_logistic import OnlineLogistic


class Trust(OnlineLogistic):
    """Belief about the weights of intercept, base logit and signals."""
