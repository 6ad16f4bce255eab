"""Move the champion pointer, with a reason: back to an earlier generation, or forward again.

A canary that is out ends with it: it was compared with a champion that is none any more. With the champion itself as
the generation to go to, the canary alone is taken back.
"""

from collections.abc import Iterator
from pathlib import Path

from prefect import flow

from components.domain import ContractBroken
from components.publish.manifest import verify
from flows.control_room.events import CanaryEvent, Event, ReleaseEvent, emit
from flows.control_room.failed import tell_failure
from flows.control_room.hearing import hear
from flows.control_room.name import call
from flows.site.draw import refresh_site
from flows.stages.release import go_to, settle
from flows.turn import warehouse_of
from flows.workspace import Workspace, enter
from flows.writing import writing
from warehouse import ledger
from warehouse.records import CanaryMade


@flow(name="rollback", on_running=[hear], on_failure=[tell_failure])
def rollback(home: str = ".evercurrent", to: int = 1, reason: str = "") -> str:
    """Make generation `to` champion. Any generation in the ledger is allowed, whatever its verdict was.

    A canary that is out is taken back, or is what everyone gets from now on if it is `to`.

    Returns
    -------
    One line: what was champion, what is.

    Raises
    ------
    ContractBroken
        If there is no such generation, it is champion already, its bundle was pruned or is damaged, or the reason is
        empty.
    """
    workspace = enter(Path(home))
    if not reason.strip():
        raise ContractBroken("the reason is empty; say why, it is kept in the release ledger: --reason '...'")
    with writing(workspace, patient=True):
        settle(workspace)
        out = ledger.canary_out(warehouse_of(workspace))
        previous = _champion(workspace, to, out)
        _check_kept(workspace, to)
        verify(workspace.bundle(to))
        kind = go_to(workspace, to, reason)
        emit(_events(workspace, moved=to != previous, canary=None if out is None else out.generation))
        refresh_site(workspace)
    call(f"{kind} generation {previous} to {to}" if to != previous else f"{kind} of the canary")
    if to == previous and out is not None:
        return f"ROLL_BACK: canary was generation {out.generation}; champion is generation {to}, as before"
    return f"{kind}: champion was generation {previous}, is generation {to}"


def _events(workspace: Workspace, *, moved: bool, canary: int | None) -> Iterator[Event]:
    """What moved, as the ledger has it."""
    w = warehouse_of(workspace)
    if moved:
        yield ReleaseEvent.of(w.source, ledger.releases(w)[-1])
    for ended in ledger.canaries(w):
        if ended.generation == canary:
            yield CanaryEvent.ended(w.source, ended)


def _check_kept(workspace: Workspace, to: int) -> None:
    if not workspace.bundle(to).exists():
        kept = sorted(p.name for p in (workspace.root / "bundles").glob("g??????"))
        raise ContractBroken(
            f"the bundle of generation {to} was pruned, so it cannot answer; kept are {', '.join(kept) or 'none'}: "
            "evercurrent status, and [retention] for what is kept from now on"
        )


def _champion(workspace: Workspace, to: int, out: CanaryMade | None) -> int:
    w = warehouse_of(workspace)
    made, previous = [g.generation for g in ledger.generations(w)], ledger.champion(w)
    if previous is None or to not in made:
        there = ", ".join(map(str, made)) or "none"
        raise ContractBroken(f"no generation {to}; the ledger knows {there}: evercurrent status")
    if to == previous and out is None:
        raise ContractBroken(f"generation {to} is champion already; nothing to move: evercurrent status")
    return previous
