"""Validate: hold the window against its contracts; findings written beside the turn and into the ledger."""

from components.domain import ContractBroken, DriftAction, Window
from components.pages.page import write_page
from components.pages.turn_pages import TurnPage
from components.validate.contracts import Frames, Totals
from components.validate.validate import Validation
from components.validate.validate import validate as check
from components.validate.validation_page import validation_page
from flows.stages.notices import notices
from flows.stages.results import DriftFound, ValidatedWindow
from flows.turn import Turn
from warehouse import facts, ledger, set_asides
from warehouse.records import SetAsideStatus

LOOKED_AT = 1_000
"""Requests, the first of a window, whose rows the contracts see in any case: columns and types are read off them."""


def validate(turn: Turn, now: int | None) -> ValidatedWindow:
    """Hold the window against its contracts; what breaks a row contract goes to quarantine.

    So is a window that was mended since, or of which something came late: that is learned by this turn. `now`,
    microseconds, is what a log cannot know of; None: nobody asks what arrived out of its time.

    Raises
    ------
    ContractBroken
        If the window as a whole cannot be read, or is unsound and there is no champion yet that could answer meanwhile.
    """
    came_late = facts.late(turn.warehouse, turn.window.start)
    said = () if now is None else notices(turn, came_late, now)
    for window in (*_mended(turn), *(late.window for late in came_late)):
        if unsound := _unsound(turn, _checked(turn, window)):
            return ValidatedWindow(_checked(turn, turn.window), unsound, said, came_late)
    validation = _checked(turn, turn.window)
    write_page(turn.pages / TurnPage.VALIDATION.file, validation_page(validation))
    write_page(turn.folder / "validation.json", validation.to_json())
    unsound = _unsound(turn, validation)
    if unsound and turn.champion is None:
        raise ContractBroken(unsound.reasons[0])
    return ValidatedWindow(validation, unsound, said, came_late)


def _checked(turn: Turn, window: Window) -> Validation:
    """What a window breaks, entered into the ledger."""
    kinds, settings = [turn.source.outcome.kind, *(m.kind for m in turn.source.measured)], turn.settings.contracts
    logged = facts.suspects(turn.warehouse, window, kinds, LOOKED_AT)
    frames = Frames(logged.requests, logged.impressions, logged.outcomes)
    whole = Totals(logged.all_requests, logged.all_impressions, logged.all_outcomes, logged.answered)
    found = check(window, frames, kinds, settings, whole)
    ledger.record_validation(turn.warehouse, window, found.statistics.accepted, found.quarantined, found.to_json())
    return found


def _mended(turn: Turn) -> list[Window]:
    """Windows that were brought again since the last turn, and are learned by this one."""
    decided = set_asides.standing(turn.warehouse)
    return [
        made.window
        for made in decided
        if made.status is SetAsideStatus.MENDED and made.learnable_at == turn.window.start
    ]


def _unsound(turn: Turn, found: Validation) -> DriftFound | None:
    if found.success:
        return None
    share, allowed = found.statistics.share_set_aside, turn.settings.contracts.max_set_aside
    commonest = found.quarantined["reason"].value_counts()
    why = (
        f"{share:.1%} of the impressions of {found.window} broke a contract, {allowed:.1%} is allowed; "
        f"most often: {commonest.index[0]} ({commonest.iloc[0]:,}); see {turn.pages / TurnPage.VALIDATION.file}"
    )
    return DriftFound(DriftAction.HALT, (why,))
