"""Move the champion pointer, with a reason: back to an earlier generation, or forward again."""

from pathlib import Path

from prefect import flow

from components.domain import ContractBroken
from components.publish.manifest import verify
from components.publish.pointer import ReleaseKind
from flows.stages.publish import release, settle
from flows.turn import warehouse_of
from flows.workspace import Workspace, enter
from warehouse import ledger
from warehouse.records import ReleaseWanted


@flow(name="rollback", validate_parameters=False)
def rollback(home: str = ".evercurrent", to: int = 1, reason: str = "") -> str:
    """Make generation `to` champion. Any generation in the ledger is allowed, whatever its verdict was.

    Returns
    -------
    One line: what was champion, what is.

    Raises
    ------
    ContractBroken
        If there is no such generation, it is champion already, its bundle is damaged, or the reason is empty.
    """
    workspace = enter(Path(home))
    if not reason.strip():
        raise ContractBroken("the reason is empty; say why, it is kept in the release ledger: --reason '...'")
    with workspace.held():
        settle(workspace)
        previous = _champion(workspace, to)
        verify(workspace.bundle(to))
        kind = ReleaseKind.ROLL_BACK if to < previous else ReleaseKind.RE_PROMOTE
        release(workspace, ReleaseWanted(generation=to, kind=kind.value, reason=reason, cutoff=None))
    return f"{kind}: champion was generation {previous}, is generation {to}"


def _champion(workspace: Workspace, to: int) -> int:
    w = warehouse_of(workspace)
    made, previous = [g.generation for g in ledger.generations(w)], ledger.champion(w)
    if previous is None or to not in made:
        there = ", ".join(map(str, made)) or "none"
        raise ContractBroken(f"no generation {to}; the ledger knows {there}: evercurrent status")
    if to == previous:
        raise ContractBroken(f"generation {to} is champion already; nothing to move: evercurrent status")
    return previous
