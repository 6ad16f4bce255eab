"""`evercurrent status`: how a home is, or all of many."""

import os
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.exit_codes import TO_MEND
from flows.cli.options import HOME, AsJson, HomeFolder, HomesFile
from flows.stack.homes import Homes, read_homes
from flows.workspace import enter

FILE = Path("homes.toml")


def status(
    every: Annotated[bool, typer.Option("--all", help="One row for each home of a file of homes.")] = False,
    homes: HomesFile = None,
    home: HomeFolder = HOME,
    as_json: AsJson = False,
) -> None:
    """Who is champion, what every generation was judged, and every move of the pointer.

    With --all one row for each home of --homes (default homes.toml). Exit code 7: something has to be mended.
    """
    if every:
        _status_all(read_homes(homes or FILE), as_json)
        return
    state = enter(home)
    from flows.cli.status import read_status, show_status

    found = read_status(state)
    if as_json:
        typer.echo(found.model_dump_json(indent=1))
    else:
        show_status(found)


def _status_all(homes: Homes, as_json: bool) -> None:
    """Reads alone: a home that is gone is not made anew by being looked at."""
    os.environ.setdefault("PREFECT_HOME", str(homes.stack / "prefect"))
    from flows.cli.status_all import show_states
    from flows.stack.home_state import read_states

    found = read_states(homes)
    if as_json:
        typer.echo(found.model_dump_json(indent=1))
    else:
        show_states(found)
    if found.needs_somebody:
        raise typer.Exit(TO_MEND)
