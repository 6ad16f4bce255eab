"""`evercurrent simulate`: users of a recorded or simulated world, as HTTP traffic on a running service."""

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from components.domain import instant_of
from flows.cli.exit_codes import INTERRUPTED
from flows.cli.options import HOME, AsJson, HomeFolder, instant

TOKEN = "EVERCURRENT_TOKEN"
"""Environment variable with the client's bearer token."""


def simulate(
    url: Annotated[str, typer.Option(help="Where the service answers.")] = "http://127.0.0.1:3000",
    source: Annotated[
        str, typer.Option(help="A shipped source, or the path of a .toml description.")
    ] = "movietweetings",
    data: Annotated[Path | None, typer.Option(help="The log, where the source ships none.")] = None,
    since: Annotated[
        str | None, typer.Option(help="ISO instant of the log to begin at; default where the champion's cutoff is.")
    ] = None,
    skip: Annotated[int, typer.Option(min=0, help="Visits from there on that were played before.")] = 0,
    days: Annotated[
        int | None, typer.Option(min=1, help="Of a simulated source: its days, where its description's are too few.")
    ] = None,
    requests: Annotated[int | None, typer.Option(min=1, help="Visits, at most.")] = None,
    seconds: Annotated[float | None, typer.Option(min=0.1, help="Seconds to play, at most.")] = None,
    rate: Annotated[
        float | None, typer.Option(min=0.01, help="Visits a second on average; default as fast as they are answered.")
    ] = None,
    concurrency: Annotated[int, typer.Option(min=1, max=256, help="Visitors at a time, at most.")] = 8,
    patience: Annotated[float, typer.Option(min=0, help="Seconds in which a call is tried again.")] = 30.0,
    seed: Annotated[int, typer.Option(help="Of arrivals and of the pauses before another try.")] = 0,
    token_file: Annotated[Path | None, typer.Option(help=f"File of a bearer token; else {TOKEN}.")] = None,
    frozen: Annotated[
        str | None, typer.Option(help="A second service, asked the same and told nothing: what standing still earns.")
    ] = None,
    page: Annotated[Path | None, typer.Option(help="Where to write the HTML page: reward over time.")] = None,
    home: HomeFolder = HOME,
    as_json: AsJson = False,
) -> None:
    """Play people's visits against a running service: /rank, then /outcome of what was shown.

    Exit codes: 0 played, 2 the service asks for another token, 3 it refuses what was asked, 75 it does not answer.
    """
    begin = instant(since, "--since")
    from components.pages.page import write_page
    from flows.cli.tables import show_simulated
    from flows.find_source import find_source
    from flows.live.client import Unwelcome, read_token
    from flows.live.simulate import Wanted, simulate
    from flows.live.simulate_page import simulate_page
    from flows.replay.recorded import read_recorded
    from flows.workspace import Workspace

    token = read_token(token_file, os.environ.get(TOKEN))
    recorded = read_recorded(Workspace(home), find_source(source), data, days)
    begin_at = None if begin is None else instant_of(begin)
    wanted = Wanted(url, token, requests, seconds, rate, concurrency, begin_at, skip, patience, seed, frozen)
    try:
        record = simulate(recorded, wanted, time.monotonic)
    except Unwelcome as error:
        raise typer.BadParameter(f"{error}; --token-file or {TOKEN} names the token") from None
    if page:
        write_page(page, simulate_page(record))
    if as_json:
        typer.echo(record.model_dump_json(indent=1))
    else:
        show_simulated(record)
    if record.ended == "interrupted":
        raise typer.Exit(INTERRUPTED)
