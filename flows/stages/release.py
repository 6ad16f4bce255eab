"""Release: the moves of the champion pointer and of the canary's, each in the ledger first, with its reason.

The warehouse says who serves whom; pointers and the exported ledger are made to say the same, as often as need be.
"""

from components.domain import Verdict
from components.evaluate.canary_settings import CanarySettings
from components.publish.canary import Canary
from components.publish.pointer import (
    Pointer,
    Release,
    ReleaseKind,
    Role,
    append_release,
    clear_pointer,
    move_pointer,
)
from flows.turn import Turn, warehouse_of
from flows.workspace import Workspace
from warehouse import ledger
from warehouse.records import CanaryEnded, CanaryMade, CanaryWanted, ReleaseWanted


def release(workspace: Workspace, wanted: ReleaseWanted) -> None:
    """Append to the release ledger, then move the champion pointer."""
    ledger.record_release(warehouse_of(workspace), wanted)
    settle(workspace)


def release_in_turn(turn: Turn, generation: int, kind: ReleaseKind, reasons: tuple[str, ...]) -> None:
    """Move the champion pointer once per turn, however often the turn is resumed."""
    if ledger.released_in(turn.warehouse, turn.window.cutoff):
        settle(turn.workspace)
        return
    why, cutoff = "; ".join(reasons), turn.window.cutoff
    wanted = ReleaseWanted(generation=generation, kind=kind.value, reason=why, cutoff=cutoff)
    release(turn.workspace, wanted)


def send_out(turn: Turn, generation: int) -> None:
    """Let a generation serve a share of the users beside the champion."""
    assert turn.champion is not None, "the first generation serves everyone"
    settings = turn.settings.release.canary.model_dump_json()
    began = turn.window.cutoff
    wanted = CanaryWanted(generation=generation, champion=turn.champion, began_at=began, settings=settings)
    ledger.send_canary_out(turn.warehouse, wanted)
    settle(turn.workspace)


def take_back(workspace: Workspace, ended: CanaryEnded) -> None:
    """End a canary: promoted or refused, the champion serves everyone again."""
    ledger.end_canary(warehouse_of(workspace), ended)
    settle(workspace)


def go_to(workspace: Workspace, generation: int, reason: str) -> ReleaseKind:
    """Make a generation champion by hand, if it is not; a canary that is out ends: it stood beside another champion."""
    w = warehouse_of(workspace)
    previous, out = ledger.champion(w), ledger.canary_out(w)
    assert previous is not None, "there was a champion to leave"
    kind = ReleaseKind.ROLL_BACK if generation < previous else ReleaseKind.RE_PROMOTE
    if generation != previous:
        release(workspace, ReleaseWanted(generation=generation, kind=kind.value, reason=reason, cutoff=None))
    if out is not None:
        take_back(workspace, ended_by_hand(out.generation, generation, reason))
    return kind


def settings_of(out: CanaryMade) -> CanarySettings:
    """The settings that a canary was sent out with: what it must show does not change while it is out."""
    return CanarySettings.model_validate_json(out.settings)


def settle(workspace: Workspace) -> None:
    """Make the exported ledger and the pointers say what the warehouse says; repeating it changes nothing."""
    w = warehouse_of(workspace)
    made, out = ledger.releases(w), ledger.canary_out(w)
    for one in made:
        append_release(workspace.root, Release.model_validate(one.model_dump()))
    if made:
        move_pointer(workspace.root, Role.CHAMPION, Pointer.to(made[-1].generation))
    if out is None:
        clear_pointer(workspace.root, Role.CANARY)
    else:
        canary = Canary.beside(out.champion, out.generation, settings_of(out).share)
        move_pointer(workspace.root, Role.CANARY, canary)


def ended_by_hand(generation: int, champion: int, reason: str) -> CanaryEnded:
    """What becomes of a canary when a person makes `champion` champion: promoted if it is the one, else refused."""
    verdict = Verdict.PROMOTE if generation == champion else Verdict.ROLL_BACK
    return CanaryEnded(generation=generation, verdict=verdict.value, reasons=(f"by hand: {reason}",), ended_at=None)
