"""A family tree of generations: who was made from whom, who became champion, who was held, and every move back.

Two lanes, in the order in which generations were made: who was ever champion above, who never was below. A line
goes from parent to child; a move of the champion pointer by roll-back or re-promotion is an arc above.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

STEP, TOP, LOWER, RADIUS = 54, 74, 150, 16
"""Pixels between two generations; height of the upper and the lower lane from above; radius of a generation."""


@dataclass(frozen=True, slots=True)
class Member:
    """One generation; `state` is how it is drawn: champion, released, canary, held or rolled_back.

    `note` is told on pointing at it.
    """

    number: int
    parent: int | None
    state: str
    note: str

    @property
    def upper(self) -> bool:
        """Whether it ever answered everybody."""
        return self.state in ("champion", "released", "rolled_back")


@dataclass(frozen=True, slots=True)
class Move:
    """A move of the champion pointer that was no ordinary promotion, from one generation to another."""

    start: int
    to: int
    note: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """All members in order; `moves` between them."""

    title: str
    members: Sequence[Member]
    moves: Sequence[Move] = ()
    caption: str = ""

    @property
    def width(self) -> int:
        """Pixels."""
        return STEP * max(len(self.members), 1) + STEP // 2

    @property
    def height(self) -> int:
        """Pixels; without a lower lane less."""
        return (LOWER if any(not m.upper for m in self.members) else TOP) + 52

    @property
    def places(self) -> Mapping[int, tuple[int, int]]:
        """Number -> x, y in pixels."""
        return {m.number: (STEP * p + STEP // 2 + 12, TOP if m.upper else LOWER) for p, m in enumerate(self.members)}

    @property
    def lines(self) -> list[str]:
        """Paths from parent to child, of those parents that are drawn."""
        places = self.places
        pairs = [
            (places[m.parent], places[m.number]) for m in self.members if m.parent is not None and m.parent in places
        ]
        return [f"M{a} {b}C{(a + c) // 2} {b} {(a + c) // 2} {d} {c} {d}" for (a, b), (c, d) in pairs]

    @property
    def arcs(self) -> list[tuple[str, Move]]:
        """Paths of the moves: above the lane, higher for longer ones."""
        places, found = self.places, []
        for move in self.moves:
            if move.start in places and move.to in places:
                (a, b), (c, d) = places[move.start], places[move.to]
                top = max(4, TOP - RADIUS - 14 - 6 * abs(a - c) // STEP)
                found.append((f"M{a} {b - RADIUS}C{a} {top} {c} {top} {c} {d - RADIUS - 5}", move))
        return found
