"""The stages as Prefect tasks: made by call, so that the logic carries no decorator and is callable in a test.

Every stage is timed, logged as one event, announced as an artifact where people will look
for it, and retried only when the world was busy (`Transient`).
"""

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.logging import get_run_logger
from prefect.tasks import Task
from prefect.utilities.annotations import quote

from components.domain import TookTooLong, Transient
from flows import artifacts
from flows.stages.canary import watch_canary as _watch_canary
from flows.stages.close import close_turn as _close_turn
from flows.stages.drift import measure_drift as _measure_drift
from flows.stages.drift import watch_drift as _watch_drift
from flows.stages.evaluate import evaluate as _evaluate
from flows.stages.forget import forget as _forget
from flows.stages.ingest import take_decisions
from flows.stages.memory import refresh_memory as _refresh_memory
from flows.stages.publish import publish as _publish
from flows.stages.read import read as _read
from flows.stages.update import learn_held_out as _learn_held_out
from flows.stages.update import update as _update
from flows.stages.validate import validate as _validate
from flows.time_limit import limited
from flows.turn import Turn

P = ParamSpec("P")
Result = TypeVar("Result")
Announce = Callable[[Turn, Result], None]

RETRY_SECONDS = (1.0, 5.0, 15.0)
"""Pauses before a stage is tried again: a lock of the warehouse is held for seconds."""


def stage(
    name: str,
    fn: Callable[Concatenate[Turn, P], Result],
    announce: Announce[Result] | None = None,
    say: Callable[[Result], str] | None = None,
) -> Callable[Concatenate[Turn, P], Result]:
    """A stage as a task. Its first argument is the turn; its result stays in memory and is announced in the UI.

    `say` tells in words what came of it, for the run's log.
    """

    def run(turn: Turn, /, *inputs: P.args, **named: P.kwargs) -> Result:
        with turn.stopwatch.time(name):
            result = fn(turn, *inputs, **named)
        if announce:
            announce(turn, result)
        seconds, told = turn.stopwatch.seconds[name], "" if say is None else f": {say(result)}"
        get_run_logger().info("%s, %.2f s%s", name, seconds, told)
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
        return made(*map(quote, inputs), **{key: quote(value) for key, value in named.items()})

    return run


def _is_transient(task_: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    found = state.result(raise_on_failure=False)
    return isinstance(found, Transient) and not isinstance(found, TookTooLong)


ingest = patient("ingest", take_decisions)
forget = patient("forget", _forget)
validate = stage("validate", _validate, artifacts.announce_validation, artifacts.said_of_window)
read = stage("read", _read)
watch_canary = stage("canary", _watch_canary)
measure_drift = stage("drift", _measure_drift, artifacts.announce_drift, artifacts.said_of_drift)
watch_drift = stage("drift", _watch_drift, None, artifacts.said_of_drift)
refresh_memory = stage("memory", _refresh_memory)
update = stage("update", _update)
evaluate = stage("evaluate", _evaluate, artifacts.announce_evaluation, artifacts.said_of_verdict)
learn_held_out = stage("held-out", _learn_held_out)
publish = stage("publish", _publish, artifacts.announce_release, artifacts.said_of_release)
close_turn = patient("close", _close_turn)
