"""`evercurrent free-slots`: give back what nobody alive has."""

import typer

from components.domain import Transient
from flows.cli.options import HOME, HomeFolder, HomesFile
from flows.stack.homes import read_homes
from flows.stack.record import Role, read_stack
from flows.workspace import enter


def free_slots(homes: HomesFile = None, home: HomeFolder = HOME) -> None:
    """Free concurrency slots of deployments whose run is over, and whose lease would have run out.

    Only what nobody alive has is taken off the count; slots of runs that are under way stay theirs.
    """
    workspace = enter(home if homes is None else read_homes(homes).stack)
    stack = read_stack(workspace)
    if stack.running(Role.SERVER) is None:
        raise Transient(f"no server of a stack in {workspace.root} runs: evercurrent up")
    from flows.stack.slots import freed_in

    freed, left = freed_in(stack)
    for slot in freed:
        typer.echo(f"freed: {slot.said}")
    for slot in left:
        typer.echo(f"left: {slot.said}; {slot.mend}")
    if not freed and not left:
        typer.echo("every slot that is taken belongs to a run that is under way")
