"""One period of a recorded log in a home: opened, ingested before its turn, played after it.

Between two turns the recorded-log world plays one period of requests against the champion, and what it logs is
ingested like any decision log.
"""

from pathlib import Path

import numpy as np

from components.domain import SECOND
from components.publish.canary import read_canary
from components.publish.read_bundle import load_bundle
from components.world.recorded_log import Beside, play
from flows.find_source import find_source
from flows.replay import replay_cache
from flows.replay.recorded import Recorded, read_recorded, window_after
from flows.stages.ingest import ingest_tables, settle_source
from flows.stages.memory import as_of
from flows.turn import warehouse_of
from flows.workspace import Workspace
from warehouse import ledger
from warehouse.append import append_log
from warehouse.connect import Warehouse


def open_recorded(workspace: Workspace, source: str, data: str | None) -> Recorded:
    """The recorded log of a source, which becomes this home's source."""
    description = find_source(source)
    recorded = read_recorded(workspace, description, Path(data) if data else None)
    settle_source(workspace, description)
    return recorded


def ingest_period(workspace: Workspace, recorded: Recorded, turn: int) -> None:
    """Bring in what was logged before a turn: the first stretch of the log, or what the champion showed since."""
    with replay_cache.timed(workspace.turn(recorded.cutoff(turn)), "ingest"):
        if turn == 0:
            _ingest_history(workspace, recorded)
        else:
            cutoff = recorded.cutoff(turn - 1)
            ingest_tables(
                workspace, recorded.source, replay_cache.tables(workspace.replayed(cutoff)), f"played after {cutoff}"
            )


def _ingest_history(workspace: Workspace, recorded: Recorded) -> None:
    append_log(
        Warehouse(workspace.database, recorded.source.name),
        recorded.before(recorded.pretrained),
        recorded.entities,
        digest=f"{recorded.digest} before {recorded.pretrained}",
        path=str(recorded.description.name),
    )


def play_after(workspace: Workspace, recorded: Recorded, turn: int) -> None:
    """Let the champion serve the period after a turn, and score every interaction ahead of its outcome."""
    cutoff = recorded.cutoff(turn)
    if workspace.replayed(cutoff).exists():
        return
    with replay_cache.timed(workspace.turn(cutoff), "play"):
        champion = ledger.champion(warehouse_of(workspace))
        assert champion is not None, "the turn was finished just before"
        served, _ = as_of(workspace, load_bundle(workspace.bundle(champion)), cutoff)
        rng = np.random.default_rng([cutoff // SECOND, recorded.pretrained // SECOND])
        window, beside = window_after(recorded, cutoff), _canary(workspace, cutoff)
        result = play(recorded.log, window, served.fork(), rng, recorded.rules, beside)
        frozen = load_bundle(workspace.bundle(1)).model.predict(result.scored.examples).logit
        replay_cache.save(workspace.replayed(cutoff), result, frozen)


def _canary(workspace: Workspace, cutoff: int) -> Beside | None:
    """The canary that is out, if one is, with its latest memory."""
    canary = read_canary(workspace.root)
    if canary is None:
        return None
    served, _ = as_of(workspace, load_bundle(workspace.bundle(canary.generation)), cutoff)
    return Beside(served.fork(), canary.serves_each)
