"""Settings that are compared: each the home's own with a few that differ, and a home in which they are replayed."""

import shutil
import tomllib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import tomli_w
from pydantic import ValidationError

from components.domain import ContractBroken
from components.frozen import first_fault
from components.settings import Settings
from components.whole_file import write_durably
from flows.replay.job import Job
from flows.replay.recorded import Recorded
from flows.workspace import Workspace

NOT_A_CANDIDATES = ("engine", "lake", "log", "notify")
"""Tables of a home that say where it computes, what it reads and whom it tells: a candidate does none of it. Where a
turn computes changes nothing that it comes to."""

ASKED = "asked.toml"
"""In a candidate's home: of what it was made."""


@dataclass(frozen=True)
class Candidate:
    """A name and all settings that are not defaults."""

    name: str
    told: dict[str, Any]


def candidates(workspace: Workspace, architectures: Sequence[str], files: Sequence[Path]) -> tuple[Candidate, ...]:
    """One for each architecture, then one for each file of settings, named after it; all on top of the home's own.

    Raises
    ------
    ContractBroken
        If a setting is none, a file cannot be read, or two have one name.
    """
    path = workspace.settings
    own = {key: table for key, table in _read(path).items() if key not in NOT_A_CANDIDATES} if path.exists() else {}
    asked = [(name, {"ranker": {"architecture": name}}, f"--architectures {name}") for name in architectures]
    asked += [(file.stem, _read(file), str(file)) for file in files]
    name, times = Counter(name for name, _, _ in asked).most_common(1)[0]
    if times > 1:
        raise ContractBroken(f"{name} is named {times} times; allowed is one candidate of a name")
    return tuple(Candidate(name, _checked(_on_top(own, told), where)) for name, told, where in asked)


def jobs_of(root: Path, asked: Sequence[Candidate], recorded: Recorded, data: Path | None, turns: int) -> list[Job]:
    """A replay for each candidate, in a home of its own below `root`.

    Parameters
    ----------
    recorded : the log that all of them replay, read from `data` or from where its description says.

    Raises
    ------
    ContractBroken
        If the log is too short, or what lies where a home should is no candidate's.
    Transient
        If somebody works in a home that has to be made anew.
    """
    if not 1 <= turns <= recorded.turns:
        raise ContractBroken(f"--turns is {turns}; {recorded.source.name} allows 1 to {recorded.turns}")
    log = None if data is None else data.resolve()
    jobs = []
    for one in asked:
        home = (root / one.name).resolve()
        jobs.append(Job(name=one.name, home=home, source=str(recorded.description), data=log, turns=turns))
        _ready(jobs[-1], one, recorded.digest)
    return jobs


def _ready(job: Job, candidate: Candidate, digest: str) -> None:
    """A home for a candidate's replay: the one it has, or a fresh one where that was made of something else."""
    source = Path(job.source).read_text()
    made_of = {"evercurrent": version("evercurrent"), "log": digest, "source": source, "settings": candidate.told}
    wanted, asked = tomli_w.dumps(made_of).encode(), job.home / ASKED
    if not asked.exists() or asked.read_bytes() != wanted:
        _take_away(job.workspace)
        job.home.mkdir(parents=True, exist_ok=True)
        write_durably(asked, wanted)
    write_durably(job.workspace.settings, tomli_w.dumps(candidate.told).encode())


def _take_away(workspace: Workspace) -> None:
    """Take a candidate's home away; by rename first, so that no half of one is met."""
    root = workspace.root
    gone = root.with_name(f".{root.name}.gone")
    shutil.rmtree(gone, ignore_errors=True)
    if not root.exists():
        return
    if not (root / ASKED).exists():
        raise ContractBroken(f"{root} holds something that no comparison made; move it away")
    with workspace.held():
        root.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def _on_top(own: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """Settings with some of them replaced, table by table.

    >>> _on_top({"seed": 1, "ranker": {"dropout": 0.1}}, {"ranker": {"architecture": "fm"}})
    {'seed': 1, 'ranker': {'dropout': 0.1, 'architecture': 'fm'}}
    """
    both = {key: _on_top(own[key], told[key]) for key in own if isinstance(told.get(key), dict)}
    return {**own, **told, **both}


def _checked(told: dict[str, Any], where: str) -> dict[str, Any]:
    try:
        Settings.model_validate(told)
    except ValidationError as error:
        raise ContractBroken(f"{where}: {first_fault(error)}; see docs/settings.md") from None
    return told


def _read(path: Path) -> dict[str, Any]:
    try:
        told = tomllib.loads(path.read_text())
    except OSError as error:
        raise ContractBroken(f"{path}: {error.strerror}; a file of settings is wanted (docs/settings.md)") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ContractBroken(f"{path} is not TOML: {error}") from None
    return told
