"""The words of Evercurrent as types.

One word per idea, the same in Python, SQL, JSON and logs. Everything here is frozen
and depends on numpy alone, so that every other part may import it.

Time is an integer: microseconds since the epoch, UTC. Windows are half-open,
``[start, cutoff)``. Raw ids are strings at every boundary; inside, an id of a field is
its *key*, a 64-bit hash of ``(field, id)`` (see ``components.ranker.features``).
"""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from components.sigmoid import sigmoid

Keys: TypeAlias = npt.NDArray[np.uint64]
Floats: TypeAlias = npt.NDArray[np.float32]
Doubles: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]

MISSING_KEY = np.uint64(0)
"""The key of "no value": no id hashes to it, every table reads zeros for it."""

SECOND = 1_000_000
MINUTE = 60 * SECOND
HOUR = 60 * MINUTE
DAY = 24 * HOUR
WEEK = 7 * DAY

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def iso(instant: int) -> str:
    """ISO 8601 text of an instant in microseconds; a fraction of a second is said only where there is one.

    >>> iso(1_362_062_307_000_000), iso(1_362_062_307_000_001)
    ('2013-02-28T14:38:27Z', '2013-02-28T14:38:27.000001Z')
    """
    moment = EPOCH + timedelta(microseconds=instant)
    return moment.replace(tzinfo=None).isoformat() + "Z"


def instant_of(moment: datetime) -> int:
    """Microseconds since the epoch, to the last one; a time without zone is UTC.

    >>> instant_of(datetime.fromisoformat("2013-02-28T14:38:27.000001Z"))
    1362062307000001
    """
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // timedelta(microseconds=1)


class EvercurrentError(Exception):
    """Bad news with one line for people: what was received, what is allowed, where to look."""


class ContractBroken(EvercurrentError):
    """The data is wrong: stop the turn, or quarantine the rows. Retrying does not help."""


class Transient(EvercurrentError):
    """The world is busy (a lock, a port, a full queue): the same call may succeed later."""


class TookTooLong(Transient):
    """A stage was ended because it took longer than it may; the next run resumes it, the same run tries it no more."""


@dataclass(frozen=True, slots=True)
class Refused:
    """The gate or a diagnostic says no. A normal result, stored; never raised.

    `figure` is what was measured, `limit` what is allowed, `advice` what to do about it.
    """

    reason: str
    figure: float
    limit: float
    advice: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.figure:.4g} (limit {self.limit:.4g}); {self.advice}"


class Verdict(StrEnum):
    """What the gate says about a challenger."""

    PROMOTE = "PROMOTE"
    HOLD = "HOLD"
    ROLL_BACK = "ROLL_BACK"


class DriftAction(StrEnum):
    """What to do about drift; ordered from nothing to stop."""

    NONE = "NONE"
    REFRESH_MEMORY = "REFRESH_MEMORY"
    UPDATE = "UPDATE"
    WIDEN_EXPLORATION = "WIDEN_EXPLORATION"
    REBUILD = "REBUILD"
    HALT = "HALT"


@dataclass(frozen=True, slots=True)
class Examples:
    """What a ranker and a memory see of n (user, item, context) triples.

    Attributes
    ----------
    keys : (n, C) uint64, hashed ids in the columns of the feature spec.
    numeric : (n, M) float32, missing values as nan.
    at : (n,) int64, microseconds: when the item was, or would be, shown.
    """

    keys: Keys
    numeric: Floats
    at: Ints

    def __len__(self) -> int:
        return len(self.at)

    def take(self, index: Ints | Bools | slice) -> "Examples":
        """The rows at `index`, in that order."""
        return Examples(self.keys[index], self.numeric[index], self.at[index])

    @staticmethod
    def concat(parts: "list[Examples]") -> "Examples":
        """Rows of all parts, in order."""
        return Examples(
            np.concatenate([p.keys for p in parts]),
            np.concatenate([p.numeric for p in parts]),
            np.concatenate([p.at for p in parts]),
        )


@dataclass(frozen=True, slots=True)
class Matured:
    """Examples whose reward is known: n rows.

    Attributes
    ----------
    reward : (n,) float32 in [0, 1].
    grade : (n,) float32, how strong the outcome was, in any unit, such as a rating or seconds: it tells apart what
        the reward does not. nan where unknown; None: the reward says all. Where rewards are amounts, the amount.
    """

    examples: Examples
    reward: Floats
    grade: Floats | None = None

    def __len__(self) -> int:
        return len(self.reward)

    def take(self, index: Ints | Bools | slice) -> "Matured":
        """The rows at `index`, in that order."""
        return Matured(self.examples.take(index), self.reward[index], None if self.grade is None else self.grade[index])

    def joined(self, other: "Matured") -> "Matured":
        """The rows of both, these first."""
        grade = None
        if self.grade is not None or other.grade is not None:
            grade = np.concatenate(
                [np.full(len(m), np.nan, np.float32) if m.grade is None else m.grade for m in (self, other)]
            )
        examples = Examples.concat([self.examples, other.examples])
        return Matured(examples, np.concatenate([self.reward, other.reward]), grade)


@dataclass(frozen=True, slots=True)
class Prediction:
    """What a ranker says: `logit` (n,) float32 and `hidden` (n, H) float32.

    `hidden` is the last hidden layer, the key of the similarity views of the memory.
    """

    logit: Floats
    hidden: Floats

    @property
    def probability(self) -> Floats:
        """(n,) expected reward, sigmoid of the logit."""
        return sigmoid(self.logit).astype(np.float32)


@dataclass(frozen=True, slots=True)
class Window:
    """Half-open ``[start, cutoff)``, microseconds UTC."""

    start: int
    cutoff: int

    def __post_init__(self) -> None:
        if self.start >= self.cutoff:
            raise ValueError(f"window [{iso(self.start)}, {iso(self.cutoff)}) is empty; start must precede cutoff")

    def __str__(self) -> str:
        return f"[{iso(self.start)}, {iso(self.cutoff)})"
