"""The question before a release, on the terminal."""

from collections.abc import Iterator
from contextlib import contextmanager

import typer
from rich.console import Console
from rich.progress import Progress

from flows.cli.ask_first import on_a_terminal
from flows.control_room.approval import Answer, answered_by
from flows.stages.results import Judgement
from flows.turn import Turn


@contextmanager
def asked_here(bar: Progress) -> Iterator[None]:
    """Ask on the terminal inside the block, if this is one, the progress bar out of the way; else the UI asks."""
    if not on_a_terminal():
        yield
        return

    def ask(turn: Turn, judgement: Judgement) -> Answer:
        bar.stop()
        answer = _asked(turn, judgement)
        bar.start()
        return answer

    with answered_by(ask):
        yield


def _asked(turn: Turn, judgement: Judgement) -> Answer:
    console = Console(stderr=True)
    console.print(f"\n[green]{judgement.verdict}[/green], champion is generation {turn.champion}")
    for reason in judgement.reasons:
        console.print(f"  {reason}", soft_wrap=True, markup=False)
    if typer.confirm("Release it?", default=False, err=True):
        return Answer(True, "")
    return Answer(False, str(typer.prompt("Why not", default="", show_default=False, err=True)))
