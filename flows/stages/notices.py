"""What arrived out of its time, as a line for whoever reads the turn."""

from collections.abc import Sequence

from components.domain import HOUR, iso
from flows.turn import Turn
from warehouse import facts
from warehouse.facts import Late

TOLD = 3
"""Windows that are named; the rest is counted."""


def notices(turn: Turn, came_late: Sequence[Late], now: int) -> tuple[str, ...]:
    """What came after its window was closed, and what is logged as of after `now`, microseconds.

    The first is an export that was late, or old, or a clock that went back; the second a clock that is ahead.
    """
    return (*_late(came_late), *_ahead(turn, now))


def _late(found: Sequence[Late]) -> list[str]:
    if not found:
        return []
    impressions, outcomes = sum(f.impressions for f in found), sum(f.outcomes for f in found)
    named = ", ".join(f"{f.impressions:,} and {f.outcomes:,} of {f.window}" for f in found[:TOLD])
    more = f" and of {len(found) - TOLD} more windows" if len(found) > TOLD else ""
    return [
        f"{impressions:,} impressions and {outcomes:,} outcomes came after their windows were closed ({named}{more}): "
        "an export that was late or old, or a clock that went back; they are learned by this turn, and judge nobody"
    ]


def _ahead(turn: Turn, now: int) -> list[str]:
    found = facts.ahead(turn.warehouse, now + HOUR)
    if found.latest is None:
        return []
    return [
        f"{found.impressions:,} impressions are logged as shown after now, {iso(now)}, the last {iso(found.latest)}: a "
        "clock is ahead; they are learned when their time comes"
    ]
