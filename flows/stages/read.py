"""Read: the champion, what matured since it was made, and what is held out of learning before the verdict."""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.coded import Coded
from components.domain import Bools, ContractBroken, Ints, Window, iso
from components.evaluate.holdout import Holdout
from components.publish.read_bundle import load_without_memory
from components.ranker.features import Encoder
from flows.stages.results import TurnData
from flows.stages.training_data import (
    Arrivals,
    TrainingData,
    maturing,
    read_arrivals,
    read_encoder,
    read_history,
    read_replayed,
)
from flows.turn import Turn
from warehouse import facts, ledger


def read(turn: Turn, replays: bool = True) -> TurnData:
    """Read each matured impression once, and the champion's bundle but for its memory, for all stages of the turn.

    Parameters
    ----------
    replays : draw a sample of the past, too; only an update learns from one.

    Raises
    ------
    ContractBroken
        If there is no champion yet and nothing has matured that one could be made from.
    """
    w, source = turn.warehouse, turn.source
    champion = None if turn.champion is None else load_without_memory(turn.workspace.bundle(turn.champion))
    encoder = read_encoder(w, source)
    since = 0 if champion is None else champion.cutoff
    fresh = read_fresh(turn, encoder, since)
    if champion is None and not len(fresh.rows):
        raise ContractBroken(_nothing_matured(turn))
    open_rows = int(fresh.open.sum())
    return TurnData(
        encoder=encoder,
        servable=facts.servable(w, turn.window.cutoff),
        fresh=fresh.rows,
        held=fresh.held,
        waiting=fresh.waiting,
        waiting_requests=_waiting_requests(turn, fresh.holdout),
        learnable=fresh.learnable,
        replayed=_replayed(turn, encoder, draw_of(turn, since, open_rows), fresh) if champion and replays else None,
        champion=champion,
        history=read_history(w, source, turn.window.cutoff),
    )


@dataclass(frozen=True)
class Fresh:
    """What matured and a generation does not know: `rows` in order of arrival.

    (n,) `learnable` is when each may be learned, (n,) `chosen` whether it is of a held-out request.
    """

    rows: TrainingData
    learnable: Ints
    chosen: Bools
    holdout: Holdout | None
    window: Window

    @property
    def waiting(self) -> Bools:
        """(n,) of held-out requests of which a later turn will judge."""
        return self.learnable >= self.window.cutoff

    @property
    def held(self) -> Bools:
        """(n,) of held-out requests that this turn judges, or gives up waiting for."""
        return self.chosen & ~self.waiting & (self.learnable >= self.window.start)

    @property
    def open(self) -> Bools:
        """(n,) what may be learned before the verdict."""
        return ~self.held & ~self.waiting


def read_fresh(turn: Turn, encoder: Encoder, since: int) -> Fresh:
    """What a generation made at `since` does not know: what has matured, or become learnable, since then."""
    holdout = _holdout(turn)
    explicit = turn.source.attribution is None
    reach = since - holdout.patience if holdout and explicit else since  # a slate's early outcomes may have waited
    arrivals = read_arrivals(turn.warehouse, turn.source, encoder, Window(max(reach, 0), turn.window.cutoff))
    chosen = _chosen(arrivals.rows.user, arrivals.requested_at, holdout) & ~_known_late(arrivals)
    learnable = _learnable(arrivals, chosen, holdout)
    unknown = learnable >= since
    rows = arrivals.rows if unknown.all() else arrivals.rows.take(unknown)
    return Fresh(rows, learnable[unknown], chosen[unknown], holdout, turn.window)


def _holdout(turn: Turn) -> Holdout | None:
    """What is held out: requests of the windows since there is a champion; None before."""
    first = ledger.first_generation(turn.warehouse)
    if turn.champion is None or first is None:
        return None
    windows = (*ledger.windows(turn.warehouse, first + 1, turn.window.cutoff), turn.window)
    s = turn.settings.evaluate
    return Holdout(windows, s.holdout_share, turn.source.attribution or 0.0, s.wait_days)


def _chosen(user: Coded, requested_at: Ints, holdout: Holdout | None) -> Bools:
    return np.zeros(len(user), bool) if holdout is None else holdout.chosen(user, requested_at)


def _known_late(arrivals: Arrivals) -> Bools:
    """(n,) what came, or was corrected, after its slate had settled: it may have been judged, and is only learned."""
    return arrivals.rows.matured_at > arrivals.settled_at


def _learnable(arrivals: Arrivals, chosen: Bools, holdout: Holdout | None) -> Ints:
    matured = arrivals.rows.matured_at
    if holdout is None:
        return matured
    return holdout.learnable_at(chosen, arrivals.requested_at, matured, arrivals.settled_at)


def _waiting_requests(turn: Turn, holdout: Holdout | None) -> int:
    """Held-out requests that may still wait and have not matured as a whole; of some nothing is known yet."""
    if holdout is None:
        return 0
    patient = Window(turn.window.cutoff - holdout.patience - 1, turn.window.cutoff)
    asked = facts.unsettled(turn.warehouse, patient, maturing(turn.source))
    users = Coded.of(asked["user_id"].to_numpy(object))
    return int(_chosen(users, asked["requested_at"].to_numpy(np.int64), holdout).sum())


def _nothing_matured(turn: Turn) -> str:
    waits = f" its attribution of {turn.source.attribution:g} s" if turn.source.attribution else " their outcomes"
    return (
        f"nothing has matured before {iso(turn.window.cutoff)}: what was shown waits for{waits}; "
        "run the loop with a later cutoff"
    )


def draw_of(turn: Turn, since: int, learned: int) -> facts.Draw:
    """What an update replays of the past before `since`, beside `learned` fresh rows."""
    s = turn.settings.update
    rows = min(s.replay_rows, round(s.replay_share * learned))
    return facts.Draw(since, rows, s.replay_half_life_days, turn.seed)


def _replayed(turn: Turn, encoder: Encoder, draw: facts.Draw, fresh: Fresh) -> TrainingData | None:
    """A sample of the past, without what belongs to requests that are still to be judged."""
    if not draw.rows:
        return None
    past = read_replayed(turn.warehouse, turn.source, encoder, draw)
    closed = fresh.rows.request_id.filter(pa.array(~fresh.open))
    return past.take(~np.asarray(pc.is_in(past.request_id, closed.combine_chunks())))
