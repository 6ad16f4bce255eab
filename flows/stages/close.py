"""Close the turn: its record, which the table, the report and the JSON are made of."""

from collections.abc import Sequence

from components.domain import iso
from components.evaluate.holdout import HoldoutCounts
from flows.stages.results import Challenger, DriftFound, Judgement, Published, ValidatedWindow
from flows.turn import HeldOutRecord, LateRecord, Turn, TurnRecord
from warehouse import ledger
from warehouse.facts import Late


def close_turn(
    turn: Turn,
    validated: ValidatedWindow,
    drift: DriftFound,
    challenger: Challenger | None,
    judgement: Judgement,
    published: Published,
) -> TurnRecord:
    """Write the turn's record: its last write, after which it is never repeated."""
    statistics = validated.validation.statistics
    record = TurnRecord(
        cutoff=iso(turn.window.cutoff),
        generation=published.generation or published.champion,
        parent=turn.champion,
        champion=published.champion,
        requests=statistics.requests,
        impressions=statistics.impressions,
        accepted=statistics.accepted,
        quarantined=statistics.quarantined,
        drift_action=drift.action.value,
        held_out=_counted(judgement.held_out),
        late=_late(validated.late),
        ids_grown=len(challenger.update.admitted) if challenger else 0,
        ids_expired=len(challenger.update.expired) if challenger else 0,
        value=judgement.value,
        verdict=judgement.verdict,
        reasons=judgement.reasons,
        digest=published.digest,
        seconds={name: round(seconds, 4) for name, seconds in turn.stopwatch.seconds.items()},
        notices=validated.notices,
    )
    counts = (record.requests, record.impressions)
    ledger.finish_turn(turn.warehouse, turn.window.cutoff, *counts, record.model_dump_json())
    return record


def _late(came: Sequence[Late]) -> LateRecord:
    return LateRecord(impressions=sum(one.impressions for one in came), outcomes=sum(one.outcomes for one in came))


def _counted(counts: HoldoutCounts | None) -> HeldOutRecord:
    if counts is None:
        return HeldOutRecord()
    dropped = {d.reason: d.requests for d in counts.dropped}
    return HeldOutRecord(judged=counts.judged, waiting=counts.waiting, dropped=dropped)
