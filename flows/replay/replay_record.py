"""The record of a replay: per turn what the ledger says, how fresh the champion was, and the truth the world knows."""

import hashlib
import json
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pydantic import Field
from sklearn.metrics import log_loss

from components.auc import auc
from components.domain import Doubles, Window, iso
from components.evaluate.evaluation_page import evaluation_page
from components.evaluate.promise import Promise
from components.evaluate.read_evaluation import read_evaluation
from components.frozen import Frozen
from components.ingest.reward_rule import RewardRule
from components.pages.page import write_page
from components.pages.turn_pages import BEFORE_EVALUATION, TurnPage
from components.sigmoid import sigmoid
from components.whole_file import write_durably
from components.world.requests import make_requests, oracle_value, random_value, true_value
from flows.replay import replay_cache
from flows.replay.recorded import Recorded
from flows.turn import TurnRecord, ValueRecord, finished, warehouse_of
from flows.workspace import Workspace
from warehouse import ledger


class Arms(Frozen):
    """One figure for generation 1 left as it was, and for the champion without and with its memory."""

    frozen: float | None
    champion: float | None
    champion_with_memory: float | None


class Value(ValueRecord):
    """Policy value on the held-out requests: estimated with its interval, and what the world knows."""

    true: float | None = None
    random: float | None = None
    oracle: float | None = None

    @property
    def covered(self) -> bool:
        """Whether the interval holds the truth; False where one of them is missing."""
        if self.lower is None or self.upper is None or self.true is None:
            return False
        return self.lower <= self.true <= self.upper


class ReplayTurn(TurnRecord):
    """One line of the replay: a turn, and the period after it."""

    auc: Arms
    log_loss: Arms
    value: Value


class ReplayRecord(Frozen):
    """What `evercurrent replay --json` prints; values are told in `unit`, plain rewards or the source's own."""

    source: str
    digest: str
    seconds: float
    orchestration_share: float
    report: str
    champion: int
    turns: tuple[ReplayTurn, ...]
    unit: str = "reward"
    promises: tuple[Promise, ...] = ()
    stage_seconds: dict[str, float] = Field(default_factory=dict)
    caveat: str = (
        "eligible sets are what people chose to rate, not a whole catalogue: values compare policies, "
        "they do not forecast a live site"
    )


def summarise(workspace: Workspace, recorded: Recorded, turns: int) -> ReplayRecord:
    """The record of turns 1 to `turns`; times are filled in by whoever measured the whole run."""
    lines = tuple(_turn(workspace, recorded, turn) for turn in range(1, turns + 1))
    text = json.dumps([line.model_dump(mode="json", exclude={"seconds"}) for line in lines], sort_keys=True)
    return ReplayRecord(
        source=recorded.source.name,
        digest=hashlib.sha256(f"{recorded.digest} {text}".encode()).hexdigest(),
        seconds=0.0,
        orchestration_share=0.0,
        stage_seconds=_stage_seconds(workspace, recorded, turns),
        report=str(workspace.reports / "replay.html"),
        champion=lines[-1].champion,
        turns=lines,
        unit=RewardRule.of(recorded.source).unit,
        promises=tuple(Promise.from_json(text) for text in ledger.promises(warehouse_of(workspace)).values()),
    )


def show_truth(workspace: Workspace, recorded: Recorded, turn: int) -> None:
    """Draw a turn's evaluation page again, with the true value that the world knows beside the estimates.

    The bundle keeps the page as the gate knew it.
    """
    cutoff = recorded.cutoff(turn)
    record, path = finished(workspace, cutoff), workspace.turn(cutoff) / "evaluation.json"
    if record is None or not path.exists():
        return
    truth = _value(workspace, recorded, record, cutoff).true
    title = f"Evaluation, {iso(cutoff - recorded.rules.period)[:10]} to {iso(cutoff)[:10]}"
    page = evaluation_page(read_evaluation(path.read_text()), title, truth, BEFORE_EVALUATION)
    write_page(workspace.pages(cutoff) / TurnPage.EVALUATION.file, page)


def mean_arms(arms: list[Arms]) -> Arms:
    """Mean over turns of each arm, turns without a figure left out."""
    columns = {name: [x for a in arms if (x := getattr(a, name)) is not None] for name in Arms.model_fields}
    return Arms(**{name: sum(xs) / len(xs) if xs else None for name, xs in columns.items()})


@dataclass(frozen=True, slots=True)
class Start:
    """When a run began (`time.perf_counter`), and the seconds its stages' libraries took to load."""

    at: float
    load: float


def timed(record: ReplayRecord, path: Path, start: Start) -> ReplayRecord:
    """The record with its times; orchestration is what is spent neither in stages nor on loading their libraries.

    The wall time of this run is added to that of the runs it resumed; a run that only read back what was done adds
    nothing.
    """
    before = json.loads(path.read_text()) if path.exists() else {"wall": 0.0, "load": 0.0, "stages": 0.0}
    spent = sum(record.stage_seconds.values())
    if spent > before["stages"]:
        wall, load = before["wall"] + time.perf_counter() - start.at, before["load"] + start.load
        before = {"wall": wall, "load": load, "stages": spent}
        write_durably(path, json.dumps(before).encode())
    share = max(0.0, 1 - (before["stages"] + before["load"]) / before["wall"])
    stages = {"load": round(before["load"], 2), **record.stage_seconds}
    times = {"seconds": round(before["wall"], 2), "orchestration_share": round(share, 4), "stage_seconds": stages}
    return record.model_copy(update=times)


def _stage_seconds(workspace: Workspace, recorded: Recorded, turns: int) -> dict[str, float]:
    """Seconds per stage over all turns, generation 1 included."""
    total: Counter[str] = Counter()
    for turn in range(turns + 1):
        record = finished(workspace, recorded.cutoff(turn))
        total.update(record.seconds if record else {})
        total.update(replay_cache.seconds(workspace.turn(recorded.cutoff(turn))))
    return {stage: round(seconds, 2) for stage, seconds in total.items()}


def _turn(workspace: Workspace, recorded: Recorded, turn: int) -> ReplayTurn:
    cutoff = recorded.cutoff(turn)
    record = finished(workspace, cutoff)
    assert record is not None, "summarised after the turn was finished"
    scores = replay_cache.scores(workspace.replayed(cutoff))
    fields = record.model_dump(exclude={"value", "seconds"})
    return ReplayTurn(
        **fields,
        auc=_arms(scores, auc),
        log_loss=_arms(scores, _log_loss),
        value=_value(workspace, recorded, record, cutoff),
        seconds=record.seconds | replay_cache.seconds(workspace.turn(cutoff)),
    )


def _arms(scores: pd.DataFrame, figure: Callable[[Doubles, Doubles], float]) -> Arms:
    if scores["reward"].nunique() < 2:
        return Arms(frozen=None, champion=None, champion_with_memory=None)
    reward = scores["reward"].to_numpy(float)
    probability = {name: sigmoid(scores[name].to_numpy(float)) for name in Arms.model_fields}
    return Arms(**{name: round(float(figure(reward, p)), 6) for name, p in probability.items()})


def _log_loss(reward: Doubles, probability: Doubles) -> float:
    return float(log_loss(reward, np.clip(probability, 1e-7, 1 - 1e-7)))


def _value(workspace: Workspace, recorded: Recorded, record: TurnRecord, cutoff: int) -> Value:
    """Estimate and truth on the same requests: those held out from the challenger."""
    path = workspace.turn(cutoff) / "target.parquet"
    if record.value.estimate is None or not path.exists():
        return Value()
    window = Window(cutoff - recorded.rules.period, cutoff)
    requests = make_requests(recorded.log, window, recorded.rules.period)
    rule = RewardRule.of(recorded.source)
    entries = pd.DataFrame(
        {
            "request_id": requests.request_id[requests.request_of_entry],
            "item_id": requests.entries.item_id,
            "reward": rule.earned(requests.entries.reward, requests.entries.grade),
        }
    )
    known = pd.read_parquet(path).merge(entries, on=["request_id", "item_id"], how="left")
    offsets = np.append(np.flatnonzero(known["request_id"] != known["request_id"].shift()), len(known))
    reward = known["reward"].to_numpy(float)
    return Value(
        **record.value.model_dump(),
        true=true_value(known["probability"].to_numpy(float), reward, offsets),
        random=random_value(reward, offsets),
        oracle=oracle_value(reward, offsets),
    )
