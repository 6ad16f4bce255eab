"""Settings of the policy: how much it explores."""

from pydantic import Field

from components.frozen import Frozen


class PolicySettings(Frozen):
    """How much the policy explores."""

    temperature: float = Field(default=0.5, gt=0, allow_inf_nan=False)
    """In logits. At 0.5 a lead of one logit makes an item exp(2) = 7.4 times as likely as its
    rival: the order is followed, and rivals within half a logit, about the error of a young
    model, are still tried."""

    epsilon: float = Field(default=0.1, ge=0, le=1, allow_inf_nan=False)
    """Share of every position that is drawn uniformly. Bounds the importance weight of any
    target policy by |R| / epsilon (40 for four eligible items), at a price of at most
    epsilon times the distance between the best and the random slate."""

    def widened(self, factor: float) -> "PolicySettings":
        """Settings that explore `factor` times as much: both temperature and floor, the floor at most 0.5.

        >>> PolicySettings(temperature=0.5, epsilon=0.1).widened(2.0)
        PolicySettings(temperature=1.0, epsilon=0.2)
        """
        if not factor >= 1:
            raise ValueError(f"exploration factor is {factor}; allowed is 1 or more")
        epsilon = max(self.epsilon, min(0.5, self.epsilon * factor))
        return PolicySettings(temperature=self.temperature * factor, epsilon=epsilon)
