"""Move the champion pointer, with a reason: back to an earlier generation, or forward again.

A canary that is out ends with it: it was compared with a champion that is none any more. With the champion itself as
the generation to go to, the canary alone is taken back.
"""

from pathlib import Path

from prefect import flow

from components.domain import ContractBroken
from components.publish.manifest import verify
from components.publish.pointer import ReleaseKind
from flows.stages.release import ended_by_hand, release, settle, take_back
from flows.turn import warehouse_of
from flows.workspace import Workspace, enter
from flows.writing import writing
from warehouse import ledger
from warehouse.records import CanaryMade, ReleaseWanted


@flow(name="rollback")
def rollback(home: str = ".evercurrent", to: int = 1, reason: str = "") -> str:
    """Make generation `to` champion. Any generation in the ledger is allowed, whatever its verdict was.

    A canary that is out is taken back, or is what everyone gets from now on if it is `to`.

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
    with writing(workspace, patient=True):
        settle(workspace)
        out = ledger.canary_out(warehouse_of(workspace))
        previous = _champion(workspace, to, out)
        verify(workspace.bundle(to))
        kind = ReleaseKind.ROLL_BACK if to < previous else ReleaseKind.RE_PROMOTE
        if to != previous:
            release(workspace, ReleaseWanted(generation=to, kind=kind.value, reason=reason, cutoff=None))
        if out is not None:
            take_back(workspace, ended_by_hand(out.generation, to, reason))
    if to == previous and out is not None:
        return f"ROLL_BACK: canary was generation {out.generation}; champion is generation {to}, as before"
    return f"{kind}: champion was generation {previous}, is generation {to}"


def _champion(workspace: Workspace, to: int, out: CanaryMade | None) -> int:
    w = warehouse_of(workspace)
    made, previous = [g.generation for g in ledger.generations(w)], ledger.champion(w)
    if previous is None or to not in made:
        there = ", ".join(map(str, made)) or "none"
        raise ContractBroken(f"no generation {to}; the ledger knows {there}: evercurrent status")
    if to == previous and out is None:
        raise ContractBroken(f"generation {to} is champion already; nothing to move: evercurrent status")
    return previous
