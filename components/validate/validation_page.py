"""The page of a validation; Great Expectations' own pages take their style from the network."""

from collections.abc import Sequence

from components.pages.blocks import Badge, Column, KeyFigure, KeyFigures, Row, Section, Table, Text, Tone
from components.pages.page import render
from components.validate.suite import ContractResult
from components.validate.validate import Validation


def validation_page(validation: Validation, notices: Sequence[str] = ()) -> str:
    """HTML of the findings, one file; `notices` are what arrived out of its time, or broken."""
    verdict = Badge("ACCEPTED", Tone.OK) if validation.success else Badge("FAILED", Tone.BAD)
    sections = [
        Section("", [_tiles(validation)]),
        Section("Row contracts", [Text([_reading(validation)]), _contracts(validation)]),
        Section("Set aside", [_set_aside(validation)]),
        *([Section("Arrived out of its time, or broken", [Text([notice]) for notice in notices])] if notices else []),
    ]
    return render("Validation", f"Window {validation.window}", sections, [verdict])


def _tiles(validation: Validation) -> KeyFigures:
    counts = validation.statistics
    limit = f"{counts.share_set_aside:.2%} of impressions; limit {validation.settings.max_set_aside:.0%}"
    tone = Tone.BAD if not validation.success else Tone.WARN if counts.set_aside else Tone.OK
    return KeyFigures(
        [
            KeyFigure("Requests", counts.requests, f"{counts.whole_requests:,} with a whole slate"),
            KeyFigure("Impressions", counts.impressions),
            KeyFigure("Outcomes", counts.outcomes),
            KeyFigure("Impressions accepted", counts.accepted),
            KeyFigure("Impressions set aside", counts.set_aside, limit, tone),
        ]
    )


def _reading(validation: Validation) -> str:
    counts = validation.statistics
    if not counts.contracts_broken:
        return f"All {counts.contracts} contracts hold for every row. The structure of the window is sound."
    return (
        f"{counts.contracts_broken} of {counts.contracts} contracts are broken by some row. Such a row is set aside, "
        "and with it an impression whose request or outcome it was: without them its reward is unknown, not 0."
    )


def _contracts(validation: Validation) -> Table:
    return Table(
        ["Table", "A row is set aside for", Column("Rows checked"), Column("Rows broken"), "Contract"],
        [_contract(result) for result in validation.results],
    )


def _contract(result: ContractResult) -> Row:
    if not result.checked:
        badge, tone = Badge("no rows"), Tone.PLAIN
    elif result.holds:
        badge, tone = Badge("holds", Tone.OK), Tone.PLAIN
    else:
        badge, tone = Badge("broken", Tone.WARN), Tone.WARN
    return Row([result.table, result.reason, result.checked, len(result.rows), badge], tone)


def _set_aside(validation: Validation) -> Table:
    shown = validation.quarantined.head(validation.settings.examples)
    more = len(validation.quarantined) - len(shown)
    return Table(
        ["Table", "Row", "Reason"],
        shown.to_numpy().tolist(),
        caption=f"The first {len(shown)}; {more:,} more are in the quarantine table." if more else "",
        empty="No row was set aside.",
    )
