"""The stages as Prefect tasks: made by call, so that the logic carries no decorator and is callable in a test.

Every stage is timed, logged as one event, announced as an artifact where people will look
for it, and retried only when the world was busy (`Transient`).
"""

import logging
from collections.abc import Callable
from typing import Any, TypeVar

from prefect import task
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.tasks import Task
from prefect.utilities.annotations import quote

from components.domain import Transient
from flows import artifacts
from flows.stages import close, drift, learning
from flows.stages import evaluate as judging
from flows.stages import ingest as intake
from flows.stages import publish as release
from flows.stages import validate as checking
from flows.turn import Turn

log = logging.getLogger("evercurrent")

Result = TypeVar("Result")


def stage(
    name: str, fn: Callable[..., Result], announce: Callable[[Turn, Result], None] | None = None
) -> Callable[..., Result]:
    """A stage as a task. Its first argument is the turn; its result stays in memory and is announced in the UI."""

    def run(turn: Turn, *inputs: Any) -> Result:
        with turn.stopwatch.time(name):
            result = fn(turn, *inputs)
        if announce:
            announce(turn, result)
        log.info("stage=%s cutoff=%d seconds=%.3f", name, turn.window.cutoff, turn.stopwatch.seconds[name])
        return result

    return patient(name, run)


def patient(name: str, fn: Callable[..., Result]) -> Callable[..., Result]:
    """A task that waits and tries again when the world is busy, and only then.

    Inputs are quoted: Prefect would look through every array of a model for futures.
    """
    make = task(
        name=name,
        retries=3,
        retry_delay_seconds=[1.0, 5.0, 15.0],
        retry_condition_fn=_is_transient,
        cache_policy=NO_CACHE,
        persist_result=False,
    )
    made = make(fn)
    return lambda *inputs: made(*map(quote, inputs))


def _is_transient(task_: Task[..., Any], run: TaskRun, state: State[Any]) -> bool:
    return isinstance(state.result(raise_on_failure=False), Transient)


ingest = patient("ingest", intake.take_decisions)
validate = stage("validate", checking.validate, artifacts.announce_validation)
read_known = stage("read", learning.read_learnable)
measure_drift = stage("drift", drift.measure_drift, artifacts.announce_drift)
refresh_memory = stage("memory", learning.refresh_memory)
update = stage("update", learning.update)
evaluate = stage("evaluate", judging.evaluate, artifacts.announce_evaluation)
learn_held_out = stage("held-out", learning.learn_held_out)
publish = stage("publish", release.publish, artifacts.announce_release)
close_turn = patient("close", close.close_turn)
