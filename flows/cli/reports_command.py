"""`evercurrent reports`: the site of a home, drawn anew from its ledger."""

import os
import sys
import webbrowser
from typing import Annotated

import typer

from flows.cli.options import HOME, HomeFolder
from flows.workspace import enter


def reports(
    show: Annotated[bool, typer.Option("--open", help="Open the front page in a browser, where there is one.")] = False,
    home: HomeFolder = HOME,
) -> None:
    """Draw the report site anew from the ledger, and say where it lies; it needs no server and no network."""
    workspace = enter(home)
    from flows.site.draw import draw_site

    path = draw_site(workspace)
    typer.echo(str(path))
    if show and _has_screen():
        webbrowser.open(path.as_uri())


def _has_screen() -> bool:
    """Whether a browser would be seen: a text browser in a terminal is not meant."""
    return sys.platform in ("darwin", "win32") or bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))
