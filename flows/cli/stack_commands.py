"""`evercurrent up` and `down`: the stack on one machine."""

from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli.options import HOME, AsJson, HomeFolder
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
    home: HomeFolder = HOME,
    as_json: AsJson = False,
) -> None:
    """Start server, deployments, worker and service on loopback, as far as they do not run yet."""
    workspace = enter(home)
    from flows.stack.up import Wanted
    from flows.stack.up import up as bring_up

    made = bring_up(workspace, Wanted(server_port, service_port, database_url))
    if as_json:
        typer.echo(made.stack.model_dump_json(indent=1))
    else:
        _show(workspace, made)


def down(
    patience: Annotated[
        float, typer.Option(min=0, help="Seconds that runs may go on before they are cancelled.")
    ] = 300,
    home: HomeFolder = HOME,
) -> None:
    """End what `up` started: wait for runs, cancel those that take longer, then worker, service and server."""
    workspace = enter(home)
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


def _show(workspace: Workspace, made: "Up") -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("part", "", "where", "log"):
        table.add_column(name, overflow="fold")
    for part in made.stack.parts:
        state = "started" if part.role in made.started else "was there"
        table.add_row(part.role.value, state, part.url or f"process {part.pid}", part.log)
    console.print(table)
    console.print("deployments and their schedules: the server's page; end it all: evercurrent down", soft_wrap=True)
    if not made.ready:
        console.print(
            f"the service answers 503 until {workspace.root} has a generation; make one: evercurrent loop",
            soft_wrap=True,
        )
