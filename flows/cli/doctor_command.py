"""`evercurrent doctor`: what is wrong with a home, its machine and its stack, and how to mend it."""

import json

import typer

from flows.cli.exit_codes import TO_MEND
from flows.cli.options import HOME, AsJson, HomeFolder, HomesFile
from flows.stack.homes import read_homes
from flows.workspace import enter

STYLES = {"fine": "green", "note": "yellow", "mend": "bold red"}


def doctor(homes: HomesFile = None, home: HomeFolder = HOME, as_json: AsJson = False) -> None:
    """Say what is wrong (disk, versions, clock, locks, champion, log, engine, processes, runs, slots), and how to mend.

    With --homes it looks at the machine, at the stack of the file, and at each of its homes.

    Exit codes: 0 nothing has to be mended, 7 something has.
    """
    many = None if homes is None else read_homes(homes)
    workspace = enter(home if many is None else many.stack)
    from rich.console import Console
    from rich.markup import escape

    from flows.stack.doctor import diagnose, diagnose_homes
    from flows.stack.finding import Level

    found = diagnose(workspace) if many is None else diagnose_homes(many)
    if as_json:
        typer.echo(json.dumps([one.model_dump(mode="json") for one in found], indent=1))
    else:
        console = Console()
        for one in found:
            style = STYLES[one.level]
            console.print(f"[{style}]{one.level:<5}[/{style}] {one.check:<14} {escape(one.said)}", soft_wrap=True)
            if one.mend:
                console.print(f"{'':<20} mend: {escape(one.mend)}", soft_wrap=True)
    if any(one.level is Level.MEND for one in found):
        raise typer.Exit(TO_MEND)
