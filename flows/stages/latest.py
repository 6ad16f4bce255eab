"""What a refresh looks at, reads and learns: what came since the memory that it goes on from, and a little before.

An open window may be a day long, and refreshes are minutes apart. So a refresh goes on from the latest snapshot, be it
of a turn or of a refresh, and what the one before it has looked at is not looked at again. Its memory has learned the
same outcomes as one that learned the window at once, and is not the same to the bit: trust is learned in steps of
`memory.batch` rows, and a step ends where a refresh ended. A turn begins where its window began, whatever refreshes
came in between: what arrives here too late is learned there.
"""

from dataclasses import replace

import numpy as np

from components.domain import Window
from components.ranker.features import Encoder
from flows.stages.forget import released
from flows.stages.memory import as_of, keep, learn_and_keep, learned
from flows.stages.read import read_fresh
from flows.stages.results import Latest, Remembered
from flows.stages.training_data import maturing, read_encoder, read_history, read_matured
from flows.turn import Turn
from warehouse import facts, ledger, set_asides

LOOKED_AT = 1_000
"""Impressions, the latest of the open window, that are looked at in any case: few rows tell a fault from nothing."""


def lately(turn: Turn) -> Turn:
    """The end of an open window that no refresh has looked at, as a turn of its own; all of it where none has."""
    assert turn.champion is not None, "only a champion's memory is refreshed"
    kept = ledger.last_memory(turn.warehouse, turn.champion, _reach(turn))
    if kept is None or kept.cutoff <= turn.window.start:
        return turn
    since = facts.look_back(turn.warehouse, turn.window, kept.cutoff, LOOKED_AT, maturing(turn.source))
    return replace(turn, window=Window(min(since, turn.window.cutoff - 1), turn.window.cutoff))


def read_latest(turn: Turn, since: int) -> Latest:
    """Read the champion with its latest memory, and what became known from `since` on, or since that memory."""
    assert turn.champion is not None, "only a champion's memory is refreshed"
    return _latest(turn, read_encoder(turn.warehouse, turn.source), turn.champion, since)


def learn_latest(turn: Turn, latest: Latest) -> Remembered:
    """Let the champion's memory, and that of a canary that is out, learn what they do not know; each a snapshot."""
    live = learn_and_keep(turn, latest.known, latest.rows, latest.unknown)
    out = ledger.canary_of_turn(turn.warehouse, turn.window.cutoff)
    if out is not None and out.generation != turn.champion:
        sent = _latest(turn, latest.encoder, out.generation, turn.window.cutoff)
        keep(turn, sent.known, learned(sent.known, sent.rows, sent.unknown))
    return live


def _reach(turn: Turn) -> int:
    """Up to when a memory may know what a refresh goes on from.

    What a person lets in again counts as known since the open window began: a memory made after that does not know it.
    """
    again = any(made.learnable_at == turn.window.start for made in set_asides.standing(turn.warehouse))
    return turn.window.start if again else turn.window.cutoff


def _latest(turn: Turn, encoder: Encoder, generation: int, since: int) -> Latest:
    made = released(turn.workspace, generation)
    known, until = as_of(turn.workspace, made, _reach(turn))
    history = (
        read_history(turn.warehouse, turn.source, turn.window.cutoff)
        if _reach(turn) < turn.window.cutoff
        else known.history
    )
    known = replace(known, history=history)
    if known.memory is made.memory:  # a bundle's knows nothing of what waited for its turn's verdict
        rows = read_fresh(turn, encoder, made.cutoff).rows
        return Latest(encoder, made, known, rows, np.ones(len(rows), bool))
    window = Window(min(until, since, turn.window.cutoff - 1), turn.window.cutoff)
    rows = read_matured(turn.warehouse, turn.source, encoder, window)
    return Latest(encoder, made, known, rows, rows.matured_at >= until)
