"""What a window is held against: the champion's training window, and the last one before this.

A turn reads their rows, because it compares fields. A refresh compares counts alone, which the turns before it have
kept (``references/``): what is missing there, or from before a decision about windows, is counted again.
"""

from dataclasses import dataclass, replace

import numpy as np

from components.domain import Bools, Window
from components.drift.drift_frame import DriftFrame, sample_rows
from components.drift.reference import MOST_VALUES, Reference
from components.drift.reference_file import Kept, read_reference, write_reference
from components.ranker.features import Encoder
from components.ranker.strides import logits, stretches
from components.serving.served import Ranker, Served
from components.sigmoid import sigmoid
from flows.stages.results import TurnData
from flows.stages.training_data import STRETCH, TrainingData, read_stretches
from flows.turn import Turn
from warehouse import ledger, set_asides

SCORED = 20_000
"""Rows of a stretch of a kept reference that are scored where the log has no scores: a spread to two digits."""


@dataclass(frozen=True)
class DriftReferences:
    """What a window is compared with: the champion's training window, and the last one, unless it is the same."""

    training: DriftFrame
    last: DriftFrame | None


@dataclass(frozen=True)
class UsualFigures:
    """The same in figures."""

    training: Reference
    last: Reference | None


def read_references(turn: Turn, data: TurnData, champion: Served) -> DriftReferences:
    """The training window is read for this; the last one is part of what is fresh."""
    window, previous = ledger.generation(turn.warehouse, champion.generation).window, _last_learned(turn)
    training = _read_frame(turn, data.encoder, champion.model, window)
    if previous is None or previous.cutoff <= window.cutoff:
        return DriftReferences(training, None)  # trained on the last window: one reference says it all
    at = data.fresh.matured_at
    return DriftReferences(
        training, frame_of(turn, data.fresh, champion.model, (at >= previous.start) & (at < previous.cutoff))
    )


def usual_figures(turn: Turn, encoder: Encoder, champion: Served) -> UsualFigures:
    """The references of an open window in figures: as they were kept, or counted, and kept, now."""
    window, previous = ledger.generation(turn.warehouse, champion.generation).window, _last_learned(turn)
    training = _figures(turn, encoder, champion, window)
    if previous is None or previous.cutoff <= window.cutoff:
        return UsualFigures(training, None)
    return UsualFigures(training, _figures(turn, encoder, champion, previous))


def keep_window(turn: Turn, frame: DriftFrame) -> None:
    """Keep a turn's own window for the refreshes after it: the last one then, or what their champion learned."""
    _keep(turn, turn.window, Reference.of(frame, MOST_VALUES))


def keep_training(turn: Turn, champion: Served, frame: DriftFrame) -> None:
    """Keep what the champion learned, unless it is there: the first generation's window was held against nothing."""
    window = ledger.generation(turn.warehouse, champion.generation).window
    if _kept(turn, window) is None:
        _keep(turn, window, Reference.of(frame, MOST_VALUES))


def frame_of(turn: Turn, data: TrainingData, model: Ranker, rows: Bools) -> DriftFrame:
    """Some rows as they are looked at, with scores as logged when they were shown, or the model's own."""
    index = np.flatnonzero(rows)
    parts = list(stretches(len(index), STRETCH)) or [slice(0, 0)]
    frame = DriftFrame.concat([_frame(turn, data.take(index[at]), model) for at in parts])
    return replace(frame, user=data.user.take(index))


def _read_frame(turn: Turn, encoder: Encoder, model: Ranker, window: Window, scored: int | None = None) -> DriftFrame:
    """A window as a reference: a stretch of its rows at a time, since little is looked at of each.

    Parameters
    ----------
    scored : rows of a stretch that the model is asked about at most; the rest then has no score.
    """
    read = read_stretches(turn.warehouse, turn.source, encoder, window)
    return DriftFrame.concat([replace(_frame(turn, rows, model, scored), logit=None) for rows in read])


def _frame(turn: Turn, data: TrainingData, model: Ranker, scored: int | None = None) -> DriftFrame:
    logit = data.logit.copy()
    asked = np.flatnonzero(np.isnan(logit))
    if scored is not None:
        asked = asked[sample_rows(len(asked), scored, turn.seed)]
    if len(asked):
        logit[asked] = logits(model.predict, data.examples, asked)
    score = np.where(np.isnan(data.score), logit, data.score)
    amount = None if turn.source.outcome.amounts is None else data.grade.astype(np.float64)
    frame = DriftFrame.of(data.examples, sigmoid(score), data.reward, turn.source.spec)
    return replace(frame, logit=logit, amount=amount)


def _figures(turn: Turn, encoder: Encoder, champion: Served, window: Window) -> Reference:
    """As kept; its scores are of who was champion then: a spread is read off them, and only its collapse counts."""
    kept = _kept(turn, window)
    if kept is not None:
        return kept
    counted = Reference.of(_read_frame(turn, encoder, champion.model, window, SCORED), MOST_VALUES)
    _keep(turn, window, counted)
    return counted


def _kept(turn: Turn, window: Window) -> Reference | None:
    """What was kept of a window, if it is still what would be counted."""
    kept, decisions = read_reference(turn.workspace.reference(window.cutoff)), len(set_asides.made(turn.warehouse))
    if kept is None or (kept.window, kept.decisions) != (window, decisions) or not _fits(kept.reference, turn):
        return None
    return kept.reference


def _fits(reference: Reference, turn: Turn) -> bool:
    spec = turn.source.spec
    return set(reference.missing) == {field.name for field in (*spec.keyed, *spec.numeric) if field.shares is None}


def _keep(turn: Turn, window: Window, reference: Reference) -> None:
    """Write it; what is neither a champion's window nor one of the last two goes."""
    write_reference(
        turn.workspace.reference(window.cutoff), Kept(reference, window, len(set_asides.made(turn.warehouse)))
    )
    wanted = {window.cutoff, turn.window.cutoff, turn.window.start}
    if turn.champion is not None:
        wanted.add(ledger.generation(turn.warehouse, turn.champion).cutoff)
    if last := _last_learned(turn):
        wanted.add(last.cutoff)
    for path in turn.workspace.references.glob("*.parquet"):
        if path.stem not in map(str, wanted):
            path.unlink(missing_ok=True)


def _last_learned(turn: Turn) -> Window | None:
    """The latest window before this one that is not set aside."""
    aside = {made.window for made in set_asides.standing(turn.warehouse) if made.status.aside}
    learned = [w for w in ledger.windows(turn.warehouse, 0, turn.window.cutoff) if w not in aside]
    return learned[-1] if learned else None
