"""Which windows the loop refused to learn, or somebody took out: the copy that the service reads.

The warehouse has every decision about a window, with its reasons; this file has what a memory that follows the decision
log must leave out, decision by decision, so that what was known after any number of them can be told again.
"""

from pathlib import Path

from pydantic import Field, ValidationError

from components.domain import ContractBroken, Window
from components.frozen import Frozen, first_fault
from components.publish.pointer import POINTERS
from components.serving.aside import Aside
from components.whole_file import write_durably


class WindowDecided(Frozen):
    """One decision: from it on a window is set `aside`, or is not; instants in microseconds."""

    start: int
    cutoff: int
    aside: bool


class WindowsDecided(Frozen):
    """All decisions, in order."""

    decisions: tuple[WindowDecided, ...] = Field(default=())

    def after(self, number: int) -> Aside:
        """What is set aside after the first `number` of them."""
        stands = {(made.start, made.cutoff): made.aside for made in self.decisions[:number]}
        return Aside(number, tuple(Window(*ends) for ends, aside in sorted(stands.items()) if aside))

    @property
    def latest(self) -> Aside:
        """What is set aside now."""
        return self.after(len(self.decisions))


def aside_path(home: Path) -> Path:
    """Where the copy lies, beside the pointers."""
    return home / POINTERS / "set_aside.json"


def read_decided(home: Path) -> WindowsDecided:
    """All decisions; none where nobody made one.

    Raises
    ------
    ContractBroken
        If the file is there and is none; one line.
    """
    path = aside_path(home)
    try:
        return WindowsDecided.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return WindowsDecided()
    except ValidationError as error:
        raise ContractBroken(f"{path}, {first_fault(error)}; the next `evercurrent loop` writes it again") from None


def write_decided(home: Path, decided: WindowsDecided) -> None:
    """Replace the copy, whole; one that says the same stays as it is, and none is made before the first decision."""
    if read_decided(home) != decided:
        write_durably(aside_path(home), decided.model_dump_json().encode() + b"\n")
