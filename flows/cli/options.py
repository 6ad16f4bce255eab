"""Options that several commands take."""

from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

HomeFolder = Annotated[Path, typer.Option("--home", envvar="EVERCURRENT_HOME", help="Folder of all state.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else there.")]
HomesFile = Annotated[
    Path | None,
    typer.Option("--homes", envvar="EVERCURRENT_HOMES", help="File of many homes that one stack serves."),
]
HOME = Path(".evercurrent")


def instant(text: str | None, option: str = "--cutoff") -> datetime | None:
    """The instant that an option names.

    Raises
    ------
    typer.BadParameter
        If it is none.
    """
    try:
        return datetime.fromisoformat(text) if text else None
    except ValueError:
        raise typer.BadParameter(
            f"{option} is {text!r}; allowed is an ISO instant such as 2013-05-02T00:00:00Z"
        ) from None
