"""One replay among several that know nothing of each other: what is asked, and how it is done.

It is done by the command itself, `evercurrent replay`, in a process of its own: whoever lets it be done, this machine
or a worker of a cluster, keeps no torch, DuckDB or Prefect of another one. A replay resumes where it was cut off, so
that a job that is done again comes to the same; what it found is the home's `replay/record.json`, written whole.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

from pydantic import NonNegativeFloat

from components.domain import ContractBroken, Transient
from components.frozen import Frozen
from components.whole_file import write_whole
from flows.cli.exit_codes import BROKEN, FAULT, USAGE
from flows.stack.join import API
from flows.workspace import RUN, Workspace

ASKED = "jobs.json"
OF_ONE_HOME = ("EVERCURRENT_HOME", "EVERCURRENT_LOG", "EVERCURRENT_SPOOL", "PREFECT_HOME", "BENTOML_HOME", RUN, API)
"""Variables that say which home a process works in, and for which run: another's are not a job's."""


class Job(Frozen):
    """A replay; all paths whole, seen under the same name by whoever does it.

    Attributes
    ----------
    name : what is replayed here: an architecture, a home.
    source, data, turns : as `evercurrent replay` has them; `turns` None: all.
    """

    name: str
    home: Path
    source: str
    data: Path | None = None
    turns: int | None = None

    @property
    def workspace(self) -> Workspace:
        """Its home."""
        return Workspace(self.home)

    @property
    def log(self) -> Path:
        """What its process said."""
        return self.home / "logs" / "replay.log"

    @property
    def played(self) -> float | None:
        """Seconds that the replay took; None as long as it has not come to its end, or came to another one."""
        path = self.workspace.replay_record
        if not path.exists():
            return None
        record = json.loads(path.read_bytes())
        return float(record["seconds"]) if self.turns in (None, len(record["turns"])) else None

    @property
    def words(self) -> list[str]:
        """The command."""
        turns = "all" if self.turns is None else str(self.turns)
        data = [] if self.data is None else ["--data", str(self.data)]
        return ["replay", "--home", str(self.home), "--source", self.source, "--turns", turns, *data, "--json"]


class Jobs(Frozen):
    """What whoever does one of them is given; `api` is Prefect's, None: each starts a server of its own."""

    jobs: tuple[Job, ...]
    api: str | None


class Ended(Frozen):
    """How a job ended: 0, or the exit code of its replay (below 0: the signal) with the line that said so."""

    name: str
    code: int
    line: str = ""
    seconds: NonNegativeFloat = 0.0


def do(folder: str, number: int) -> None:
    """Do a job of ``FOLDER/jobs.json``; how it ended stands in ``NUMBER.json`` beside it.

    Raises
    ------
    ContractBroken
        If the replay was refused, which another try would be, too.
    Transient
        If it ended otherwise.
    """
    where = Path(folder)
    asked = Jobs.model_validate_json((where / ASKED).read_bytes())
    job = asked.jobs[number]
    try:
        ended = _done(job, asked.api)
    except OSError as error:  # its home cannot be written to
        ended = Ended(name=job.name, code=FAULT, line=str(error))
    write_whole(ended_file(where, number), lambda path: path.write_text(ended.model_dump_json()))
    if ended.code in (BROKEN, USAGE):
        raise ContractBroken(ended.line)
    if ended.code:
        raise Transient(ended.line)


def ended_file(folder: Path, number: int) -> Path:
    """Where it stands how a job ended."""
    return folder / f"{number}.json"


def _done(job: Job, api: str | None) -> Ended:
    if job.turns is not None and (seconds := job.played) is not None:
        return Ended(name=job.name, code=0, seconds=seconds)
    job.log.parent.mkdir(parents=True, exist_ok=True)
    words = [sys.executable, "-m", "flows.cli.child", str(os.getpid()), *job.words]
    with job.log.open("wb") as said:
        code = subprocess.run(
            words, env=_environment(api), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=said, check=False
        ).returncode
    if code == 0 and (seconds := job.played) is not None:
        return Ended(name=job.name, code=0, seconds=seconds)
    return Ended(name=job.name, code=code or BROKEN, line=_last_line(job.log, code))


def _environment(api: str | None) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name not in OF_ONE_HOME}
    return kept if api is None else {**kept, API: api}


def _last_line(log: Path, code: int) -> str:
    """The one line that a command ends with, without its first word; else where to look."""
    lines = [line for line in log.read_text(errors="replace").splitlines() if line.strip()]
    kind, colon, rest = (lines[-1] if lines else "").partition(": ")
    if colon and kind in ("error", "busy", "fault"):
        return rest[:500]
    ended = f"was killed by signal {-code}" if code < 0 else f"ended with {code}"
    return f"its process {ended}; see {log}"
