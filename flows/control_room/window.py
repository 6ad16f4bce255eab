"""The window: what came in, what of it is sound, and what was set aside why. Artifact ``window``."""

from collections.abc import Iterable

from components.domain import iso
from components.pages.turn_pages import TurnPage
from flows.control_room import contract
from flows.control_room.links import linked_page
from flows.control_room.log_line import Figures
from flows.control_room.markdown import table, text
from flows.control_room.shown import Markdown, Shown
from flows.stages.results import ValidatedWindow
from flows.turn import Turn
from warehouse import ledger


def shown(turn: Turn, validated: ValidatedWindow) -> Iterable[Shown]:
    """Counts, batches, and the quarantine by reason."""
    found = validated.validation
    counts, reasons = found.statistics, found.quarantined["reason"].value_counts()
    rows = [
        ("requests", counts.requests),
        ("impressions", counts.impressions),
        ("outcomes", counts.outcomes),
        ("impressions accepted", counts.accepted),
        ("impressions set aside", counts.set_aside),
        ("rows in quarantine", counts.quarantined),
    ]
    batches = [
        (b.path, b.rows, b.duplicates, iso(b.first_at), iso(b.last_at))
        for b in ledger.batches_of_window(turn.warehouse, turn.window)
    ]
    body = (
        f"# {text(str(turn.window))}\n\n{table(('figure', 'value'), rows)}\n## Batches with rows of this window\n\n"
        f"{table(('batch', 'rows', 'here already', 'from', 'to'), batches)}\n## Quarantine by reason\n\n"
        f"{table(('reason', 'rows'), [(str(reason), int(count)) for reason, count in reasons.items()])}"
        f"{linked_page(turn, TurnPage.VALIDATION)}"
    )
    yield from contract.shown(turn, validated)
    yield Markdown("window", f"What came in: {counts.accepted:,} of {counts.impressions:,} impressions accepted", body)


def figures(turn: Turn, validated: ValidatedWindow) -> Figures:
    """For the log."""
    counts = validated.validation.statistics
    return {
        "requests": counts.requests,
        "impressions": counts.impressions,
        "accepted": counts.accepted,
        "quarantined": counts.quarantined,
        "contracts_broken": counts.contracts_broken,
    }
