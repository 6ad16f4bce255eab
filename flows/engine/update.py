"""A warm start where the settings say: in this process, or shared among the workers of a cluster.

Both come to the same bits, so that where it was made is nothing that a generation has to tell.
"""

import logging

from components.domain import Matured
from components.update.checkpoint import Checkpoint
from components.update.shard.files import Asked, ask, put_together
from components.update.shard.work import check_shardable
from components.update.train import Update
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
    from flows.engine import ray_cluster  # the extra `ray` is there only for those who ask for it

    asked = Asked(cutoff=cutoff, seed=turn.seed, workers=engine.workers, settings=settings)
    check_shardable(asked)
    rows, told = parent.model.table.rows, (engine.address, engine.workers)
    logger.info("stage=update event=shared rows=%d examples=%d address=%s workers=%d", rows, len(fresh), *told)
    with fresh_folder(turn.folder / FOLDER) as folder:
        ask(folder, asked, parent, fresh, replay)
        ray_cluster.share(folder, engine)
        return put_together(folder, parent, engine.workers)
