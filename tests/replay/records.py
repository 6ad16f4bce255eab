"""Records of replays that nobody played, for what reads them."""

from collections.abc import Sequence

from components.domain import DAY, Verdict, iso
from flows.replay.job import Job
from flows.replay.replay_record import Arms, ReplayRecord, ReplayTurn, Value

CHAMPION = 2


def played(job: Job, auc: Sequence[float], loss: Sequence[float] | None = None) -> ReplayRecord:
    """A record in the job's home, and the bundle of its champion, of three bytes."""
    turns = tuple(
        ReplayTurn(
            cutoff=iso((number + 1) * DAY),
            generation=CHAMPION,
            parent=1,
            champion=CHAMPION,
            requests=1,
            impressions=1,
            accepted=1,
            quarantined=0,
            drift_action="NONE",
            ids_grown=0,
            ids_expired=0,
            value=Value(true=0.5 + number),
            verdict=Verdict.PROMOTE,
            reasons=(),
            digest="",
            seconds={},
            auc=_arms(figure),
            log_loss=_arms(None if loss is None else loss[number]),
        )
        for number, figure in enumerate(auc)
    )
    record = ReplayRecord(
        source="tiny",
        digest=f"of {job.name}",
        seconds=7.0,
        orchestration_share=0.0,
        report="replay.html",
        champion=CHAMPION,
        turns=turns,
        stage_seconds={"update": 2.5},
    )
    bundle = job.workspace.bundle(CHAMPION) / "model"
    for folder in (bundle, job.workspace.replay_record.parent):
        folder.mkdir(parents=True, exist_ok=True)
    (bundle / "weights").write_bytes(b"123")
    job.workspace.replay_record.write_text(record.model_dump_json())
    return record


def _arms(figure: float | None) -> Arms:
    return Arms(frozen=None, champion=None, champion_with_memory=figure)
