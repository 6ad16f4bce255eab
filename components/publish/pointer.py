"""Champion, challenger and canary: pointers to a generation, moved atomically; and the ledger of every move.

A pointer is a small JSON file that is replaced whole, so a reader sees the old or the new
generation and never a mixture. The ledger is a file of JSON lines that only grows; it is
the copy that readers outside the flows (service, reports, people) may open.
"""

import json
import os
from enum import StrEnum
from pathlib import Path

from pydantic import Field, ValidationError

from components.domain import ContractBroken, Transient
from components.frozen import Frozen, first_fault
from components.publish.manifest import bundle_name
from components.whole_file import write_durably

BUNDLES, POINTERS, LEDGER = "bundles", "pointers", "releases.jsonl"


class Role(StrEnum):
    """Who a pointer points for."""

    CHAMPION = "champion"
    CHALLENGER = "challenger"
    CANARY = "canary"


class Pointer(Frozen):
    """A generation and its bundle, relative to the home folder."""

    generation: int = Field(ge=1)
    bundle: str

    @classmethod
    def to(cls, generation: int) -> "Pointer":
        """The pointer to a generation's bundle in its usual place."""
        return cls(generation=generation, bundle=f"{BUNDLES}/{bundle_name(generation)}")


class ReleaseKind(StrEnum):
    """Why the champion pointer moved, or did not."""

    FIRST = "FIRST"
    PROMOTE = "PROMOTE"
    HOLD = "HOLD"
    ROLL_BACK = "ROLL_BACK"
    RE_PROMOTE = "RE_PROMOTE"


class Release(Frozen):
    """One line of the ledger.

    Attributes
    ----------
    release : running number, from 1.
    generation, previous : champion after and before.
    kind, reason : what happened and why; `cutoff` is the turn's, microseconds, if it was a turn.
    at : microseconds, when the line was written.
    """

    release: int = Field(ge=1)
    generation: int = Field(ge=1)
    previous: int | None = None
    kind: ReleaseKind
    reason: str = Field(min_length=1)
    cutoff: int | None = None
    at: int | None = None


def pointer_path(home: Path, role: Role) -> Path:
    """Where a pointer lives."""
    return home / POINTERS / f"{role}.json"


def read_pointer(home: Path, role: Role = Role.CHAMPION) -> Pointer | None:
    """The pointer, or None if none was ever set.

    Raises
    ------
    ContractBroken
        If the file is there and is no pointer.
    """
    path = pointer_path(home, role)
    try:
        return Pointer.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        raise ContractBroken(
            f'{path} is no pointer; allowed is {{"generation": 7, "bundle": "bundles/g000007"}}: '
            "`evercurrent rollback --to G --reason ...` writes a new one"
        ) from None


def move_pointer(home: Path, role: Role, pointer: Pointer) -> None:
    """Point `role` at a generation, atomically and durably."""
    write_durably(pointer_path(home, role), pointer.model_dump_json().encode() + b"\n")


def clear_pointer(home: Path, role: Role) -> None:
    """Point `role` at nothing."""
    pointer_path(home, role).unlink(missing_ok=True)


def read_releases(home: Path) -> tuple[Release, ...]:
    """The ledger, oldest first; a torn last line (a write that was cut) is left out."""
    path = home / LEDGER
    if not path.exists():
        return ()
    whole = path.read_bytes().split(b"\n")[:-1]
    try:
        return tuple(Release.model_validate_json(line) for line in whole if line)
    except ValidationError as error:
        raise ContractBroken(f"{path}, {first_fault(error)}; the ledger is append-only, restore it") from None


def append_release(home: Path, release: Release) -> None:
    """Append one line, durably. A release that the ledger has is not repeated: a resumed turn may append again.

    Raises
    ------
    ContractBroken
        If the ledger has another release under this number.
    Transient
        If the disk refuses.
    """
    for known in read_releases(home):
        if known.release == release.release:
            if known.model_dump(exclude={"at"}) != release.model_dump(exclude={"at"}):
                raise ContractBroken(
                    f"release {release.release} is {known.kind} of generation {known.generation} in {home / LEDGER}, "
                    f"received {release.kind} of generation {release.generation}; the ledger is append-only"
                )
            return
    path = home / LEDGER
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(release.model_dump(mode="json")).encode() + b"\n"
    try:
        with path.open("a+b") as file:
            _drop_torn_line(file.fileno())
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise Transient(f"cannot append to {path}: {error.strerror}; free space and rights there are needed") from None


def _drop_torn_line(handle: int) -> None:
    size = os.fstat(handle).st_size
    if size and os.pread(handle, 1, size - 1) != b"\n":
        content = os.pread(handle, size, 0)
        os.ftruncate(handle, content.rfind(b"\n") + 1)
