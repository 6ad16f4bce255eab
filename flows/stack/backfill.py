"""The recorded logs of many homes, replayed turn by turn each into its own: which homes are for it, and which are not.

A backfill is for a home that holds nothing. One that was cut off goes on; a home that it filled, or that holds anything
else, is left alone.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from components.domain import ContractBroken, EvercurrentError
from components.whole_file import write_durably
from flows.find_source import find_source
from flows.replay.job import Job
from flows.stack.homes import Home, Homes, RecordedLog

ASKED = "backfill.json"
"""In a home: the job that fills it, or did."""


@dataclass(frozen=True)
class ToFill:
    """Homes of a file.

    Attributes
    ----------
    jobs : replays of those that can be filled.
    left_alone : name -> why nothing is wanted of it.
    faults : name -> what keeps it from being filled.
    """

    jobs: tuple[Job, ...]
    left_alone: dict[str, str]
    faults: dict[str, str]


def to_fill(homes: Homes) -> ToFill:
    """A look at every home of the file; nothing is written."""
    jobs: list[Job] = []
    left_alone: dict[str, str] = {}
    faults: dict[str, str] = {}
    for home in homes.homes:
        if home.backfill is None:
            left_alone[home.name] = "the file names no recorded log for it ([homes.backfill])"
            continue
        try:
            job = _job(home, home.backfill)
            if said := _filled(job):
                left_alone[home.name] = said
            else:
                jobs.append(job)
        except ContractBroken as broken:
            faults[home.name] = str(broken)
    return ToFill(tuple(jobs), left_alone, faults)


def begun(asked: Sequence[Job]) -> tuple[list[Job], dict[str, str]]:
    """Homes marked as being filled, and what keeps others from it, by name; only a home's own folder is made."""
    faults: dict[str, str] = {}
    for job in asked:
        try:
            job.home.mkdir(exist_ok=True)
            with job.workspace.held():
                if said := _filled(job):  # meanwhile
                    raise ContractBroken(said)
                write_durably(job.home / ASKED, job.model_dump_json(indent=1).encode())
        except (EvercurrentError, OSError) as error:
            faults[job.name] = str(error)
    return [job for job in asked if job.name not in faults], faults


def _job(home: Home, log: RecordedLog) -> Job:
    """What is replayed into it.

    Raises
    ------
    ContractBroken
        If there is no such source or log, or no folder that the home could lie in.
    """
    description = find_source(log.source)
    if log.data is not None and not log.data.exists():
        raise ContractBroken(f"its recorded log {log.data} is not there")
    if not home.folder.parent.is_dir():
        raise ContractBroken(f"its folder {home.folder} cannot be made: there is no {home.folder.parent}")
    turns = None if log.turns == "all" else log.turns
    return Job(name=home.name, home=home.folder, source=str(description), data=log.data, turns=turns)


def _filled(job: Job) -> str | None:
    """Why a home is left alone; None where it is empty, or where this backfill was cut off.

    Raises
    ------
    ContractBroken
        If another log is in it by half.
    """
    workspace, asked = job.workspace, _asked(job.home / ASKED)
    if asked is None:
        there = workspace.source.exists() or workspace.database.exists()
        return "it holds a log already, which no backfill brought" if there else None
    if asked.played is not None:
        return "it was filled before"
    if (asked.source, asked.data) != (job.source, job.data):
        raise ContractBroken(
            f"it is filled by half from {asked.data or asked.source}, received {job.data or job.source}; name that one "
            "again, or another folder"
        )
    return None


def _asked(path: Path) -> Job | None:
    return Job.model_validate_json(path.read_bytes()) if path.exists() else None
