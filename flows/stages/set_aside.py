"""Windows that nobody learns from: what was learned of them goes out of every memory, and a running service is told.

A window is set aside by the loop, which refuses to learn what contradicts the past, or by a person. The ledger keeps
every decision; facts stay where they are, so that a window can be readmitted.
"""

import shutil

from components.domain import Window
from components.publish.set_aside import WindowDecided, WindowsDecided, write_decided
from components.publish.snapshot import Snapshot, point_to, snapshot_path
from flows.turn import ALL_TIME, warehouse_of
from flows.workspace import Workspace
from warehouse import ledger, set_asides
from warehouse.records import Memory, SetAside, SetAsideStatus


def readmit(workspace: Workspace, window: Window, status: SetAsideStatus, reasons: tuple[str, ...]) -> None:
    """Let the next turn learn a window after all: what it says counts as known since the latest turn ended."""
    w = warehouse_of(workspace)
    last = ledger.last_window(w, ALL_TIME)
    assert last is not None, "a window is set aside by a turn, or after one"
    made = SetAside(start=window.start, cutoff=window.cutoff, status=status, reasons=reasons, learnable_at=last.cutoff)
    set_asides.record(w, made)


def tell_service(workspace: Workspace) -> None:
    """Write what a memory that follows the decision log leaves out; repeating it changes nothing."""
    made = set_asides.made(warehouse_of(workspace))
    told = tuple(WindowDecided(start=m.start, cutoff=m.cutoff, aside=m.status.aside) for m in made)
    write_decided(workspace.root, WindowsDecided(decisions=told))


def drop_memories(workspace: Workspace, window: Window) -> None:
    """Take out the memories that know a window: as of later instants, of generations that were made before it.

    Those of later generations began with what theirs had learned; they go when nobody returns to it.
    """
    w = warehouse_of(workspace)
    known = ledger.memories_after(w, window.start)
    for generation in sorted({memory.generation for memory in known}):
        _name_latest(workspace, generation, ledger.last_memory(w, generation, window.start))
    for memory in known:
        ledger.forget_memory(w, memory)
        shutil.rmtree(workspace.root / memory.folder, ignore_errors=True)


def _name_latest(workspace: Workspace, generation: int, latest: Memory | None) -> None:
    """Let a service that starts find a memory that is left, or begin with the bundle's."""
    if latest is None:
        snapshot_path(workspace.root, generation).unlink(missing_ok=True)
    else:
        point_to(workspace.root, Snapshot(**latest.model_dump()))
