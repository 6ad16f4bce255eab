"""What arrived out of its time: said, and not acted on; none of it is learned by the turn that says it."""

from components.domain import HOUR, iso
from flows.turn import Turn
from warehouse import facts, ledger

TOLD = 3
"""Windows that are named; the rest is counted."""


def notices(turn: Turn, now: int) -> tuple[str, ...]:
    """Impressions of windows that were closed before they came, and of instants after `now`, microseconds.

    The first are an export that was late, or old, or a clock that went back; the second a clock that is ahead.
    """
    return (*_late(turn), *_ahead(turn, now))


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
