"""Idle: a turn in whose window nothing was logged has nothing to do, and its window stays open."""

from components.domain import ContractBroken, DriftAction, Verdict, iso
from components.publish.bundle import manifest_digest
from flows.turn import Turn, TurnRecord, ValueRecord


def idle(turn: Turn) -> TurnRecord:
    """What is said of such a turn; nothing is written, and the next one begins where this one would have.

    Raises
    ------
    ContractBroken
        If there is no champion yet: then something should have been logged.
    """
    if turn.champion is None:
        raise ContractBroken(
            f"nothing was logged in {turn.window}; run the loop with another cutoff, or look at the source's time unit"
        )
    return TurnRecord(
        cutoff=iso(turn.window.cutoff),
        generation=turn.champion,
        parent=turn.champion,
        champion=turn.champion,
        requests=0,
        impressions=0,
        accepted=0,
        quarantined=0,
        drift_action=DriftAction.NONE.value,
        ids_grown=0,
        ids_expired=0,
        value=ValueRecord(),
        verdict=Verdict.HOLD,
        reasons=(f"nothing was logged in {turn.window}: nothing to do, the window stays open",),
        digest=manifest_digest(turn.workspace.bundle(turn.champion)),
        seconds={},
    )
