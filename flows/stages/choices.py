"""What generations would have chosen in requests that another one answered: each by itself, some requests at a time.

A request and an entry get the same bits in whatever company, so that where a stretch ends, and which process works it
out, changes nothing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from components.coded import Coded
from components.domain import Doubles
from components.memory.memory import ErrorMemory
from components.policy.plackett_luce import PlackettLuce
from components.policy.slates import Shown
from components.ranker.features import Encoder
from components.ranker.forward import Forward
from components.ranker.model import Model
from components.serving.appraisal import appraised
from flows.stages.eligible_sets import Requests, encode_eligible

ENTRIES_AT_ONCE = 1 << 20
"""Entries of eligible sets that are encoded at a time; what they are encoded to is not held longer."""


@dataclass(frozen=True)
class Rater:
    """A generation that is asked.

    Attributes
    ----------
    folder : where its model lies; None: nowhere yet, as that of a challenger, a `Model`.
    expects : whether it is also asked which reward it expects.
    """

    model: Model | Forward
    memory: ErrorMemory
    policy: PlackettLuce
    folder: Path | None = None
    expects: bool = False


@dataclass(frozen=True, eq=False)
class Asked:
    """r requests with the slates shown in them.

    Attributes
    ----------
    recent : (r, width) raw ids of what their users liked last; None where the source has no such field.
    shown : entries of the eligible sets, one slate per request.
    """

    requests: Requests
    recent: Coded | None
    shown: Shown

    @property
    def entries(self) -> int:
        """Eligible entries of all requests."""
        return int(self.requests.offsets[-1])

    def part(self, first: int, last: int) -> "Asked":
        """The requests ``first:last`` by themselves."""
        bounds = self.shown.offsets[first : last + 1]
        entry = self.shown.entry[bounds[0] : bounds[-1]] - self.requests.offsets[first]
        recent = None if self.recent is None else self.recent.take(slice(first, last)).compact()
        return Asked(self.requests.part(first, last), recent, Shown(entry, bounds - bounds[0]))

    def stretches(self, entries: int) -> Iterator["Asked"]:
        """All requests, some with up to `entries` entries at a time, or one with more."""
        offsets, first = self.requests.offsets, 0
        while first < len(self.requests):
            last = int(np.searchsorted(offsets, offsets[first] + entries, side="right")) - 1
            last = max(last, first + 1)
            yield self.part(first, last)
            first = last


@dataclass(frozen=True, eq=False)
class Choices:
    """What one rater would have done, over the q entries still eligible at each shown position, given its prefix.

    Attributes
    ----------
    probability : (q,) of each; nan where the rater could not rate all of them.
    expected : (q,) reward it expects of each, in the unit the gate judges; None of a rater that was not asked.
    unrated, entries : eligible entries whose preference is not finite, and all.
    """

    probability: Doubles
    expected: Doubles | None
    unrated: int
    entries: int

    @classmethod
    def together(cls, parts: Sequence["Choices"]) -> "Choices":
        """One after the other; there is at least one."""
        expected = [part.expected for part in parts if part.expected is not None]
        return cls(
            np.concatenate([part.probability for part in parts]),
            np.concatenate(expected) if expected else None,
            sum(part.unrated for part in parts),
            sum(part.entries for part in parts),
        )


def choices(asked: Asked, encoder: Encoder, raters: Mapping[str, Rater]) -> dict[str, Choices]:
    """Rater -> what it would have done; `asked` has at least one request. Nobody learns anything from being asked."""
    made: dict[str, list[Choices]] = {name: [] for name in raters}
    for part in asked.stretches(ENTRIES_AT_ONCE):
        for name, said in _of(part, encoder, raters):
            made[name].append(said)
    return {name: Choices.together(made.pop(name)) for name in raters}  # one by one: a rater's parts go with it


def _of(asked: Asked, encoder: Encoder, raters: Mapping[str, Rater]) -> Iterator[tuple[str, Choices]]:
    examples = encode_eligible(asked.requests, encoder, asked.recent)
    for name, rater in raters.items():
        appraisal = appraised(rater.model.predict, rater.memory, examples)
        preference = appraisal.preference
        unrated = int((~np.isfinite(preference)).sum())
        rated = preference if not unrated else np.zeros(len(preference))
        found = rater.policy.conditionals(rated, asked.requests.offsets, asked.shown)
        expected = appraisal.expected[found.entry] if rater.expects else None
        probability: Doubles = found.probability if not unrated else np.full(len(found.entry), np.nan)
        yield name, Choices(probability, expected, unrated, len(preference))
