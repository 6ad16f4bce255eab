"""Options that several commands take."""

from pathlib import Path
from typing import Annotated

import typer

HomeFolder = Annotated[Path, typer.Option("--home", envvar="EVERCURRENT_HOME", help="Folder of all state.")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON document on stdout, nothing else there.")]
HOME = Path(".evercurrent")
