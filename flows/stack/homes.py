"""Many homes that one stack serves, from one file: ``homes.toml``.

What is wrong with the file is refused as a whole, because nobody knows what was meant; what is wrong with one home is
said of that home, and the others are served.
"""

import tomllib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, PositiveInt, ValidationError, field_validator

from components.domain import ContractBroken
from components.engine import EngineSettings
from components.frozen import Frozen, first_fault
from components.ingest.source import read_source
from components.settings import read_settings
from flows.workspace import Workspace

Port = Annotated[int, Field(ge=1, le=65535)]


class RecordedLog(Frozen):
    """A recorded log that `evercurrent backfill` replays into a home.

    Attributes
    ----------
    source : a shipped source, or the path of a .toml description; `data` : its log, where the source ships none.
    turns : periods to replay after generation 1.
    """

    source: str
    data: Path | None = None
    turns: PositiveInt | Literal["all"] = "all"


class Home(Frozen):
    """One of the homes.

    Attributes
    ----------
    name : what its deployments are called, such as ``daily-loop/shop``; lower-case letters, digits and dashes.
    folder : the home, relative to the file. It carries its own source and settings.
    schedule : when its turn is due, a cron line in UTC.
    service_port : where its service answers, on loopback; None: it has none here.
    backfill : what was recorded before it was a home, if anything.
    """

    name: str = Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)*$", max_length=60)
    folder: Path
    schedule: str = "0 3 * * *"
    service_port: Port | None = None
    backfill: RecordedLog | None = None

    @field_validator("schedule")
    @classmethod
    def _is_cron(cls, line: str) -> str:
        from prefect.client.schemas.schedules import CronSchedule  # Prefect's own reading of it, where it is needed

        try:
            CronSchedule(cron=line)
        except ValueError:
            raise ValueError("this is no cron line such as 0 3 * * *") from None
        return line

    @property
    def workspace(self) -> Workspace:
        """The home itself."""
        return Workspace(self.folder)


class Homes(Frozen):
    """What the file says, all paths whole.

    Attributes
    ----------
    homes : in the order of the file.
    turns_at_once : turns that may run at the same time over all homes; a turn takes a core, and memory as its window
        is large.
    stack : folder of what the homes share: server, worker, their logs, and the record of both.
    engine : where backfills are computed; where its turns are, each home says itself.
    """

    homes: tuple[Home, ...] = Field(min_length=1)
    turns_at_once: int = Field(default=1, ge=1)
    stack: Path = Path(".evercurrent-stack")
    engine: EngineSettings = EngineSettings()


@dataclass(frozen=True)
class Served:
    """A file of homes as it is served: those that can be, and what keeps each of the others from it, by name."""

    file: Path
    homes: Homes
    sound: tuple[Home, ...]
    faults: dict[str, str]


def served(path: Path) -> Served:
    """The file, and a look at every home of it.

    Raises
    ------
    ContractBroken
        If the file is wrong, or none of its homes can be served.
    """
    homes = read_homes(path)
    faults = {home.name: fault for home in homes.homes if (fault := fault_of(home))}
    if len(faults) == len(homes.homes):
        raise ContractBroken(
            f"{path}: no home of it can be served; the first, {next(iter(faults.items()))[0]}: "
            f"{next(iter(faults.values()))}"
        )
    return Served(path.resolve(), homes, tuple(h for h in homes.homes if h.name not in faults), faults)


def read_homes(path: Path) -> Homes:
    """The homes of a file; relative paths begin at the file's folder.

    Raises
    ------
    ContractBroken
        If there is no such file, it is no TOML, names a key that does not exist, or names something twice; one line.
    """
    try:
        told = tomllib.loads(path.read_text())
        made = Homes.model_validate(told)
    except OSError as error:
        raise ContractBroken(
            f"{path}: {error.strerror}; a file of homes is wanted, see docs/operations.md, many homes"
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ContractBroken(f"{path} is not TOML: {error}") from None
    except ValidationError as error:
        fault = first_fault(error).replace("\n", " ")
        raise ContractBroken(f"{path}, {fault}; see docs/operations.md, many homes") from None
    whole = _whole(made, path.resolve().parent)
    _refuse_twice(whole, path)
    return whole


def _whole(made: Homes, folder: Path) -> Homes:
    """With paths that mean the same from everywhere."""
    homes = tuple(
        home.model_copy(update={"folder": _path(home.folder, folder), "backfill": _recorded(home.backfill, folder)})
        for home in made.homes
    )
    return made.model_copy(update={"homes": homes, "stack": _path(made.stack, folder)})


def _recorded(log: RecordedLog | None, folder: Path) -> RecordedLog | None:
    if log is None:
        return None
    source = str(_path(Path(log.source), folder)) if log.source.endswith(".toml") else log.source
    return log.model_copy(update={"source": source, "data": log.data and _path(log.data, folder)})


def _path(path: Path, folder: Path) -> Path:
    return (folder / path.expanduser()).resolve()


def _refuse_twice(made: Homes, path: Path) -> None:
    """One name, one folder, one port for each."""
    named: dict[str, list[Any]] = {
        "name": [home.name for home in made.homes],
        "folder": [str(home.folder) for home in made.homes] + [str(made.stack)],
        "service_port": [home.service_port for home in made.homes if home.service_port],
    }
    for key, values in named.items():
        value, times = Counter(values).most_common(1)[0] if values else (None, 0)
        if times > 1:
            stack = " (the stack's own folder among them)" if value == str(made.stack) else ""
            raise ContractBroken(f"{path}: {key} {value} is named {times} times{stack}; each home needs its own")


def fault_of(home: Home) -> str | None:
    """What keeps a home from being served, in one line; None where nothing does."""
    if not home.folder.is_dir():
        return f"its folder {home.folder} is gone; bring it back, or take the home out of the file"
    try:
        home.workspace.require_log()
        read_source(home.workspace.source)
        read_settings(home.workspace.settings)
    except (ContractBroken, OSError) as broken:
        return (str(broken).splitlines() or [type(broken).__name__])[0]
    return None
