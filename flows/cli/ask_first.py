"""Whether somebody can be asked, before a turn is worked on that will ask."""

import os
import sys

import typer


def on_a_terminal() -> bool:
    """Whether somebody can be asked here."""
    return sys.stdin.isatty() and sys.stderr.isatty()


def check_somebody_can_be_asked() -> None:
    """Refuse ``--approve`` where nobody could answer.

    Raises
    ------
    typer.BadParameter
        If this is no terminal, and no Prefect server is named that shows the question in its UI.
    """
    if not on_a_terminal() and not os.environ.get("PREFECT_API_URL"):
        raise typer.BadParameter(
            "--approve asks a person, and this is no terminal; run it on one, or name a Prefect server in "
            "PREFECT_API_URL, whose UI asks then"
        )
