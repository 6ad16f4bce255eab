"""What a window is held against: the champion's training window, and the last one before this."""

from dataclasses import dataclass

from components.domain import Window
from flows.stages.results import TurnData
from flows.stages.training_data import TrainingData, read_matured
from flows.turn import Turn
from warehouse import ledger, set_asides


@dataclass(frozen=True)
class DriftReferences:
    """What a window is compared with: the champion's training window, and the last one, unless it is the same."""

    training: TrainingData
    last: TrainingData | None


def read_references(turn: Turn, data: TurnData) -> DriftReferences:
    """Read by who asks and gone with them: they are as large as the window. The last one is part of what is fresh."""
    assert turn.champion is not None, "only a champion has references"
    fresh, window = data.fresh, ledger.generation(turn.warehouse, turn.champion).window
    training = read_matured(turn.warehouse, turn.source, data.encoder, window)
    previous = _last_learned(turn)
    if previous is None or previous.cutoff <= window.cutoff:
        return DriftReferences(training, None)  # trained on the last window: one reference says it all
    at = fresh.matured_at
    return DriftReferences(training, fresh.take((at >= previous.start) & (at < previous.cutoff)))


def _last_learned(turn: Turn) -> Window | None:
    """The latest window before this one that is not set aside."""
    aside = {made.window for made in set_asides.standing(turn.warehouse) if made.status.aside}
    learned = [w for w in ledger.windows(turn.warehouse, 0, turn.window.cutoff) if w not in aside]
    return learned[-1] if learned else None
