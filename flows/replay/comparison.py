"""What candidates came to on one recorded log, each beside the first."""

from collections.abc import Sequence
from pathlib import Path

from components.evaluate.paired_turns import PairedTurns, paired_turns
from components.frozen import Frozen
from flows.replay.job import Ended, Job
from flows.replay.replay_record import Arms, ReplayRecord, mean_arms

ALPHA = 0.05
"""Chance that any of the differences is shown where there is none; all others share it."""


class Compared(Frozen):
    """One candidate.

    Attributes
    ----------
    digest : of its replay, as `evercurrent replay` alone would have it.
    auc, log_loss : means over turns, of the period after each, every interaction scored before its outcome was known.
    value : true value of its challengers on held-out requests, mean over turns; None where no turn has one.
    seconds, learning_seconds : of the whole replay; of its update stage.
    bundle_bytes : of its last champion's bundle.
    auc_difference, log_loss_difference : from the first candidate, champion with memory; None of the first itself.
    """

    name: str
    home: str
    report: str
    digest: str
    auc: Arms
    log_loss: Arms
    value: float | None
    seconds: float
    learning_seconds: float
    bundle_bytes: int
    auc_difference: PairedTurns | None = None
    log_loss_difference: PairedTurns | None = None


class Comparison(Frozen):
    """What `evercurrent compare --json` prints.

    Attributes
    ----------
    first : the candidate that the others are held against.
    better, worse : those whose AUC is shown to be higher, or lower, than the first's, the best one first.
    failed : candidates whose replay did not come to its end, and why.
    """

    source: str
    turns: int
    first: str
    level: float
    candidates: tuple[Compared, ...]
    better: tuple[str, ...]
    worse: tuple[str, ...]
    failed: dict[str, str]

    @property
    def said(self) -> str:
        """The one sentence that it comes to."""
        held = [one.name for one in self.candidates if one.auc_difference]
        open_ = [name for name in held if name not in self.better + self.worse]
        said = {"higher": self.better, "lower": self.worse, "no difference shown": open_}
        told = "; ".join(f"{how}: {', '.join(names)}" for how, names in said.items() if names)
        turns = f"{self.turns} turn{'s' if self.turns > 1 else ''}"
        return f"AUC against that of {self.first} over {turns}: {told or 'nothing to compare'}"


def compared(jobs: Sequence[Job], ended: Sequence[Ended]) -> Comparison:
    """The records of all jobs that came to their end; the first job is the one that the others are held against.

    Notes
    -----
    Turns are paired: the interactions of a period are the same for all candidates, whatever was shown by whom. With c
    candidates each interval has the level ``1 - ALPHA / (c - 1)`` (Bonferroni), so that all of them hold at once with
    .95; a figure of a failed candidate counts as asked.
    """
    level = 1 - ALPHA / max(1, len(jobs) - 1)
    found = {job.name: (job, _record(job)) for job, end in zip(jobs, ended, strict=True) if end.code == 0}
    base = found.get(jobs[0].name)
    lines = tuple(_line(job, record, None if base is None else base[1], level) for job, record in found.values())
    shown = sorted((one for one in lines if one.auc_difference and one.auc_difference.shown), key=_gain, reverse=True)
    return Comparison(
        source=next((record.source for _, record in found.values()), Path(jobs[0].source).stem),
        turns=max((len(record.turns) for _, record in found.values()), default=0),
        first=jobs[0].name,
        level=level,
        candidates=lines,
        better=tuple(one.name for one in shown if _gain(one) > 0),
        worse=tuple(one.name for one in shown if _gain(one) < 0),
        failed={end.name: end.line for end in ended if end.code},
    )


def _line(job: Job, record: ReplayRecord, base: ReplayRecord | None, level: float) -> Compared:
    other = None if base is None or base is record else base
    values = [turn.value.true for turn in record.turns if turn.value.true is not None]
    return Compared(
        name=job.name,
        home=str(job.home),
        report=record.report,
        digest=record.digest,
        auc=mean_arms([turn.auc for turn in record.turns]),
        log_loss=mean_arms([turn.log_loss for turn in record.turns]),
        value=sum(values) / len(values) if values else None,
        seconds=record.seconds,
        learning_seconds=record.stage_seconds.get("update", 0.0),
        bundle_bytes=_bytes(job.workspace.bundle(record.champion)),
        auc_difference=other and paired_turns(_auc(record), _auc(other), 1 - level),
        log_loss_difference=other and paired_turns(_log_loss(record), _log_loss(other), 1 - level),
    )


def _record(job: Job) -> ReplayRecord:
    return ReplayRecord.model_validate_json(job.workspace.replay_record.read_bytes())


def _auc(record: ReplayRecord) -> list[float | None]:
    return [turn.auc.champion_with_memory for turn in record.turns]


def _log_loss(record: ReplayRecord) -> list[float | None]:
    return [turn.log_loss.champion_with_memory for turn in record.turns]


def _gain(one: Compared) -> float:
    return 0.0 if one.auc_difference is None else one.auc_difference.mean


def _bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
