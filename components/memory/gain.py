"""What a memory is worth: every outcome is scored before it is learned, by the model alone and with the memory.

Progressive (prequential) validation, Dawid 1984, Journal of the Royal Statistical Society A 147: a step is scored by
what was learned before it, then learned. Not biased: no outcome is scored by a memory that knows it. What is learned
is bit for bit what one call of `ErrorMemory.learn` learns.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from components.domain import Doubles, Floats, Ints, Matured, Prediction
from components.memory.memory import ErrorMemory
from components.ranker import strides
from components.ranker.strides import Predict, stretches


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


def learn_all(memory: ErrorMemory, arrived: Matured, predict: Predict, rows: Ints | None = None) -> None:
    """Let a memory learn n outcomes in order of arrival, or those at `rows`, as one call of `ErrorMemory.learn` would.

    Predicted a stretch at a time: the hidden states of a whole window would be the largest thing in a turn.

    Parameters
    ----------
    arrived : dated by the arrival of the outcome. predict : the model's own word, made before it knew the outcomes.
    """
    for part, said in _predicted(memory, arrived, predict, rows):
        memory.learn(part.examples, said, part.reward, part.grade)


def learn_and_score(
    memory: ErrorMemory, arrived: Matured, predict: Predict, rows: Ints | None = None
) -> MemoryGain | None:
    """As `learn_all`; what the memory was worth on what it learned, None for n = 0."""
    alone, compensated = [np.empty(0)], [np.empty(0)]
    for part, prediction in _predicted(memory, arrived, predict, rows):
        for at in stretches(len(part), memory.settings.batch):
            step, said = part.take(at), Prediction(prediction.logit[at], prediction.hidden[at])
            alone.append(_log_loss(said.logit, step.reward))
            compensated.append(_log_loss(memory.compensate(step.examples, said), step.reward))
            memory.learn(step.examples, said, step.reward, step.grade)
    before, after = np.concatenate(alone), np.concatenate(compensated)
    return MemoryGain(len(before), float(before.mean()), float(after.mean())) if len(before) else None


def _predicted(
    memory: ErrorMemory, arrived: Matured, predict: Predict, rows: Ints | None
) -> Iterator[tuple[Matured, Prediction]]:
    """Stretches of whole steps of the memory, so that its steps are those of one call."""
    steps = max(strides.AT_ONCE // memory.settings.batch, 1)
    for at in stretches(len(arrived) if rows is None else rows, steps * memory.settings.batch):
        part = arrived.take(at)
        yield part, predict(part.examples)


def _log_loss(logit: Floats, reward: Floats) -> Doubles:
    said = logit.astype(np.float64)
    return np.asarray(np.logaddexp(0, said) - reward * said)
