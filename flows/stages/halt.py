"""Halt: a window that contradicts the past is set aside; nobody learns from it, nobody is judged by it.

The turn ends as HOLD with the evidence, and the next one begins after it: what is sound goes on, and the window waits
for a person, who accepts it, brings it again as it should have been, or leaves it where it is.
"""

from components.domain import Verdict, iso
from components.publish.bundle import manifest_digest
from flows.stages.evaluate import carry_evidence
from flows.stages.memory import keep_as_it_was
from flows.stages.results import DriftFound, ValidatedWindow
from flows.stages.set_aside import drop_memories, tell_service
from flows.turn import Turn, TurnRecord, ValueRecord, open_turn
from flows.workspace import Workspace
from warehouse import ledger
from warehouse.records import Judged, SetAside, SetAsideStatus


def halt(turn: Turn, validated: ValidatedWindow, found: DriftFound) -> TurnRecord:
    """Set the window aside and close the turn, in one write; then let every memory forget what it knows of it."""
    assert turn.champion is not None, "without a champion there is nothing to contradict"
    carry_evidence(turn)
    reasons = (*found.reasons, _way_on(turn))
    judged = Judged(
        cutoff=turn.window.cutoff,
        challenger=None,
        champion=turn.champion,
        verdict=Verdict.HOLD.value,
        reasons=reasons,
        report="{}",
    )
    ledger.record_judgement(turn.warehouse, judged)
    record = _record(turn, validated, reasons)
    aside = SetAside(
        start=turn.window.start, cutoff=turn.window.cutoff, status=SetAsideStatus.HALTED, reasons=found.reasons
    )
    counts = (record.requests, record.impressions)
    ledger.finish_turn(turn.warehouse, turn.window.cutoff, *counts, record.model_dump_json(), aside)
    _forget_window(turn)
    return record


def settle_halt(workspace: Workspace, record: TurnRecord) -> TurnRecord:
    """What follows the last write of a turn that halted, for one that was cut there; repeating it changes nothing."""
    if record.halted:
        _forget_window(open_turn(workspace, record.instant, keep=False))
    return record


def _forget_window(turn: Turn) -> None:
    drop_memories(turn.workspace, turn.window)
    keep_as_it_was(turn)
    tell_service(turn.workspace)


def _way_on(turn: Turn) -> str:
    return (
        f"the window {turn.window} is set aside, and nobody learns from it; look at the pages in {turn.pages}, then "
        f"bring it again as it should be: evercurrent ingest PATH --source NAME --mend, or, if the world has changed: "
        f"evercurrent accept-window --cutoff {iso(turn.window.cutoff)} --reason '...'; or leave it: the loop goes on"
    )


def _record(turn: Turn, validated: ValidatedWindow, reasons: tuple[str, ...]) -> TurnRecord:
    statistics, champion = validated.validation.statistics, turn.champion
    assert champion is not None
    return TurnRecord(
        cutoff=iso(turn.window.cutoff),
        generation=champion,
        parent=champion,
        champion=champion,
        requests=statistics.requests,
        impressions=statistics.impressions,
        accepted=statistics.accepted,
        quarantined=statistics.quarantined,
        drift_action="HALT",
        ids_grown=0,
        ids_expired=0,
        value=ValueRecord(),
        verdict=Verdict.HOLD,
        reasons=reasons,
        digest=manifest_digest(turn.workspace.bundle(champion)),
        seconds={name: round(seconds, 4) for name, seconds in turn.stopwatch.seconds.items()},
        notices=validated.notices,
    )
