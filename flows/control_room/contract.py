"""The contracts: which held, which broke, and the share set aside against its limit. Artifact ``contract``."""

import json
from collections.abc import Iterable

from components.domain import ContractBroken
from components.pages.turn_pages import TurnPage
from components.validate.validate import Validation
from flows.control_room.links import linked_page
from flows.control_room.markdown import bullets, table
from flows.control_room.shown import Markdown, Shown
from flows.stages.results import ValidatedWindow
from flows.turn import Turn


def shown(turn: Turn, validated: ValidatedWindow) -> Iterable[Shown]:
    """Every contract of a window, also of one that is set aside for them."""
    yield _page(turn, validated.validation)


def shown_broken(turn: Turn, broken: ContractBroken) -> Iterable[Shown]:
    """What stopped a turn, and the figures of the contracts where they came so far.

    The stage writes them beside the turn before it stops; a window that is unsound as a whole has none.
    """
    told = ""
    path = turn.folder / "validation.json"
    if path.exists() and not (found := json.loads(path.read_text()))["success"]:
        rows = [(c["table"], c["reason"], c["checked"], c["broken"], _mark(c["broken"])) for c in found["contracts"]]
        told = f"\n{table(HEAD, rows)}{linked_page(turn, TurnPage.VALIDATION)}"
    yield Markdown("contract", "A contract is broken: the turn stopped", f"# BROKEN\n\n{bullets([str(broken)])}{told}")


HEAD = ("table", "contract", "rows checked", "rows that break it", "")


def _page(turn: Turn, found: Validation) -> Markdown:
    counts, limit = found.statistics, found.settings.max_set_aside
    share = f"{counts.share_set_aside:.2%} of the impressions set aside, {limit:.2%} allowed"
    broken = "" if found.success else "BROKEN: "
    held = f"{broken}{counts.contracts - counts.contracts_broken} of {counts.contracts} contracts held"
    rows = [(r.table, r.reason, r.checked, len(r.rows), _mark(len(r.rows))) for r in found.results]
    body = f"# {held}\n\n{share}\n\n{table(HEAD, rows)}{linked_page(turn, TurnPage.VALIDATION)}"
    return Markdown("contract", f"{held}; {share}", body)


def _mark(broken: int) -> str:
    return "BROKEN" if broken else "held"
