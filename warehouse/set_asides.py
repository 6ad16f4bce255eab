"""What was decided about windows that nobody learns from, and what stands of it: an append-only ledger of its own."""

from warehouse.connect import Warehouse
from warehouse.ledger_rows import parameters, records, write
from warehouse.records import SetAside, SetAsideMade


def made(w: Warehouse) -> tuple[SetAsideMade, ...]:
    """Every decision about a window, in order."""
    return records(w, "set_asides", SetAsideMade)


def standing(w: Warehouse) -> tuple[SetAsideMade, ...]:
    """What stands of each window about which something was decided, in order of time."""
    return standing_of(made(w))


def standing_of(decisions: tuple[SetAsideMade, ...]) -> tuple[SetAsideMade, ...]:
    """The latest decision about each window, in order of time."""
    latest = {(one.start, one.cutoff): one for one in decisions}
    return tuple(latest[ends] for ends in sorted(latest))


def record(w: Warehouse, decided: SetAside) -> None:
    """Keep a decision about a window; one that stands already is not repeated."""
    write(w, "record_set_aside", **parameters(decided))
