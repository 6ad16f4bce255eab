"""`evercurrent up` and `down`: the stack on one machine."""

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.exit_codes import TO_MEND
from flows.cli.options import HOME, AsJson, HomeFolder, HomesFile
from flows.stack.homes import Served, read_homes
from flows.stack.homes import served as look_at
from flows.workspace import Workspace, enter

if TYPE_CHECKING:
    from flows.stack.up import Up


def up(
    server_port: Annotated[int, typer.Option(min=1, max=65535, help="Where Prefect's server and UI answer.")] = 4200,
    service_port: Annotated[int, typer.Option(min=1, max=65535, help="Where the service answers.")] = 3000,
    database_url: Annotated[
        str | None,
        typer.Option(
            envvar="EVERCURRENT_DATABASE_URL",
            help="postgresql+asyncpg://USER:PASSWORD@HOST:PORT/DATABASE; default SQLite in the home.",
        ),
    ] = None,
    homes: HomesFile = None,
    home: HomeFolder = HOME,
    as_json: AsJson = False,
) -> None:
    """Start server, deployments, worker and service on loopback, as far as they do not run yet.

    With --homes they serve all homes of the file. Exit code 7: a home cannot be served; the others are.
    """
    served = None if homes is None else look_at(homes)
    workspace = enter(home if served is None else served.homes.stack)
    from flows.stack.up import Wanted
    from flows.stack.up import up as bring_up

    made = bring_up(workspace, Wanted(server_port, service_port, database_url, served))
    if as_json:
        typer.echo(made.stack.model_dump_json(indent=1))
    else:
        _show(workspace, made, served)
    for name, fault in (served.faults if served else {}).items():
        typer.echo(f"left out: {name}: {fault}", err=True)
    if served and served.faults:
        raise typer.Exit(TO_MEND)


def down(
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds that runs may go on before they are cancelled.")
    ] = 300,
    homes: HomesFile = None,
    home: HomeFolder = HOME,
) -> None:
    """End what `up` started: wait for runs, cancel those that take longer, then worker, service and server."""
    workspace = enter(home if homes is None else read_homes(homes).stack)
    from flows.stack.down import down as take_down

    found = take_down(workspace, patience)
    for name in found.cancelled:
        typer.echo(f"cancelled: run {name}; the next one resumes its turn")
    for name in found.gone:
        typer.echo(f"ended: run {name}, whose process was gone")
    for role in found.ended:
        typer.echo(f"ended: {role}{', killed because it did not end by itself' if role in found.forced else ''}")
    if not found.ended:
        typer.echo(f"nothing of the stack in {workspace.root} runs")


def _show(workspace: Workspace, made: "Up", served: Served | None) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("part", "", "where", "log"):
        table.add_column(name, overflow="fold")
    for part in made.stack.parts:
        state = "started" if (part.role, part.home) in made.began else "was there"
        table.add_row(
            " ".join(filter(None, (part.role, part.home))), state, part.url or f"process {part.pid}", part.log
        )
    console.print(table)
    if served is not None:
        at_once = served.homes.turns_at_once
        console.print(f"homes: {', '.join(h.name for h in served.sound)}; {at_once} turns at once", soft_wrap=True)
        console.print(f"how they are: evercurrent status --all --homes {served.file}", soft_wrap=True)
        console.print(f"end it all: evercurrent down --homes {served.file}", soft_wrap=True)
        return
    console.print("deployments and their schedules: the server's page; end it all: evercurrent down", soft_wrap=True)
    if not made.ready:
        console.print(
            f"the service answers 503 until {workspace.root} has a generation; make one: evercurrent loop",
            soft_wrap=True,
        )
