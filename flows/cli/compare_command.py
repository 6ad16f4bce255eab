"""`evercurrent compare`: several architectures, or other settings, on one recorded log."""

import os
from pathlib import Path
from typing import Annotated

import typer

from flows.cli.entered import entered
from flows.cli.exit_codes import TO_MEND
from flows.cli.options import HOME, AsJson, HomeFolder
from flows.find_source import find_source
from flows.stack.beside import await_server
from flows.stack.join import API
from flows.workspace import Workspace

FOLDER = "compare"
"""Below the home, the homes of its candidates."""


def compare(
    architectures: Annotated[
        str, typer.Option(help="Such as fm,deepfm,dcnv2; the others are held against the first.")
    ] = "",
    settings: Annotated[
        list[Path] | None,
        typer.Option(help="A .toml with what it sets differently, a candidate like an architecture; may be repeated."),
    ] = None,
    source: Annotated[
        str, typer.Option(help="A shipped source, or the path of a .toml description.")
    ] = "movietweetings",
    turns: Annotated[int, typer.Option(min=1, help="Periods to replay after generation 1.")] = 4,
    data: Annotated[Path | None, typer.Option(help="The log, where the source ships none.")] = None,
    at_once: Annotated[int, typer.Option(min=1, help="Replays at a time on this machine.")] = 1,
    home: HomeFolder = HOME,
    as_json: AsJson = False,
) -> None:
    """Replay a recorded log with each of several settings, and say by how much they differ.

    What the home sets holds for all of them; with its [engine] ray they are tasks of the cluster. Exit code 7: a
    replay failed; the others are compared.
    """
    description, files = find_source(source), settings or []
    named = [name.strip() for name in architectures.split(",") if name.strip()]
    if len(named) + len(files) < 2:
        raise typer.BadParameter(
            f"--architectures and --settings name {len(named) + len(files)} candidates; two or more are compared, "
            "such as --architectures fm,deepfm"
        )
    from flows.replay.candidates import candidates

    asked = candidates(Workspace(home), named, files)
    workspace = entered(home)
    from components.settings import read_settings
    from flows.cli.compare_table import show_comparison
    from flows.cli.side_by_side import tell_of
    from flows.engine.side_by_side import side_by_side
    from flows.replay.candidates import jobs_of
    from flows.replay.comparison import compared
    from flows.replay.recorded import read_recorded

    root, engine = workspace.root / FOLDER, read_settings(workspace.settings).engine
    jobs = jobs_of(root, asked, read_recorded(workspace, description, data), data, turns)
    await_server()
    made = compared(jobs, side_by_side(root, jobs, engine, os.environ.get(API), at_once, tell_of(quiet=as_json)))
    if as_json:
        typer.echo(made.model_dump_json(indent=1))
    else:
        show_comparison(made)
    if made.failed:
        raise typer.Exit(TO_MEND)
