"""Take a window that was learned back out: the generation before it answers again, and nobody learns from the window.

What came after it is learned anew by the next turn, which begins with that generation: it knows nothing of what came
later.
"""

from datetime import datetime
from pathlib import Path

from prefect import flow

from components.domain import ContractBroken, Window, instant_of, iso
from components.publish.manifest import verify
from flows.control_room.failed import tell_failure
from flows.control_room.hearing import hear
from flows.control_room.name import call
from flows.site.draw import refresh_site
from flows.stages.release import go_to, settle
from flows.stages.set_aside import drop_memories, tell_service
from flows.turn import ALL_TIME, warehouse_of
from flows.workspace import Workspace, enter
from flows.writing import writing
from warehouse import ledger, set_asides
from warehouse.records import SetAside, SetAsideStatus


@flow(name="quarantine", on_running=[hear], on_failure=[tell_failure])
def quarantine(home: str, start: datetime, cutoff: datetime, reason: str) -> str:
    """Set ``[start, cutoff)`` aside and go back to the generation that was champion before it.

    Returns
    -------
    One line: which window, and who answers.

    Raises
    ------
    ContractBroken
        If the window is none, is not over, or began before there was a champion; or the reason is empty.
    """
    workspace = enter(Path(home))
    if not reason.strip():
        raise ContractBroken("the reason is empty; say why, it is kept in the ledger: --reason '...'")
    with writing(workspace, patient=True):
        window = _window(workspace, instant_of(start), instant_of(cutoff))
        to = _before(workspace, window)
        taken = SetAside(start=window.start, cutoff=window.cutoff, status=SetAsideStatus.QUARANTINED, reasons=(reason,))
        set_asides.record(warehouse_of(workspace), taken)
        drop_memories(workspace, window)
        settle(workspace)
        previous = ledger.champion(warehouse_of(workspace))
        if to != previous:
            go_to(workspace, to, f"quarantine of {window}: {reason}")
        tell_service(workspace)
        refresh_site(workspace)
    call(f"QUARANTINED {window}")
    answers = f"generation {to} answers" if to == previous else f"generation {to} answers instead of {previous}"
    after = "the next turn learns what came after it: evercurrent loop"
    return f"QUARANTINED: nobody learns from {window}; {answers}; {after}"


def _window(workspace: Workspace, start: int, cutoff: int) -> Window:
    last = ledger.last_window(warehouse_of(workspace), ALL_TIME)
    if start >= cutoff:
        raise ContractBroken(f"the window [{iso(start)}, {iso(cutoff)}) is empty; its start must come before its end")
    if last is None or cutoff > last.cutoff:
        until = "nothing yet" if last is None else f"up to {iso(last.cutoff)}"
        raise ContractBroken(f"the window ends {iso(cutoff)}; learned is {until}: evercurrent status")
    return Window(start, cutoff)


def _before(workspace: Workspace, window: Window) -> int:
    """The generation that knows nothing of the window: today's champion, if it was made before, else an earlier one."""
    to = ledger.champion_before(warehouse_of(workspace), window.start)
    if to is None:
        raise ContractBroken(
            f"the window {window} began before there was a champion that knows nothing of it; "
            "begin a new home without it: evercurrent ingest PATH --source NAME --home FOLDER"
        )
    verify(workspace.bundle(to))
    return to
