"""Which generations a home must keep: who answers, who may have to come back, who is being compared, who is recent.

Age is data time: before the latest finished turn's cutoff, never the clock's, so that a home that rests loses nothing.
Pure: what the ledger says goes in, numbers and reasons come out.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Literal

from pydantic import Field

from components.domain import DAY
from components.frozen import Frozen


class RetentionSettings(Frozen):
    """What `evercurrent prune` leaves. The ledger is never pruned, facts only where `facts_days` says so."""

    days: float = Field(default=30.0, ge=0)
    """Data time before the latest turn within which everything that the ledger names is kept, and, by the clock, copies
    of the warehouse made before a migration. A month: as long as a canary, or complaints, may take to speak against a
    release."""
    generations: int = Field(default=7, ge=1)
    """Newest generations that keep bundle and checkpoint however old they are: a loop that turns monthly has a past."""
    releases: int = Field(default=5, ge=1)
    """Latest champions that keep bundle and checkpoint, so that there is somewhere to roll back to."""
    turns: int = Field(default=10, ge=2)
    """Newest turn folders that are kept; the ledger has their figures, the next turn needs the evidence of the last."""
    pages_days: float = Field(default=365.0, ge=0)
    """Data time for which the pages of turns stay in the site: .1 MB a turn, and what people look up."""
    segments_days: float = Field(default=30.0, ge=0)
    """Data time before the latest turn after which a closed file of the decision log becomes an archive, a tenth of its
    size; later, where champion or canary were made before and a service that starts needs it (`flows/archive.py`)."""
    logs_days: float = Field(default=30.0, ge=0)
    """Days since a log file was last written to, by the clock, after which it goes."""
    runs_days: float = Field(default=30.0, ge=0)
    """Days since a Prefect flow run ended, by the clock, after which it goes with its task runs, logs and artifacts."""
    runs: int = Field(default=200, ge=0)
    """Newest flow runs that are kept however old they are."""
    facts_days: float | None = Field(default=None, gt=0)
    """Data time before the latest turn for which requests, impressions and outcomes stay in the warehouse, in whole
    days; none: for good. What a generation that is kept has not learned stays however old it is."""
    old_facts: Literal["archive", "delete"] = "archive"
    """What becomes of older ones: Parquet files in `facts/`, a folder for each day, or nothing."""
    decisions_days: float | None = Field(default=None, gt=0)
    """Data time before the latest turn after which archived files of the decision log go for good, by the day in their
    name; none: never. The warehouse has what they say."""


@dataclass(frozen=True, slots=True)
class Named:
    """The ledger names a generation at an instant of data time: made, judged, released, measured against, refreshed."""

    generation: int
    at: int
    why: str


@dataclass(frozen=True, slots=True)
class Lineage:
    """What the ledger says of a home's generations.

    Attributes
    ----------
    needed : generation -> why it is needed whatever its age: champion, canary, challenger on hold.
    made : every generation, in order. parents, anchors : of those that have one. released : champions in the order of
        their latest release.
    """

    made: tuple[int, ...]
    needed: Mapping[int, str]
    named: tuple[Named, ...] = ()
    parents: Mapping[int, int] = field(default_factory=dict)
    anchors: Mapping[int, int] = field(default_factory=dict)
    released: tuple[int, ...] = ()


def kept_generations(lineage: Lineage, latest: int, settings: RetentionSettings) -> dict[int, str]:
    """Generation -> why it is kept; all others may go.

    Parameters
    ----------
    latest : cutoff of the latest finished turn, microseconds.

    Whoever may be rolled back to is kept with its parent and its anchor: the turn after a roll-back compares with them.
    """
    horizon = horizon_of(latest, settings.days)
    kept = dict(lineage.needed)
    _keep(kept, lineage.released[-settings.releases :], "one of the latest champions")
    _keep(kept, lineage.made[-settings.generations :], "one of the newest")
    for named in lineage.named:
        if named.at >= horizon:
            kept.setdefault(named.generation, named.why)
    for generation in sorted(kept):
        _keep_beside(kept, lineage.parents, generation, "parent")
        _keep_beside(kept, lineage.anchors, generation, "anchor")
    return dict(sorted(kept.items()))


def horizon_of(latest: int, days: float) -> int:
    """The instant before which data time is old.

    >>> horizon_of(40 * DAY, 30) // DAY
    10
    """
    return latest - round(days * DAY)


def day_start(day: date) -> int:
    """Midnight UTC, microseconds.

    >>> day_start(date(1970, 1, 3)) // DAY
    2
    """
    return (day - date(1970, 1, 1)).days * DAY


def _keep(kept: dict[int, str], generations: Iterable[int], why: str) -> None:
    for generation in generations:
        kept.setdefault(generation, why)


def _keep_beside(kept: dict[int, str], of: Mapping[int, int], generation: int, what: str) -> None:
    if generation in of:
        kept.setdefault(of[generation], f"{what} of generation {generation}")
