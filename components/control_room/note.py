"""A notification: what is sent to a webhook, as plain JSON."""

import hashlib
from enum import StrEnum

from pydantic import Field

from components.domain import Verdict
from components.frozen import Frozen


class NoteKind(StrEnum):
    """What a notification is about."""

    PROMOTE = "promote"
    HOLD = "hold"
    ROLL_BACK = "roll_back"
    HALT = "halt"
    CONTRACT_BROKEN = "contract_broken"
    TRANSIENT_REPEATED = "transient_repeated"


class Note(Frozen):
    """What is sent, field by field as JSON. A receiver may get one twice: `id` tells it apart.

    Attributes
    ----------
    id : the same for the same news of the same home, hexadecimal.
    kind : see `NoteKind`. home : folder of all state. source : whose log it holds, None where that is not known.
    cutoff : ISO instant that ends the turn's window, None where the turn did not open.
    stage : where it broke; None where a turn ended.
    champion : the generation that answers now; generation : the one the turn made, None where it made none.
    reasons : one line each, the most important first.
    link : page or folder that tells more; None where there is none.
    at : ISO instant at which it was written down.
    """

    id: str
    kind: NoteKind
    home: str
    source: str | None = None
    cutoff: str | None = None
    stage: str | None = None
    champion: int | None = None
    generation: int | None = None
    reasons: tuple[str, ...] = Field(min_length=1)
    link: str | None = None
    at: str


def kind_of(verdict: Verdict, drift_action: str) -> NoteKind:
    """What the end of a turn is news of; a window that was halted is no mere HOLD.

    >>> kind_of(Verdict.HOLD, "HALT"), kind_of(Verdict.HOLD, "UPDATE")
    (<NoteKind.HALT: 'halt'>, <NoteKind.HOLD: 'hold'>)
    """
    return NoteKind.HALT if drift_action == "HALT" else NoteKind(verdict.value.lower())


def note_id(*parts: object) -> str:
    """Name of the news that `parts` tell; 16 hexadecimal digits."""
    return hashlib.sha256("\n".join(map(str, parts)).encode()).hexdigest()[:16]
