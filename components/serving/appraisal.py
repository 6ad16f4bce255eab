"""What a generation thinks of eligible entries: how likely a reward is, what is expected of it, and what it ranks by.

Decided here for the service, the worlds and the gate alike.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from components.domain import Doubles, Examples, Floats, Prediction
from components.ranker.strides import Predict, stretches
from components.sigmoid import sigmoid


@dataclass(frozen=True, slots=True)
class Appraisal:
    """n entries, appraised.

    Attributes
    ----------
    score : (n,) compensated logits of a reward above 0.
    log_amount : (n,) log of the expected amount given a reward, in the source's unit; None where rewards are yes or no.

    >>> plain, priced = Appraisal(np.array([0.0]), None), Appraisal(np.array([0.0]), np.log([20.0]))
    >>> plain.expected.tolist(), priced.expected.round(6).tolist()
    ([0.5], [10.0])
    """

    score: Doubles | Floats
    log_amount: Doubles | None

    @property
    def preference(self) -> Doubles | Floats:
        """(n,) what the policy ranks by: the score, or the log of the expected amount.

        Both grow by 1 where a rare reward becomes e times as likely, so a temperature means the same for either.
        """
        if self.log_amount is None:
            return self.score
        return np.asarray(self.log_amount - np.logaddexp(0.0, -self.score.astype(np.float64)))

    @property
    def expected(self) -> Doubles:
        """(n,) expected reward in the unit the gate judges: the probability, or probability times amount."""
        if self.log_amount is None:
            return sigmoid(self.score).astype(np.float32).astype(np.float64)
        return np.asarray(np.exp(self.preference))


class Compensates(Protocol):
    """What an appraisal asks a memory."""

    def compensate(self, examples: Examples, prediction: Prediction) -> Floats:
        """(n,) compensated logits."""
        ...

    def log_amount(self, examples: Examples) -> Doubles | None:
        """(n,) log of the expected amount given a reward; None where rewards are yes or no."""
        ...


def appraised(predict: Predict, memory: Compensates, examples: Examples) -> Appraisal:
    """n entries by a model and its memory, a stretch at a time; every entry by itself, in whatever company."""
    parts = [_part(predict, memory, examples.take(at)) for at in stretches(len(examples))]
    if len(parts) == 1:
        return parts[0]
    amounts = [part.log_amount for part in parts if part.log_amount is not None]
    score = np.concatenate([np.empty(0, np.float32), *(part.score for part in parts)])
    return Appraisal(score, np.concatenate(amounts) if amounts else None)


def _part(predict: Predict, memory: Compensates, examples: Examples) -> Appraisal:
    return Appraisal(memory.compensate(examples, predict(examples)), memory.log_amount(examples))
