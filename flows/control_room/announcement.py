"""What a stage says when it is done: a line in the log, artifacts, and events."""

import logging
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, ParamSpec, TypeVar

from prefect.logging import get_run_logger

from components.domain import ContractBroken
from flows.control_room.events import Event, emit
from flows.control_room.log_line import Figures, log_line
from flows.control_room.shown import Shown, send
from flows.turn import Turn

P = ParamSpec("P")
Result = TypeVar("Result")


def _nothing(turn: Turn, result: object) -> Iterable[Event]:
    return ()


@dataclass(frozen=True)
class Announcement(Generic[Result]):
    """How a stage's result is told: `figures` for the log, `shown` as artifacts, `events`, `broken` if it stops."""

    figures: Callable[[Turn, Result], Figures]
    shown: Callable[[Turn, Result], Iterable[Shown]] | None = None
    events: Callable[[Turn, Result], Iterable[Event]] = _nothing
    broken: Callable[[Turn, ContractBroken], Iterable[Shown]] | None = None


def announce(stage: str, turn: Turn, result: Result, announcement: Announcement[Result]) -> None:
    """Tell of a stage that is done."""
    say(stage, lambda: announcement.figures(turn, result), turn.stopwatch.seconds[stage])
    shown = announcement.shown
    if shown is not None:
        send(lambda: shown(turn, result), stage)
    if announcement.events is not _nothing:
        emit(_lazily(announcement.events, turn, result))


def announce_broken(stage: str, turn: Turn, error: ContractBroken, announcement: Announcement[Result]) -> None:
    """Tell of a stage that stopped because of the data."""
    broken = announcement.broken
    if broken is not None:
        send(lambda: broken(turn, error), stage)


def say(stage: str, figures: Callable[[], Figures], seconds: float) -> None:
    """One line in the log, unless nobody reads it; a figure that cannot be made is no reason to stop."""
    log = get_run_logger()
    if not log.isEnabledFor(logging.INFO):
        return
    try:
        said = dict(figures())
    except Exception as error:  # the stage is done; what is said of it must not undo it
        said = {"figures_missing": f"{type(error).__name__}: {error}"}
    log.info(log_line(stage, said | {"seconds": round(seconds, 3)}))


def spoken(stage: str, fn: Callable[P, Result], figures: Callable[[Result], Figures]) -> Callable[P, Result]:
    """`fn`, which says a line when it is done: for what comes before a turn opens and after it closed."""

    def run(*inputs: P.args, **named: P.kwargs) -> Result:
        begin = time.perf_counter()
        result = fn(*inputs, **named)
        say(stage, lambda: figures(result), time.perf_counter() - begin)
        return result

    return run


def _lazily(make: Callable[[Turn, Result], Iterable[Event]], turn: Turn, result: Result) -> Iterable[Event]:
    yield from make(turn, result)
