"""What `evercurrent up` started, so that `down` ends exactly that: ``stack.json`` in the home.

A process is its number *and* a mark in its environment, or when it began: numbers are given again, and nobody else's
process may be ended. Either will do, because a clock that is set moves every beginning.
"""

from enum import StrEnum
from pathlib import Path

import psutil
from pydantic import Field, ValidationError

from components.domain import ContractBroken
from components.frozen import Frozen, first_fault
from components.whole_file import write_durably
from flows.workspace import Workspace

SAME_SECONDS = 1.0
"""How far apart two readings of one process's start may be: the kernel counts in hundredths since it booted, and the
instant of that is known to a second."""


MARK = "EVERCURRENT_PART"
"""The variable that marks a process as a part of a stack."""


class Role(StrEnum):
    """The parts of a stack, in the order in which they start; they end the other way round."""

    SERVER = "server"
    SERVICE = "service"
    WORKER = "worker"


class Part(Frozen):
    """One process that was started.

    Attributes
    ----------
    home : name of the home that a service answers from, where the stack has many; None for what they share.
    mark : what its environment says of it, drawn for it alone.
    began : seconds since 1970, as the kernel has it.
    url : where it answers; None for the worker, which asks and is not asked.
    log : what it prints, below the home.
    """

    role: Role
    home: str | None = None
    pid: int = Field(gt=0)
    mark: str
    began: float
    url: str | None = None
    log: str

    def process(self) -> psutil.Process | None:
        """The process, or None if it has ended; a number that another process has now is not it."""
        try:
            found = psutil.Process(self.pid)
            if found.status() == psutil.STATUS_ZOMBIE:
                return None
            began = abs(found.create_time() - self.began) < SAME_SECONDS
            return found if began or found.environ().get(MARK) == self.mark else None
        except psutil.Error:  # it has ended, or is somebody else's
            return None


class Stack(Frozen):
    """What runs, or ran, and which deployments were made: a digest of what they were made of, of many homes by name."""

    parts: tuple[Part, ...] = ()
    deployed: str | None = None
    homes: dict[str, str] = Field(default_factory=dict)

    def part(self, role: Role, home: str | None = None) -> Part | None:
        """The part, running or not, or None if none was started."""
        return next((part for part in self.parts if (part.role, part.home) == (role, home)), None)

    def running(self, role: Role, home: str | None = None) -> Part | None:
        """The part, if its process lives."""
        part = self.part(role, home)
        return part if part is not None and part.process() is not None else None

    def with_part(self, part: Part) -> "Stack":
        """With a part in the place of the one of the same role and home."""
        return self.model_copy(update={"parts": (*self._beside(part.role, part.home), part)})

    def without(self, role: Role, home: str | None = None) -> "Stack":
        """Without the part of a role and home."""
        return self.model_copy(update={"parts": self._beside(role, home)})

    def _beside(self, role: Role, home: str | None) -> tuple[Part, ...]:
        return tuple(part for part in self.parts if (part.role, part.home) != (role, home))

    @property
    def api(self) -> str | None:
        """The address of the server's API, whether it answers or not."""
        server = self.part(Role.SERVER)
        return None if server is None else f"{server.url}/api"


def read_stack(workspace: Workspace) -> Stack:
    """What was started from this home; nothing where `up` never ran.

    Raises
    ------
    ContractBroken
        If the file is there and is no record of a stack.
    """
    path = _path(workspace)
    try:
        return Stack.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return Stack()
    except ValidationError as error:
        raise ContractBroken(
            f"{path}, {first_fault(error)}; end what runs by hand (evercurrent doctor names it) and remove the file"
        ) from None


def write_stack(workspace: Workspace, stack: Stack) -> None:
    """Keep what was started; nothing is kept of a stack without parts and deployments."""
    if stack == Stack():
        _path(workspace).unlink(missing_ok=True)
    else:
        write_durably(_path(workspace), stack.model_dump_json(indent=1).encode() + b"\n")


def _path(workspace: Workspace) -> Path:
    return workspace.root / "stack.json"
