"""The daily loop as a deployment of the tests has it: it stops after the stage that a file in the home names.

The loop itself is the product's; its stages are wrapped here, in the process that runs it, and nowhere else.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from flows import tasks
from flows.daily_loop import daily_loop
from flows.stages import publish as publishing
from flows.turn import Turn
from flows.workspace import Workspace
from tests.stack.held_points import HALF, STAGES


def held(name: str, stage: Callable[..., Any]) -> Callable[..., Any]:
    """A stage after which the process stands still if the home names it."""

    def run(first: Turn | Workspace, *rest: Any, **named: Any) -> Any:
        made = stage(first, *rest, **named)
        stand_still(first, name)
        return made

    return run


def held_before(name: str, step: Callable[..., Any]) -> Callable[..., Any]:
    """A step before which the process stands still if the home names it."""

    def run(first: Turn | Workspace, *rest: Any, **named: Any) -> Any:
        stand_still(first, name)
        return step(first, *rest, **named)

    return run


def stand_still(first: Turn | Workspace, name: str) -> None:
    """For ever, if the home's file ``hold`` has this name; ``held`` says that it came so far."""
    root: Path = (first.workspace if isinstance(first, Turn) else first).root
    hold = root / "hold"
    if hold.exists() and hold.read_text() == name:
        (root / "held").write_text(name)
        while True:
            time.sleep(0.1)


for one in STAGES:
    setattr(tasks, one, held(one, getattr(tasks, one)))
publishing._record_generation = held_before(HALF, publishing._record_generation)

held_loop = daily_loop
