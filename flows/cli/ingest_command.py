"""`evercurrent ingest`: what a log, or the lake of the home, has that the warehouse has not."""

import json
from dataclasses import asdict
from typing import Annotated

import typer

from components.domain import ContractBroken, Window
from flows.cli.exit_codes import BROKEN
from flows.cli.ingested import show_ingested
from flows.cli.options import HOME, AsJson, HomeFolder
from flows.find_source import described_by
from flows.workspace import enter


def ingest(
    path: Annotated[
        str | None,
        typer.Argument(
            help="A .parquet or .csv log, a folder, a quoted pattern, a Delta table; none: what the lake has new."
        ),
    ] = None,
    source: Annotated[
        str | None,
        typer.Option(help="A shipped source, or the path of a .toml description; without a path, the home's own."),
    ] = None,
    mend: Annotated[
        bool, typer.Option("--mend", help="Replace what was logged in windows that are set aside; they are learned.")
    ] = False,
    home: HomeFolder = HOME,
    as_json: AsJson = False,
) -> None:
    """Bring a log into the warehouse; what is there already changes nothing.

    Exit codes: 0 all of it was taken, 3 it was refused; of a lake: a file was, and all others were taken.
    """
    state = enter(home)
    from components.ingest.delta import is_delta
    from flows.stages.ingest import ingest_files
    from flows.stages.ingest import mend as bring_again
    from flows.stages.lake import take_lake
    from flows.stages.set_aside import tell_service

    description = described_by(state, source, path)
    windows: tuple[Window, ...] = ()
    refused: list[str] = []
    with state.held():
        if mend and path is None:
            raise ContractBroken("--mend was given without a path; name the log that says those windows anew")
        if path is None or (is_delta(path) and not mend):
            taken = take_lake(state, description, path)
            batches, refused = taken.batches, taken.refused
        elif mend:
            batch, windows = bring_again(state, path, description)
            batches = [batch]
            tell_service(state)
        else:
            batches = ingest_files(state, path, description)
    if as_json:
        told = [asdict(batch) for batch in batches]
        told += [{"refused": line} for line in refused]
        typer.echo(json.dumps(told[0] if len(told) == 1 else told, indent=1))
    else:
        show_ingested(batches, refused, windows)
    if refused:
        raise typer.Exit(BROKEN)
