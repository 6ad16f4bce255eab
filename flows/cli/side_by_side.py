"""What a person hears of replays side by side: a line as each ends."""

import typer

from flows.engine.side_by_side import Tell
from flows.replay.job import Ended


def tell_of(quiet: bool) -> Tell:
    """Says on stderr how a replay ended; `quiet`: only where it failed."""

    def tell(ended: Ended) -> None:
        if ended.code:
            typer.echo(f"failed: {ended.name}: {ended.line}", err=True)
        elif not quiet:
            typer.echo(f"replayed: {ended.name}, {ended.seconds:.0f} s", err=True)

    return tell
