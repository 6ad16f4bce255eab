"""Creep: what many small allowed losses may add up to, held against an anchor.

A margin excuses what one small sample cannot exclude, so a hundred challengers of which each is 1 % worse could
pass one after the other (non-inferiority margins add up; the "bio-creep" of active-control trials: D'Agostino,
Massaro and Sullivan 2003, Statistics in Medicine 22, section 6). Here every release spends the loss that its own
test could not exclude, from a budget that counts from an anchor: the best generation of the last releases by
lower bounds. Where the budget is short the margin shrinks with it, down to superiority; a challenger whose own
comparison with the anchor shows it within the budget needs no credit.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pydantic import TypeAdapter


@dataclass(frozen=True)
class Released:
    """A released `generation` and `spent`: the share of the anchor's value that it may have lost, as far as shown."""

    generation: int
    spent: float


@dataclass(frozen=True)
class Standing:
    """The releases since the anchor, the anchor first with nothing spent, the champion last.

    >>> one = Standing.of(1).after(Released(2, 0.02), keep=20)
    >>> one.anchor, one.spent, round(one.left(0.1), 3)
    (1, 0.02, 0.08)
    >>> one.after(Released(3, -0.01), keep=20).anchor
    3
    """

    trail: tuple[Released, ...]

    @classmethod
    def of(cls, generation: int) -> "Standing":
        """A generation that is its own anchor: the first one, or one that a person put there."""
        return cls((Released(generation, 0.0),))

    @property
    def anchor(self) -> int:
        """The generation that losses are counted from."""
        return self.trail[0].generation

    @property
    def champion(self) -> int:
        """The latest release."""
        return self.trail[-1].generation

    @property
    def spent(self) -> float:
        """Share of the anchor's value that the champion may have lost."""
        return self.trail[-1].spent

    def left(self, budget: float) -> float:
        """What a release may still spend of a budget."""
        return max(budget - self.spent, 0.0)

    def after(self, release: Released, keep: int) -> "Standing":
        """The standing after a release, of which `keep` at most are remembered beside the champion.

        Who may have lost nothing becomes the anchor. Where the anchor is older than `keep` releases, the best of the
        later ones by lower bound takes its place, and losses are counted from there.
        """
        if release.spent <= 0:
            return Standing.of(release.generation)
        trail = (*self.trail, release)
        return Standing(trail) if len(trail) <= keep + 1 else _anchored_at_best(trail[1:])

    def to_json(self) -> str:
        """One JSON document, kept in the ledger with the champion."""
        return _STANDING.dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str) -> "Standing":
        """The standing that `to_json` wrote."""
        return _STANDING.validate_json(text)


_STANDING = TypeAdapter(Standing)


def _anchored_at_best(trail: Sequence[Released]) -> Standing:
    best = min(range(len(trail)), key=lambda i: trail[i].spent)
    return Standing(tuple(replace(r, spent=r.spent - trail[best].spent) for r in trail[best:]))
