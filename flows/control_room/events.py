"""Events that automations can act on: every name, what it carries, and how it is sent.

The resource of all of them is ``evercurrent.source.<source>``; Prefect adds the flow run, its deployment and its flow
as related resources. A turn that is resumed may send one again.
"""

from collections.abc import Iterable
from typing import Literal, Protocol, Self

from prefect.events import emit_event

from components.domain import DriftAction, Verdict, iso
from components.frozen import Frozen
from components.publish.pointer import ReleaseKind
from flows.control_room.shown import guarded
from flows.turn import Turn, TurnRecord
from warehouse.records import CanaryMade, ReleaseMade


class Event(Protocol):
    """Something that happened to the loop of a source; the fields are the payload."""

    @property
    def name(self) -> str:
        """``evercurrent.<what>.<how>``."""
        ...

    @property
    def source(self) -> str:
        """Whose log the loop learns from."""
        ...

    def model_dump(self, *, mode: str) -> dict[str, object]:
        """The payload as plain JSON."""
        ...


class TurnEvent(Frozen):
    """``evercurrent.turn.promote|hold|roll_back``: a turn ended."""

    source: str
    cutoff: str
    verdict: Verdict
    drift_action: str
    generation: int
    champion: int
    reasons: tuple[str, ...]

    @property
    def name(self) -> str:
        """By the verdict."""
        return f"evercurrent.turn.{self.verdict.lower()}"

    @classmethod
    def of(cls, source: str, record: TurnRecord) -> Self:
        """Of a turn's record."""
        fields = record.model_dump(include=set(cls.model_fields) - {"source"})
        return cls(source=source, **fields)


class HaltEvent(Frozen):
    """``evercurrent.halt``: a window contradicts what came before, and nothing was learned from it."""

    source: str
    cutoff: str
    champion: int
    reasons: tuple[str, ...]

    @property
    def name(self) -> str:
        """One."""
        return "evercurrent.halt"


class DriftEvent(Frozen):
    """``evercurrent.drift.widen_exploration|rebuild|halt``: drift asks for more than an update."""

    source: str
    cutoff: str
    champion: int | None
    action: DriftAction
    reasons: tuple[str, ...]

    @property
    def name(self) -> str:
        """By the action."""
        return f"evercurrent.drift.{self.action.lower()}"

    @classmethod
    def of(cls, turn: Turn, action: DriftAction, reasons: tuple[str, ...]) -> Self:
        """Of what a turn found."""
        cutoff = iso(turn.window.cutoff)
        return cls(source=turn.source.name, cutoff=cutoff, champion=turn.champion, action=action, reasons=reasons)


class ReleaseEvent(Frozen):
    """``evercurrent.release.first|promote|rollback``: the champion pointer moved; `cutoff` None: by hand.

    RE_PROMOTE, a person's move forward, is a promotion whose `kind` says so.
    """

    source: str
    kind: ReleaseKind
    generation: int
    previous: int | None
    reason: str
    cutoff: str | None

    @property
    def name(self) -> str:
        """By the kind."""
        named = {ReleaseKind.FIRST: "first", ReleaseKind.ROLL_BACK: "rollback"}
        return f"evercurrent.release.{named.get(self.kind, 'promote')}"

    @classmethod
    def of(cls, source: str, made: ReleaseMade) -> Self:
        """Of a line of the release ledger."""
        return cls(
            source=source,
            kind=ReleaseKind(made.kind),
            generation=made.generation,
            previous=made.previous,
            reason=made.reason,
            cutoff=None if made.cutoff is None else iso(made.cutoff),
        )


class CanaryEvent(Frozen):
    """``evercurrent.canary.sent_out|promoted|refused``: what becomes of a generation that serves some users first."""

    source: str
    happened: Literal["sent_out", "promoted", "refused"]
    generation: int
    champion: int
    reasons: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """By what happened."""
        return f"evercurrent.canary.{self.happened}"

    @classmethod
    def sent_out(cls, source: str, canary: CanaryMade) -> Self:
        """It serves its first users."""
        return cls(source=source, happened="sent_out", generation=canary.generation, champion=canary.champion)

    @classmethod
    def ended(cls, source: str, canary: CanaryMade) -> Self:
        """It was judged, or ended by hand."""
        return cls(
            source=source,
            happened="promoted" if canary.verdict == Verdict.PROMOTE else "refused",
            generation=canary.generation,
            champion=canary.champion,
            reasons=canary.reasons or (),
        )


class BrokenEvent(Frozen):
    """``evercurrent.contract.broken``: the data are wrong, and a run stopped; `cutoff` None: it never knew one."""

    source: str
    flow: str
    stage: str | None
    cutoff: str | None
    reason: str

    @property
    def name(self) -> str:
        """One."""
        return "evercurrent.contract.broken"


class RepeatedEvent(Frozen):
    """``evercurrent.transient.repeated``: a stage used up its retries."""

    source: str
    flow: str
    stage: str | None
    cutoff: str | None
    reason: str

    @property
    def name(self) -> str:
        """One."""
        return "evercurrent.transient.repeated"


def emit(events: Iterable[Event]) -> None:
    """Send events, if somebody looks; one that cannot be sent costs the turn nothing."""

    def say() -> None:
        for event in events:
            resource = {"prefect.resource.id": f"evercurrent.source.{event.source}"}
            emit_event(event=event.name, resource=resource, payload=event.model_dump(mode="json"))

    guarded("events", say)
