"""The record of a turn: the figures that the table, the report and the JSON are made of."""

from components.domain import iso
from flows.stages.results import Challenger, Checked, Drift, Judgement, Published
from flows.turn import Turn, TurnRecord, write_record


def close_turn(
    turn: Turn,
    checked: Checked,
    drift: Drift,
    challenger: Challenger | None,
    judgement: Judgement,
    published: Published,
) -> TurnRecord:
    """Write the turn's record: its last write, after which it is never repeated."""
    record = _record(turn, checked, drift, challenger, judgement, published)
    write_record(turn, record)
    return record


def _record(
    turn: Turn,
    checked: Checked,
    drift: Drift,
    challenger: Challenger | None,
    judgement: Judgement,
    published: Published,
) -> TurnRecord:
    statistics = checked.validation.statistics
    return TurnRecord(
        cutoff=iso(turn.window.cutoff),
        generation=published.generation or published.champion,
        parent=turn.champion,
        champion=published.champion,
        requests=statistics.requests,
        impressions=statistics.impressions,
        accepted=statistics.accepted,
        quarantined=statistics.quarantined,
        drift_action=drift.action.value,
        ids_grown=len(challenger.update.admitted) if challenger else 0,
        ids_expired=len(challenger.update.expired) if challenger else 0,
        value=judgement.value,
        verdict=judgement.verdict,
        reasons=judgement.reasons,
        digest=published.digest,
        seconds={name: round(seconds, 4) for name, seconds in turn.stopwatch.seconds.items()},
    )
