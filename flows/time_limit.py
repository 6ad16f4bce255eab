"""A stage that hangs ends its run with one line, instead of holding the home until somebody looks.

Two limits: at the first the stage is interrupted, which Python, DuckDB and torch hear between two steps. What does not
hear that, such as a read from a disk that is away, is ended with its process a little later: the kernel gives the
locks back, and the next run resumes the turn.
"""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Timer
from typing import ParamSpec, TypeVar

from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.states import Failed
from prefect.utilities.timeout import timeout

from components.domain import TookTooLong
from components.settings import read_settings
from flows.deployed import deployed_run
from flows.turn import Turn
from flows.workspace import Workspace

P = ParamSpec("P")
Result = TypeVar("Result")

GRACE_SECONDS = 60.0
"""How long an interrupted stage may take to hear it before its process is ended."""

BUSY = 75
"""Exit code of a process that is ended: try again later."""


def limited(name: str, fn: Callable[P, Result]) -> Callable[P, Result]:
    """A stage that takes no longer than the settings of its home allow.

    Its first argument, a turn or a workspace, says which home that is; what works on none has no limit.
    """

    def run(*inputs: P.args, **named: P.kwargs) -> Result:
        seconds = _seconds(name, inputs[0])
        if seconds is None:
            return fn(*inputs, **named)
        with time_limit(name, seconds):
            return fn(*inputs, **named)

    return run


@contextmanager
def time_limit(name: str, seconds: float, grace: float = GRACE_SECONDS) -> Iterator[None]:
    """The block, interrupted after `seconds`; if it does not hear that, its process ends after `grace` more.

    Raises
    ------
    TookTooLong
        If it took longer.
    """
    said = (
        f"stage {name} did not end within {seconds:g} s and was interrupted; run again to resume the turn, or allow "
        "more under [timeouts] in evercurrent.toml"
    )
    last = Timer(seconds + grace, _end, (said, deployed_run()))
    last.daemon = True
    last.start()
    try:
        with timeout(seconds, _Interrupted):
            yield
    except _Interrupted:
        raise TookTooLong(said) from None
    finally:
        last.cancel()


class _Interrupted(TimeoutError):
    """The limit passed; a stage's own TimeoutError is another."""


def _end(said: str, run: FlowRun | None) -> None:
    """End this process, and with it whatever does not let go; its run in the UI says why."""
    sys.stderr.write(f"busy: {said}\n")
    sys.stderr.flush()
    with suppress(Exception):  # the server may be what hangs
        if run is not None:
            with get_client(sync_client=True) as client:
                client.set_flow_run_state(run.id, Failed(message=said), force=True)
    os._exit(BUSY)


def _seconds(name: str, first: object) -> float | None:
    if isinstance(first, Turn):
        return first.settings.timeouts.of(name)
    if isinstance(first, Workspace):
        return read_settings(first.settings).timeouts.of(name)
    return None
