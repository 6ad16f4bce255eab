"""`evercurrent drill`: what goes wrong elsewhere, put through the loop here."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli.exit_codes import LET_THROUGH
from flows.cli.options import AsJson
from flows.workspace import enter, scratch


def drill(
    data: Annotated[bool, typer.Option("--data", help="Logs that lie, instead of bad generations.")] = False,
    home: Annotated[Path | None, typer.Option("--home", help="Keep the homes of all cases below this folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """Put bad generations, or logs that lie, through the loop in a scratch home; exit code 6 if one was let through."""
    with scratch(home) as root:
        enter(root)
        from flows.cli.drill_table import show_bad_weeks, show_drill
        from flows.cli.tables import watched
        from flows.drill.bad_week import drill_data
        from flows.drill.bad_week_record import BadWeekRecord
        from flows.drill.drill import run_drill
        from flows.drill.drill_record import DrillRecord

        record: BadWeekRecord | DrillRecord
        with watched(quiet=as_json):
            record = drill_data(root) if data else run_drill(root)
    if as_json:
        typer.echo(record.model_dump_json(indent=1))
    elif isinstance(record, BadWeekRecord):
        show_bad_weeks(record)
    else:
        show_drill(record)
    if not record.passed:
        raise typer.Exit(LET_THROUGH)
