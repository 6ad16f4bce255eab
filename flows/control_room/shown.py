"""An artifact before it is sent, and how it is sent: never at the cost of the turn."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.logging import get_run_logger

from flows.control_room.looking import run_around, somebody_looks


@dataclass(frozen=True, slots=True)
class Markdown:
    """A page of text and tables under a stable `key`."""

    key: str
    description: str
    body: str

    def send(self) -> None:
        """Make it in the UI."""
        create_markdown_artifact(self.body, key=self.key, description=self.description)


@dataclass(frozen=True, slots=True)
class Link:
    """A link with the words to click on."""

    key: str
    description: str
    words: str
    address: str

    def send(self) -> None:
        """Make it in the UI."""
        create_link_artifact(self.address, self.words, key=self.key, description=self.description)


Shown = Markdown | Link

_given_up: set[UUID] = set()
"""Runs whose server did not answer: asking again would cost each stage its patience."""


def guarded(what: str, say: Callable[[], None]) -> None:
    """Say something to the UI; if that fails the turn goes on, the log says so once, and the run says no more."""
    run = run_around()
    if run is None or run.id in _given_up or not somebody_looks():
        return
    try:
        say()
    except Exception as error:  # whatever it is, a turn is worth more than its announcement
        _given_up.add(run.id)
        get_run_logger().warning("stage=control_room failed=%s why=%s: %.200s", what, type(error).__name__, error)


def send(artifacts: Callable[[], Iterable[Shown]], of: str) -> None:
    """Make artifacts of a stage and send them, if somebody looks."""

    def say() -> None:
        for artifact in artifacts():
            artifact.send()

    guarded(f"artifacts of {of}", say)
