"""What a memory is worth: every outcome is scored before it is learned, by the model alone and with the memory.

Progressive (prequential) validation, Dawid 1984, Journal of the Royal Statistical Society A 147: a step is scored by
what was learned before it, then learned. Not biased: no outcome is scored by a memory that knows it. What is learned
is bit for bit what one call of `ErrorMemory.learn` learns.
"""

from dataclasses import dataclass

import numpy as np

from components.domain import Doubles, Floats, Matured, Prediction
from components.memory.memory import ErrorMemory


@dataclass(frozen=True, slots=True)
class MemoryGain:
    """Mean log loss in nats of `rows` outcomes: of the model `alone`, and `compensated` by the memory."""

    rows: int
    alone: float
    compensated: float

    @property
    def gain(self) -> float:
        """Nats per outcome that the memory saves; below 0 it does harm."""
        return self.alone - self.compensated


def learn_and_score(memory: ErrorMemory, arrived: Matured, prediction: Prediction) -> MemoryGain | None:
    """Let a memory learn n outcomes in order of arrival; what it was worth on them, None for n = 0.

    Parameters
    ----------
    arrived : dated by the arrival of the outcome. prediction : the model's own, for the same n.
    """
    alone, compensated = np.empty(len(arrived)), np.empty(len(arrived))
    for start in range(0, len(arrived), memory.settings.batch):
        at = slice(start, start + memory.settings.batch)
        step, said = arrived.take(at), Prediction(prediction.logit[at], prediction.hidden[at])
        alone[at] = _log_loss(said.logit, step.reward)
        compensated[at] = _log_loss(memory.compensate(step.examples, said), step.reward)
        memory.learn(step.examples, said, step.reward, step.grade)
    return MemoryGain(len(arrived), float(alone.mean()), float(compensated.mean())) if len(arrived) else None


def _log_loss(logit: Floats, reward: Floats) -> Doubles:
    said = logit.astype(np.float64)
    return np.asarray(np.logaddexp(0, said) - reward * said)
