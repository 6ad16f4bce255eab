"""Whether a home is whole and free: its locks, its champion."""

from collections.abc import Iterator
from pathlib import Path

from components.domain import ContractBroken
from components.publish.manifest import verify
from components.publish.pointer import read_pointer
from components.settings import read_settings
from flows.lock_holder import described, lock_holder
from flows.stack.finding import Finding, fine, mend, note
from flows.workspace import Workspace


def check_home(workspace: Workspace) -> Iterator[Finding]:
    """Settings, locks, champion."""
    yield _settings(workspace)
    yield _lock("home", workspace.lock)
    yield _lock("warehouse", workspace.database)
    yield _champion(workspace)


def _settings(workspace: Workspace) -> Finding:
    try:
        read_settings(workspace.settings)
    except ContractBroken as broken:
        return mend("settings", str(broken), f"edit {workspace.settings}")
    return fine("settings", "read" if workspace.settings.exists() else "all as by default")


def _lock(name: str, path: Path) -> Finding:
    """Held is what a lock is for; a holder that hangs is found by its stage's time limit, or here by a person."""
    holder = lock_holder(path)
    if holder is None:
        return fine(f"{name} lock", "free")
    return note(f"{name} lock", f"held by {described(holder)}: others wait or end as busy; end it if it hangs")


def _champion(workspace: Workspace) -> Finding:
    back = "evercurrent status, then evercurrent rollback --to G --reason '...'"
    try:
        pointer = read_pointer(workspace.root)
        if pointer is None:
            return note("champion", "there is none yet: evercurrent ingest, then evercurrent loop")
        verify(workspace.root / pointer.bundle)
    except (ContractBroken, OSError) as broken:
        return mend("champion", str(broken), back)
    return fine("champion", f"generation {pointer.generation}, its bundle is whole")
