"""`evercurrent backfill`: the recorded logs of many homes, each replayed into its own."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from components.frozen import Frozen
from flows.cli.entered import entered
from flows.cli.exit_codes import TO_MEND
from flows.cli.options import AsJson, HomesFile
from flows.stack.beside import await_server
from flows.stack.homes import Homes, read_homes
from flows.stack.join import API

if TYPE_CHECKING:
    from flows.replay.job import Ended, Job

FILE = Path("homes.toml")
FOLDER = "backfill"
"""Below the folder of the stack: what the replays are given."""


class Backfilled(Frozen):
    """What `--json` prints: seconds of the homes that were filled, and why the others were not, by name."""

    filled: dict[str, float]
    left_alone: dict[str, str]
    failed: dict[str, str]


def backfill(homes: HomesFile = None, as_json: AsJson = False) -> None:
    """Replay the recorded log of every home of --homes that is empty, turn by turn; one that was cut off goes on.

    `turns_at_once` of the file are done at a time; with its [engine] ray they are tasks of the cluster. Exit code 7: a
    home could not be filled; the others are.
    """
    asked = read_homes(homes or FILE)
    from flows.stack.backfill import begun, to_fill

    found = to_fill(asked)
    jobs, faults = begun(found.jobs)
    failed = {**found.faults, **faults}
    for name, fault in failed.items():
        typer.echo(f"failed: {name}: {fault}", err=True)
    ended = _filled(asked, jobs, as_json) if jobs else []
    made = Backfilled(
        filled={one.name: one.seconds for one in ended if not one.code},
        left_alone=found.left_alone,
        failed={**failed, **{one.name: one.line for one in ended if one.code}},
    )
    if as_json:
        typer.echo(made.model_dump_json(indent=1))
    else:
        for name, why in found.left_alone.items():
            typer.echo(f"left alone: {name}: {why}")
        typer.echo(f"{len(made.filled)} filled, {len(made.left_alone)} left alone, {len(made.failed)} failed")
    if made.failed:
        raise typer.Exit(TO_MEND)


def _filled(homes: Homes, jobs: "list[Job]", quiet: bool) -> "list[Ended]":
    """How the replays ended."""
    workspace = entered(homes.stack)
    from flows.cli.side_by_side import tell_of
    from flows.engine.side_by_side import side_by_side

    await_server()
    api, at_once = os.environ.get(API), homes.turns_at_once
    return side_by_side(workspace.root / FOLDER, jobs, homes.engine, api, at_once, tell_of(quiet))
