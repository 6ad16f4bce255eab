"""Accept a window that was set aside: the world has changed, and what it says is true."""

from datetime import datetime
from pathlib import Path

from prefect import flow

from components.domain import ContractBroken, instant_of, iso
from flows.control_room.failed import tell_failure
from flows.control_room.hearing import hear
from flows.control_room.name import call
from flows.site.draw import refresh_site
from flows.stages.set_aside import readmit, tell_service
from flows.turn import warehouse_of
from flows.workspace import Workspace, enter
from flows.writing import writing
from warehouse import set_asides
from warehouse.records import SetAsideMade, SetAsideStatus


@flow(name="accept-window", on_running=[hear], on_failure=[tell_failure])
def accept_window(home: str = ".evercurrent", cutoff: datetime | None = None, reason: str = "") -> str:
    """Let the next turn learn a window that was set aside, as it was logged.

    Parameters
    ----------
    cutoff : of the window; default the latest that is set aside.

    Returns
    -------
    One line: which window, and from when on it is learned.

    Raises
    ------
    ContractBroken
        If no such window is set aside, or the reason is empty.
    """
    workspace = enter(Path(home))
    if not reason.strip():
        raise ContractBroken("the reason is empty; say why, it is kept in the ledger: --reason '...'")
    with writing(workspace, patient=True):
        made = _aside(workspace, None if cutoff is None else instant_of(cutoff))
        readmit(workspace, made.window, SetAsideStatus.ACCEPTED, (reason,))
        tell_service(workspace)
        refresh_site(workspace)
    call(f"ACCEPTED {made.window}")
    return f"ACCEPTED: the window {made.window} is learned by the next turn: evercurrent loop"


def _aside(workspace: Workspace, cutoff: int | None) -> SetAsideMade:
    """The window that is meant, of those that are set aside."""
    aside = [made for made in set_asides.standing(warehouse_of(workspace)) if made.status.aside]
    meant = [made for made in aside if cutoff in (None, made.cutoff)]
    if not meant:
        asked = "no window" if cutoff is None else f"no window that ends {iso(cutoff)}"
        there = ", ".join(str(made.window) for made in aside) or "none"
        raise ContractBroken(f"{asked} is set aside; set aside: {there}; see evercurrent status")
    return max(meant, key=lambda made: made.number)
