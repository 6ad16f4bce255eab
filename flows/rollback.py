"""Move the champion pointer, with a reason: back to an earlier generation, or forward again."""

from pathlib import Path

from prefect import flow

from components.domain import ContractBroken
from components.publish.manifest import verify
from components.publish.pointer import ReleaseKind
from flows.stages.publish import record_release, settle
from flows.turn import described_source
from flows.workspace import Workspace, enter
from warehouse import query
from warehouse.connect import warehouse


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
    state = enter(Path(home))
    if not reason.strip():
        raise ContractBroken("the reason is empty; say why, it is kept in the release ledger: --reason '...'")
    with state.held():
        source = described_source(state).name
        settle(state, source)
        previous = _champion(state, source, to)
        verify(state.bundle(to))
        kind = ReleaseKind.ROLL_BACK if to < previous else ReleaseKind.RE_PROMOTE
        record_release(state, source, to, kind, reason, cutoff=None)
    return f"{kind}: champion was generation {previous}, is generation {to}"


def _champion(home: Workspace, source: str, to: int) -> int:
    with warehouse(home.warehouse) as connection:
        made = query.rows(connection, "06_ledger/generations", source=source)
        champion = query.rows(connection, "06_ledger/champion", source=source)
    known = [int(str(row["generation"])) for row in made]
    if to not in known:
        there = ", ".join(map(str, known)) or "none"
        raise ContractBroken(f"no generation {to}; the ledger knows {there}: evercurrent status")
    previous = int(str(champion[0]["generation"]))
    if to == previous:
        raise ContractBroken(f"generation {to} is champion already; nothing to move: evercurrent status")
    return previous
