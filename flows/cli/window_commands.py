"""`evercurrent accept-window` and `evercurrent quarantine`: what people say of windows that nobody learns from."""

from typing import Annotated

import typer

from flows.cli.entered import entered
from flows.cli.options import HOME, HomeFolder, instant
from flows.stack.beside import await_server


def accept_window(
    reason: Annotated[str, typer.Option(help="Why it is true all the same; kept in the ledger.")],
    cutoff: Annotated[
        str | None, typer.Option(help="ISO instant that ends the window; default the latest that is set aside.")
    ] = None,
    home: HomeFolder = HOME,
) -> None:
    """Let the next turn learn a window that was set aside: the world has changed."""
    until = instant(cutoff)
    entered(home)
    from flows.accept_window import accept_window as accept

    await_server()
    typer.echo(accept(str(home), until, reason))


def quarantine(
    window: Annotated[str, typer.Option(metavar="START..CUTOFF", help="ISO instants, the second one not included.")],
    reason: Annotated[str, typer.Option(help="Why; kept in the ledger.")],
    home: HomeFolder = HOME,
) -> None:
    """Take a window that was learned back out: the generation before it is champion, the next turn learns the rest."""
    start, dots, cutoff = window.partition("..")
    if not dots or not start or not cutoff:
        raise typer.BadParameter(f"--window is {window!r}; allowed are two ISO instants: 2013-05-16..2013-05-23")
    first, end = instant(start, "--window"), instant(cutoff, "--window")
    entered(home)
    from flows.quarantine import quarantine as take_out

    assert first is not None and end is not None, "neither is empty"
    await_server()
    typer.echo(take_out(str(home), first, end, reason))
