"""The stages as Prefect tasks: made by call, so that the logic carries no decorator and is callable in a test.

Every stage is timed, logged as one event, announced as an artifact where people will look
for it, and retried only when the world was busy (`Transient`).
"""

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task
from prefect.utilities.annotations import quote

from components.domain import ContractBroken, TookTooLong, Transient
from flows.control_room import canary, contract, data, drift, evaluation, memory, release, window
from flows.control_room import update as updating
from flows.control_room.announcement import Announcement, announce, announce_broken, spoken
from flows.control_room.failed import signed
from flows.control_room.log_line import Figures
from flows.stages.canary import watch_canary as _watch_canary
from flows.stages.close import close_turn as _close_turn
from flows.stages.drift import measure_drift as _measure_drift
from flows.stages.drift import watch_drift as _watch_drift
from flows.stages.evaluate import evaluate as _evaluate
from flows.stages.forget import Forgotten
from flows.stages.forget import forget as _forget
from flows.stages.halt import halt as _halt
from flows.stages.halt import settle_halt as _settle_halt
from flows.stages.lake import take_new
from flows.stages.latest import learn_latest as _learn_latest
from flows.stages.latest import read_latest as _read_latest
from flows.stages.memory import refresh_memory as _refresh_memory
from flows.stages.publish import publish as _publish
from flows.stages.read import read as _read
from flows.stages.results import Champion, Remembered
from flows.stages.update import learn_held_out as _learn_held_out
from flows.stages.update import update as _update
from flows.stages.validate import validate as _validate
from flows.time_limit import limited
from flows.turn import Turn, TurnRecord
from warehouse.append import Batch

P = ParamSpec("P")
Result = TypeVar("Result")

RETRY_SECONDS = (1.0, 5.0, 15.0)
"""Pauses before a stage is tried again: a lock of the warehouse is held for seconds."""


def stage(
    name: str,
    fn: Callable[Concatenate[Turn, P], Result],
    told: Announcement[Result],
) -> Callable[Concatenate[Turn, P], Result]:
    """A stage as a task. Its first argument is the turn; its result stays in memory and is `told` in log and UI."""

    def run(turn: Turn, /, *inputs: P.args, **named: P.kwargs) -> Result:
        try:
            with turn.stopwatch.time(name):
                result = fn(turn, *inputs, **named)
        except ContractBroken as broken:
            announce_broken(name, turn, broken, told)
            raise
        announce(name, turn, result, told)
        return result

    return patient(name, run)


def patient(name: str, fn: Callable[P, Result]) -> Callable[P, Result]:
    """A task that waits and tries again when the world is busy, and only then; one that hangs is ended.

    Inputs are quoted: Prefect would look through every array of a model for futures.
    """
    make = task(
        name=name,
        retries=len(RETRY_SECONDS),
        retry_delay_seconds=list(RETRY_SECONDS),
        retry_condition_fn=_is_transient,
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    made: Callable[..., Result] = make(limited(name, fn))

    def run(*inputs: P.args, **named: P.kwargs) -> Result:
        try:
            return made(*map(quote, inputs), **{key: quote(value) for key, value in named.items()})
        except Exception as error:
            signed(error, name)
            raise

    return run


def _is_transient(task_: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    found = state.result(raise_on_failure=False)
    return isinstance(found, Transient) and not isinstance(found, TookTooLong)


def _ingested(batch: Batch | None) -> Figures:
    if batch is None:
        return {"rows": 0}
    figures = {"rows": batch.rows, "duplicates": batch.duplicates, "set_aside": batch.set_aside}
    return {**figures, "left_out": batch.left_out} if batch.left_out else figures


def _forgot(made: Forgotten | None) -> Figures:
    return {"users": 0 if made is None else len(made.users)}


def _closed(record: TurnRecord) -> Figures:
    return {
        "generation": record.generation,
        "champion": record.champion,
        "verdict": record.verdict.value,
        "turn_seconds": sum(record.seconds.values()),
    }


ingest = patient("ingest", spoken("ingest", take_new, _ingested))
forget = patient("forget", spoken("forget", _forget, _forgot))
validate = stage("validate", _validate, Announcement(window.figures, window.shown, broken=contract.shown_broken))
read = stage("read", _read, Announcement(data.figures))
read_latest = stage("read", _read_latest, Announcement(data.latest_figures))
learn_latest = stage("memory", _learn_latest, Announcement[Remembered](memory.figures, memory.shown))
watch_canary = stage("canary", _watch_canary, Announcement(canary.figures))
measure_drift = stage("drift", _measure_drift, Announcement(drift.figures, drift.shown, drift.events))
watch_drift = stage("drift", _watch_drift, Announcement(drift.figures))
refresh_memory = stage("memory", _refresh_memory, Announcement[Champion | None](memory.figures, memory.shown))
update = stage("update", _update, Announcement(updating.figures, updating.shown))
evaluate = stage("evaluate", _evaluate, Announcement(evaluation.figures, evaluation.shown))
learn_held_out = stage("held-out", _learn_held_out, Announcement(data.held_out_figures))
publish = stage("publish", _publish, Announcement(release.figures, release.shown, release.events))
halt = patient("halt", spoken("halt", _halt, _closed))
settle_halt = patient("halt", _settle_halt)
close_turn = patient("close", spoken("close", _close_turn, _closed))
