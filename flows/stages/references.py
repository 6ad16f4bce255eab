"""What a window is held against: the champion's training window, and the last one before this.

A turn keeps its own window for those after it (``references/``): how often each value occurs, and some rows drawn of
it. What is missing there, or from before a decision about windows, is counted again in the warehouse.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np

from components.domain import Bools, Doubles, Examples, Ints, Window
from components.drift.drift_frame import DriftFrame
from components.drift.reference import Counts, Reference, most_drawn
from components.drift.reference_file import DrawnRows, Kept, read_reference, write_reference
from components.ranker.features import Encoder
from components.ranker.strides import logits, stretches
from components.serving.served import Ranker, Served
from components.sigmoid import sigmoid
from flows.stages.training_data import STRETCH, TrainingData, read_stretches
from flows.turn import Turn
from warehouse import ledger, set_asides


@dataclass(frozen=True)
class DriftReferences:
    """What a window is compared with: the champion's training window, and the last one, unless it is the same."""

    training: Reference
    last: Reference | None


def read_references(turn: Turn, encoder: Encoder, champion: Served) -> DriftReferences:
    """As they were kept, or counted, and kept, now; what was logged without a score the model scores."""
    window, previous = ledger.generation(turn.warehouse, champion.generation).window, _last_learned(turn)
    training = _reference(turn, encoder, champion.model, window)
    if previous is None or previous.cutoff <= window.cutoff:
        return DriftReferences(training, None)  # trained on the last window: one reference says it all
    return DriftReferences(training, _reference(turn, encoder, champion.model, previous))


def keep_window(turn: Turn, rows: TrainingData, inside: Bools, counts: Counts | None = None) -> None:
    """Keep a turn's own window, the rows `inside`, for those after it; `counts` are of these, if they are at hand."""
    index = np.flatnonzero(inside)
    known = Counts.of(_in_stretches(turn, rows, index)) if counts is None else counts
    chance = _chances(turn, turn.window).random(len(index))
    _keep(turn, _made(turn, turn.window, known, [_drawn(rows, index, chance, turn.settings.drift.sample)]))


def frame_of(turn: Turn, rows: TrainingData, model: Ranker, looked_at: Bools) -> DriftFrame:
    """Some rows as they are looked at, with scores as logged when they were shown, or the model's own."""
    index = np.flatnonzero(looked_at)
    return replace(_in_stretches(turn, rows, index, model), user=rows.user.take(index))


def _in_stretches(turn: Turn, rows: TrainingData, index: Ints, model: Ranker | None = None) -> DriftFrame:
    """The rows at `index`, copied a stretch at a time; without a model nobody scores them."""
    parts = list(stretches(len(index), STRETCH)) or [slice(0, 0)]
    return DriftFrame.concat([_frame(turn, rows.take(index[at]), model) for at in parts])


def _frame(turn: Turn, rows: TrainingData, model: Ranker | None = None) -> DriftFrame:
    amount = None if turn.source.outcome.amounts is None else rows.grade.astype(np.float64)
    spec, examples = turn.source.spec, rows.examples
    if model is None:
        return replace(DriftFrame.of(examples, np.full(len(rows), np.nan), rows.reward, spec), amount=amount)
    logit = _with_the_models(rows.logit, model, examples)
    score = np.where(np.isnan(rows.score), logit, rows.score)
    return replace(DriftFrame.of(examples, sigmoid(score), rows.reward, spec), logit=logit, amount=amount)


def _with_the_models(logged: Doubles, model: Ranker, examples: Examples) -> Doubles:
    """(n,) logits as logged, and where there is none the model's."""
    logit, asked = logged.copy(), np.flatnonzero(np.isnan(logged))
    if len(asked):
        logit[asked] = logits(model.predict, examples, asked)
    return logit


def _reference(turn: Turn, encoder: Encoder, model: Ranker, window: Window) -> Reference:
    found = _read(turn, window)
    if found is None:
        found = _counted(turn, encoder, window)
        _keep(turn, found)
    drawn = found.drawn
    score = sigmoid(_with_the_models(drawn.score, model, drawn.examples))
    return Reference(found.counts, DriftFrame.of(drawn.examples, score, np.full(len(drawn), np.nan), turn.source.spec))


def _counted(turn: Turn, encoder: Encoder, window: Window) -> Kept:
    """Read it: a stretch of its rows at a time, since little is looked at of each."""
    frames, drawn, chances = [], [], _chances(turn, window)
    for rows in read_stretches(turn.warehouse, turn.source, encoder, window):
        frames.append(_frame(turn, rows))
        index = np.arange(len(rows))
        drawn.append(_drawn(rows, index, chances.random(len(rows)), turn.settings.drift.sample))
    return _made(turn, window, Counts.of(DriftFrame.concat(frames)), drawn)


def _chances(turn: Turn, window: Window) -> np.random.Generator:
    """Numbers that the rows of a window draw, one after the other: the same whenever it is read, in whatever parts."""
    return np.random.default_rng([turn.settings.seed, window.cutoff])


def _drawn(rows: TrainingData, index: Ints, chance: Doubles, size: int) -> tuple[Doubles, DrawnRows]:
    """Of the rows at `index` the `size` that drew the smallest numbers, in order, and these."""
    best = np.sort(np.argpartition(chance, size)[:size]) if len(index) > size else np.arange(len(index))
    at = index[best]
    score = np.where(np.isnan(rows.score[at]), rows.logit[at], rows.score[at])
    return chance[best], DrawnRows(rows.examples.take(at), score)


def _made(turn: Turn, window: Window, counts: Counts, parts: Iterable[tuple[Doubles, DrawnRows]]) -> Kept:
    chances, drawn = zip(*parts, strict=True)
    size = turn.settings.drift.sample
    best = np.sort(np.argsort(np.concatenate(chances))[: most_drawn(len(counts), size, ids=bool(counts.ids))])
    examples = Examples.concat([part.examples for part in drawn]).take(best)
    rows = DrawnRows(examples, np.concatenate([part.score for part in drawn])[best])
    return Kept(counts, rows, size, window, len(set_asides.made(turn.warehouse)))


def _read(turn: Turn, window: Window) -> Kept | None:
    """What was kept of a window, if it is still what would be counted."""
    kept = read_reference(turn.workspace.reference(window.cutoff))
    if kept is None or (kept.window, kept.decisions) != (window, len(set_asides.made(turn.warehouse))):
        return None
    return kept if kept.size == turn.settings.drift.sample and _fits(kept, turn) else None


def _fits(kept: Kept, turn: Turn) -> bool:
    spec = turn.source.spec
    named = {field.name for field in (*spec.keyed, *spec.numeric) if field.shares is None}
    return set(kept.counts.missing) == named and kept.drawn.examples.keys.shape[1] == spec.key_columns


def _keep(turn: Turn, kept: Kept) -> None:
    """Write it; what is neither a champion's window nor one of the last two goes."""
    write_reference(turn.workspace.reference(kept.window.cutoff), kept)
    wanted = {kept.window.cutoff, turn.window.cutoff, turn.window.start}
    if turn.champion is not None:
        wanted.add(ledger.generation(turn.warehouse, turn.champion).cutoff)
    if last := _last_learned(turn):
        wanted.add(last.cutoff)
    for path in turn.workspace.references.glob("*"):
        if path.stem not in map(str, wanted):
            path.unlink(missing_ok=True)


def _last_learned(turn: Turn) -> Window | None:
    """The latest window before this one that is not set aside."""
    aside = {made.window for made in set_asides.standing(turn.warehouse) if made.status.aside}
    learned = [w for w in ledger.windows(turn.warehouse, 0, turn.window.cutoff) if w not in aside]
    return learned[-1] if learned else None
