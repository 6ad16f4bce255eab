"""An update where the settings say: in this process, or shared among the workers of a cluster.

Both come to the same bits, so that where it was made is nothing that a generation has to tell.
"""

import logging

from components.domain import Matured
from components.update.checkpoint import Checkpoint
from components.update.shard.files import Asked, ask, put_together
from components.update.shard.work import check_shardable
from components.update.train import Update, begin, first_passes
from components.update.warm_start import warm_start
from flows.turn import Turn
from flows.workspace import fresh_folder

logger = logging.getLogger("evercurrent")
FOLDER = "shards"


def warm_started(turn: Turn, parent: Checkpoint, fresh: Matured, replay: Matured | None) -> Update:
    """Learn `fresh`, and `replay`, on top of `parent`, as `components.update.warm_start` does.

    Raises
    ------
    Transient
        If the cluster cannot be reached, or did not bring the update to its end.
    ContractBroken
        If it is another Evercurrent's, refuses the token, or what is asked cannot be shared.
    """
    engine, settings, cutoff = turn.settings.engine, turn.settings.update, turn.window.cutoff
    if not engine.shares(parent.model.table.rows, len(fresh)):
        return warm_start(parent, fresh, replay, cutoff, settings, turn.seed)
    return _shared(turn, parent, fresh, replay, first=False)


def pretrained(turn: Turn, data: Matured) -> Update:
    """Train a fresh model on `data`, as `components.update.train.pretrain` does; raises as `warm_started`."""
    settings, seed = turn.settings, turn.seed
    begun = begin(turn.source.spec, data, settings.ranker, settings.update, seed)
    if not settings.engine.shares(begun.checkpoint.model.table.rows, len(data)):
        return begun.told(first_passes(begun.checkpoint, begun.data, settings.update, seed))
    return begun.told(_shared(turn, begun.checkpoint, begun.data, None, first=True))


def _shared(turn: Turn, parent: Checkpoint, fresh: Matured, replay: Matured | None, first: bool) -> Update:
    engine, rows = turn.settings.engine, parent.model.table.rows
    asked = Asked(
        cutoff=turn.window.cutoff,
        seed=turn.seed,
        workers=engine.workers,
        settings=turn.settings.update,
        first=first,
    )
    check_shardable(asked)
    told = (engine.address, engine.workers)
    logger.info("stage=update event=shared rows=%d examples=%d address=%s workers=%d", rows, len(fresh), *told)
    from flows.engine import ray_cluster  # the extra `ray` is there only for those who ask for it

    with fresh_folder(turn.folder / FOLDER) as folder:
        ask(folder, asked, parent, fresh, replay)
        ray_cluster.share(folder, engine)
        return put_together(folder, parent, engine.workers)
