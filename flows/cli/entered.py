"""The home, for a command whose runs Prefect keeps."""

from pathlib import Path

import typer

from flows.stack import beside
from flows.stack.join import join
from flows.workspace import Workspace, enter


def entered(home: Path, of_a_log: bool = False) -> Workspace:
    """The home; with a stack that is up its UI shows the command's runs, else a server is started for the command.

    Called before Prefect is imported; `flows.stack.beside.await_server` before the first call of a flow.

    Raises
    ------
    ContractBroken
        If the command is `of_a_log` and nothing was ingested here yet.
    """
    workspace = enter(home)
    if of_a_log:
        workspace.require_log()
    if said := join(workspace):
        typer.echo(said, err=True)
    beside.begin(workspace)
    return workspace
