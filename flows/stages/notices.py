"""What arrived out of its time, or broken: said, and not acted on; none of it is learned by the turn that says it."""

from components.domain import HOUR, iso
from flows.turn import Turn
from warehouse import facts, ledger, segments

TOLD = 3
"""Windows that are named; the rest is counted."""


def notices(turn: Turn, now: int) -> tuple[str, ...]:
    """Impressions of windows that were closed before they came, and of instants after `now`, microseconds.

    The first are an export that was late, or old, or a clock that went back; the second a clock that is ahead. And
    broken lines of the decision log, each told by one turn: a disk, or a hand.
    """
    return (*_late(turn), *_ahead(turn, now), *_broken(turn))


def _late(turn: Turn) -> list[str]:
    late = ledger.late(turn.warehouse, turn.window.start)
    if not late:
        return []
    named = ", ".join(f"{rows:,} in {window}" for window, rows in list(late.items())[:TOLD])
    more = f" and {len(late) - TOLD} more windows" if len(late) > TOLD else ""
    return [
        f"{sum(late.values()):,} impressions came after their windows were closed ({named}{more}): an export that was "
        "late or old, or a clock that went back; the gate judges none of them"
    ]


def _ahead(turn: Turn, now: int) -> list[str]:
    found = facts.ahead(turn.warehouse, now + HOUR)
    if found.latest is None:
        return []
    return [
        f"{found.impressions:,} impressions are logged as shown after now, {iso(now)}, the last {iso(found.latest)}: a "
        "clock is ahead; they are learned when their time comes"
    ]


def _broken(turn: Turn) -> list[str]:
    w, cutoff = turn.warehouse, turn.window.cutoff
    segments.tell_broken(w, cutoff)  # what this turn tells when it is resumed, too
    found = segments.told_broken(w, cutoff)
    if not found:
        return []
    named = "; ".join(map(str, found[:TOLD]))
    more = f"; and {len(found) - TOLD:,} more" if len(found) > TOLD else ""
    return [
        f"{len(found):,} lines of the decision log are broken and kept aside, the rest is read: {named}{more}; all of "
        "them: evercurrent status"
    ]
