"""The latest memory of a released generation, where a service finds it without the warehouse.

::

    snapshots/g000007.json      which folder, up to which instant it knows, and a digest of what lies there
    memories/g000007-<cutoff>/  memory.safetensors, memory.json; history.parquet where the field `recent` is used

A bundle's memory knows what matured before its generation was made. A process that starts from the bundle learns every
outcome since from the decision log, one by one; one that starts from the snapshot learns those after the snapshot. The
small file is replaced whole and names what is complete, so that a reader sees the old snapshot or the new one.

Both ways know the same outcomes. They are not the same bits: the loop learns a window in batches, a process in ticks.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pydantic import Field, ValidationError

from components.domain import ContractBroken
from components.frozen import Frozen, first_fault
from components.parts import list_parts
from components.publish.likes_file import read_likes, write_likes
from components.publish.manifest import bundle_name, digest_of_parts
from components.publish.read_bundle import HISTORY, check_memory
from components.ranker.history import History, history_width
from components.serving.served import Served
from components.whole_file import write_durably

if TYPE_CHECKING:
    from components.memory.memory import ErrorMemory

SNAPSHOTS = "snapshots"


class Snapshot(Frozen):
    """What a generation's memory knows all outcomes before: `cutoff`, microseconds; `folder` is relative to the home.

    `digest` is SHA-256 over the paths and digests of all files in the folder.
    """

    generation: int = Field(ge=1)
    cutoff: int
    folder: str
    digest: str = Field(pattern="^[0-9a-f]{64}$")


@dataclass(frozen=True, slots=True)
class Resumed:
    """A generation whose memory knows every outcome before `known_until`, microseconds, and none after."""

    served: Served
    known_until: int


def snapshot_path(home: Path, generation: int) -> Path:
    """Where the latest snapshot of a generation is named."""
    return home / SNAPSHOTS / f"{bundle_name(generation)}.json"


def read_snapshot(home: Path, generation: int) -> Snapshot | None:
    """The latest snapshot of a generation, or None if there never was one.

    Raises
    ------
    ContractBroken
        If the file is there and names no snapshot; one line.
    """
    path = snapshot_path(home, generation)
    try:
        return Snapshot.model_validate_json(path.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError as error:
        raise ContractBroken(
            f"{path}, {first_fault(error)}; `evercurrent refresh-memory` writes a new snapshot"
        ) from None


def write_snapshot(home: Path, folder: Path, served: Served, memory: "ErrorMemory", cutoff: int) -> Snapshot:
    """Save a memory, and the history of `served`, into `folder`, and name them the latest unless a later one is.

    Parameters
    ----------
    served : the generation, its history as known at `cutoff`.
    memory : its memory, which knows all outcomes before `cutoff` and none after.
    """
    memory.save(folder)
    if served.history is not None:
        write_likes(folder / HISTORY, served.history.likes())
    made = Snapshot(
        generation=served.generation,
        cutoff=cutoff,
        folder=folder.relative_to(home).as_posix(),
        digest=digest_of_parts(list_parts(folder)),
    )
    latest = read_snapshot(home, served.generation)
    if latest is None or latest.cutoff <= cutoff:
        point_to(home, made)
    return made


def point_to(home: Path, latest: Snapshot) -> None:
    """Name an earlier snapshot the latest: those after it knew what is not to be known."""
    write_durably(snapshot_path(home, latest.generation), latest.model_dump_json().encode() + b"\n")


def resumed(home: Path, released: Served) -> Resumed:
    """A released generation with its latest snapshot, or as its bundle has it where there is none.

    Raises
    ------
    ContractBroken
        If the snapshot is missing, damaged, or of another memory; names it.
    """
    from components.memory.memory import ErrorMemory

    latest = read_snapshot(home, released.generation)
    if latest is None or latest.cutoff <= released.cutoff:
        return Resumed(released, released.cutoff)
    folder = home / latest.folder
    if digest_of_parts(list_parts(folder)) != latest.digest:
        raise ContractBroken(
            f"snapshot {folder} is not what {snapshot_path(home, released.generation)} names; "
            "`evercurrent refresh-memory` writes a new one"
        )
    own = cast(ErrorMemory, released.memory)
    memory = ErrorMemory.load(folder, released.encoder.spec, own.settings)
    check_memory(folder, memory, own.model_digest)
    width = history_width(released.encoder.spec)
    history = History(width, read_likes(folder / HISTORY)) if width else None
    return Resumed(replace(released, memory=memory, history=history), latest.cutoff)
