"""Validate: hold the window against its contracts; findings written beside the turn and into the ledger."""

from components.domain import ContractBroken
from components.pages.page import write_page
from components.pages.turn_pages import TurnPage
from components.validate.contracts import Frames
from components.validate.validate import Validation
from components.validate.validate import validate as check
from components.validate.validation_page import validation_page
from flows.stages.results import ValidatedWindow
from flows.turn import Turn
from warehouse import facts, ledger


def validate(turn: Turn) -> ValidatedWindow:
    """Hold the window against its contracts; what breaks a row contract goes to quarantine.

    Raises
    ------
    ContractBroken
        If the window as a whole is unsound.
    """
    logged = facts.window_frames(turn.warehouse, turn.window)
    settings, frames = turn.settings.contracts, Frames(logged.requests, logged.impressions, logged.outcomes)
    validation = check(
        turn.window, frames, [turn.source.outcome.kind, *(m.kind for m in turn.source.measured)], settings
    )
    _write(turn, validation)
    if not validation.success:
        share = validation.statistics.share_set_aside
        raise ContractBroken(
            f"{share:.1%} of the window's impressions broke a contract, {settings.max_set_aside:.1%} is allowed; "
            f"see {turn.pages / 'validation.html'}"
        )
    return ValidatedWindow(validation)


def _write(turn: Turn, validation: Validation) -> None:
    write_page(turn.pages / TurnPage.VALIDATION.file, validation_page(validation))
    write_page(turn.folder / "validation.json", validation.to_json())
    accepted, rejected = validation.statistics.accepted, validation.quarantined
    ledger.record_validation(turn.warehouse, turn.window, accepted, rejected, validation.to_json())
