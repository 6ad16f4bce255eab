"""Several replays where the settings say: one after the other here, or as tasks of a cluster that Prefect's UI shows.

A replay comes to the same digest with either. One that fails touches no other.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

from components.domain import EvercurrentError
from components.engine import EngineSettings
from components.whole_file import write_whole
from flows.cli.exit_codes import FAULT
from flows.replay.job import ASKED, Ended, Job, Jobs, do, ended_file
from flows.workspace import Workspace, fresh_folder

Tell = Callable[[Ended], None]


def side_by_side(
    root: Path, jobs: Sequence[Job], engine: EngineSettings, api: str | None, at_once: int, tell: Tell
) -> list[Ended]:
    """Do all jobs; how each ended, in their order.

    Parameters
    ----------
    root : folder for what the jobs are given, one at a time has it; with a cluster all nodes see it and the homes.
    api : of a Prefect server that the replays tell what they do; None: each starts its own.
    at_once : processes at a time on this machine; on a cluster it is one for each processor.
    tell : is told of each job as it ends here, of a cluster's once all have.

    Raises
    ------
    Transient
        If another run has `root`, or the cluster cannot be reached or did not end any of them.
    ContractBroken
        If the cluster refuses what is asked.
    """
    with Workspace(root).held(), fresh_folder(root / ".jobs") as folder:
        asked = Jobs(jobs=tuple(jobs), api=api)
        write_whole(folder / ASKED, lambda path: path.write_text(asked.model_dump_json()))
        if engine.name == "local":
            return _here(folder, jobs, at_once, tell)
        return _on_a_cluster(folder, jobs, engine, tell)


def _here(folder: Path, jobs: Sequence[Job], at_once: int, tell: Tell) -> list[Ended]:
    def one(number: int) -> Ended:
        with suppress(EvercurrentError):  # how it ended is written down
            do(str(folder), number)
        ended = _ended(folder, number)
        assert ended is not None, "written by whoever did it"
        tell(ended)
        return ended

    pool = ThreadPoolExecutor(at_once)
    try:
        return list(pool.map(one, range(len(jobs))))
    finally:
        pool.shutdown(cancel_futures=True)  # interrupted: no further one is begun


def _on_a_cluster(folder: Path, jobs: Sequence[Job], engine: EngineSettings, tell: Tell) -> list[Ended]:
    from flows.engine import ray_tasks  # the extra `ray` is there only for those who ask for it

    failed: EvercurrentError | None = None
    try:
        ray_tasks.spread("replays", do, folder, len(jobs), engine, [job.name for job in jobs])
    except EvercurrentError as error:
        failed = error
    found = [_ended(folder, number) for number in range(len(jobs))]
    if failed is not None and not any(found):
        raise failed
    every = [
        ended or Ended(name=job.name, code=FAULT, line=str(failed)) for job, ended in zip(jobs, found, strict=True)
    ]
    for ended in every:
        tell(ended)
    return every


def _ended(folder: Path, number: int) -> Ended | None:
    path = ended_file(folder, number)
    return Ended.model_validate_json(path.read_bytes()) if path.exists() else None
