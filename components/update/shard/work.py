"""One worker of a sharded update, in a process of its own.

    torchrun --nproc-per-node W -m components.update.shard.work FOLDER

Whoever starts the workers sets torch.distributed's environment: `MASTER_ADDR`, `MASTER_PORT`, `RANK` and `WORLD_SIZE`,
as torchrun and Ray Train do. A worker reads the folder and writes its own part of it; started again, it does the same
once more, and comes to the same.
"""

import re
import sys
from datetime import timedelta
from pathlib import Path

import torch.distributed as dist

from components.domain import ContractBroken, EvercurrentError, Matured, Transient
from components.ranker.vocabulary import Vocabulary
from components.update.checkpoint import Checkpoint
from components.update.shard.files import Asked, begin_part, read_asked, read_examples, read_parent, write_part
from components.update.shard.group import Group
from components.update.shard.shard import Shard
from components.update.shard.table import TablePart
from components.update.shard.vocabulary import SharedOut
from components.update.train import Update, first_passes
from components.update.warm_start import continued

LONGEST_WAIT = timedelta(minutes=10)
"""How long a worker waits for the others before it gives up: of one that died it hears at once, of one that hangs
by this."""


def work(folder: Path) -> None:
    """What one worker does; the process group is set up already.

    Raises
    ------
    ContractBroken
        If another number of workers came than was asked for.
    Transient
        If the others are gone, or say nothing for as long as one waits; no part is left.
    """
    group, asked = Group(), read_asked(folder)
    if group.size != asked.workers:
        raise ContractBroken(f"{group.size} workers came to {folder}; asked were {asked.workers}")
    begin_part(folder, group.rank)
    fresh = read_examples(folder, "fresh")
    if fresh is None:
        raise ContractBroken(f"no examples to learn from in {folder}")
    try:
        made = _made(folder, asked, fresh, group)
    except RuntimeError as error:
        if "gloo" not in str(error):
            raise
        raise Transient(
            f"worker {group.rank} of {group.size} lost the others: {_said(error)}; the update is made again"
        ) from error
    write_part(folder, made, group)


def _made(folder: Path, asked: Asked, fresh: Matured, group: Group) -> Update:
    """The parent is nobody else's: a copy would hold once more where every row is."""
    parent, place, settings = _shared_out(read_parent(folder), group), Shard(group), asked.settings
    if asked.first:
        return first_passes(parent, fresh, settings, asked.seed, place)
    return continued(parent, None, fresh, read_examples(folder, "replay"), asked.cutoff, settings, asked.seed, place)


def check_shardable(asked: Asked) -> None:
    """Whether several workers can learn what is asked.

    Raises
    ------
    ContractBroken
        If the loss needs what the parent predicts: its table is shared out and learns.
    """
    if asked.settings.reloop_alpha and not asked.first:
        raise ContractBroken(
            f"update.reloop_alpha is {asked.settings.reloop_alpha:g}; a sharded update allows 0: raise "
            "engine.shard_rows and engine.shard_examples, or set it to 0 (docs/settings.md)"
        )


def _shared_out(parent: Checkpoint, group: Group) -> Checkpoint:
    if isinstance(parent.model.vocabulary, Vocabulary):
        parent.model.vocabulary = SharedOut(parent.model.vocabulary, group)
    parent.model.table = TablePart.of(parent.model.table, group)
    return parent


def _said(error: RuntimeError) -> str:
    """What torch or gloo said first, without where in the source it stands."""
    return re.sub(r"\[\S*gloo\S*\] ", "", " ".join(str(error).split())).partition(". ")[0]


def main() -> None:
    """Set up the group as the environment says, work, and leave."""
    try:
        dist.init_process_group("gloo", timeout=LONGEST_WAIT)
    except RuntimeError as error:
        sys.exit(f"error: the workers did not find each other: {_said(error)}; look at MASTER_ADDR and MASTER_PORT")
    try:
        work(Path(sys.argv[1]))
    except EvercurrentError as error:
        sys.exit(f"error: {error}")
    finally:
        dist.destroy_process_group()


if __name__ == "__main__":
    main()
