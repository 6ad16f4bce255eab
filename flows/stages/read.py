"""Read: the champion, what matured since it was made, and what is held out of learning before the verdict."""

import numpy as np
import pandas as pd

from components.domain import Bools, Window
from components.evaluate.holdout import held_out
from components.publish.bundle import load_bundle
from components.ranker.features import Encoder
from flows.stages.results import DriftReferences, TurnData
from flows.stages.training_data import TrainingData, read_encoder, read_history, read_matured, read_replayed
from flows.turn import Turn
from warehouse import facts, ledger


def read(turn: Turn) -> TurnData:
    """Read each matured impression once, and the champion's bundle once, for all stages of the turn."""
    w, source = turn.warehouse, turn.source
    champion = None if turn.champion is None else load_bundle(turn.workspace.bundle(turn.champion))
    since = 0 if champion is None else champion.cutoff
    encoder = read_encoder(w, source)
    fresh = read_matured(w, source, encoder, Window(since, turn.window.cutoff))
    held = _held(turn, fresh.frame)
    return TurnData(
        encoder=encoder,
        servable=facts.servable(w, turn.window.cutoff),
        fresh=fresh,
        held=held,
        replayed=None if champion is None else _replayed(turn, encoder, draw_of(turn, since, int((~held).sum()))),
        champion=champion,
        references=None if champion is None else _references(turn, encoder, fresh),
        history=read_history(w, source, turn.window.cutoff),
    )


def _held(turn: Turn, fresh: pd.DataFrame) -> Bools:
    if turn.champion is None:
        return np.zeros(len(fresh), bool)
    chosen = held_out(fresh["user_id"].to_numpy(object), turn.window.cutoff, turn.settings.evaluate.holdout_share)
    return chosen & (fresh["at"].to_numpy() >= turn.window.start)


def draw_of(turn: Turn, since: int, learned: int) -> facts.Draw:
    """What an update replays of the past before `since`, beside `learned` fresh rows."""
    s = turn.settings.update
    rows = min(s.replay_rows, round(s.replay_share * learned))
    return facts.Draw(since, rows, s.replay_half_life_days, turn.seed)


def _replayed(turn: Turn, encoder: Encoder, draw: facts.Draw) -> TrainingData | None:
    return read_replayed(turn.warehouse, turn.source, encoder, draw) if draw.rows else None


def _references(turn: Turn, encoder: Encoder, fresh: TrainingData) -> DriftReferences:
    """The windows after the champion's own are part of what is fresh."""
    assert turn.champion is not None, "only a champion has references"
    window = ledger.generation(turn.warehouse, turn.champion).window
    training = read_matured(turn.warehouse, turn.source, encoder, window)
    previous = ledger.last_window(turn.warehouse, turn.window.cutoff)
    if previous is None or previous.cutoff == window.cutoff:
        return DriftReferences(training, None)  # trained on the last window: one reference says it all
    at = fresh.frame["matured_at"].to_numpy()
    return DriftReferences(training, fresh.take((at >= previous.start) & (at < previous.cutoff)))
