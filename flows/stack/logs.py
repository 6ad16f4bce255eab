"""The logs of a stack stay small: a part appends to its file for months."""

import shutil
from pathlib import Path

from components.whole_file import write_whole
from flows.workspace import Workspace

MOST_BYTES = 8_000_000
"""Of one log: about a month of runs. One older piece is kept beside it."""


def log_folder(workspace: Workspace) -> Path:
    """Where the parts' logs are."""
    return workspace.root / "logs"


def keep_small(folder: Path, most: int = MOST_BYTES) -> None:
    """Put what a log has over `most` bytes aside, over what was put aside before, and let it begin anew.

    A part holds its file open for appending, so the file is emptied and not moved; lines that are written between the
    copy and that are lost.
    """
    for log in folder.glob("*.log"):
        if log.stat().st_size > most:
            write_whole(log.with_suffix(".log.1"), lambda part, log=log: shutil.copyfile(log, part))  # type: ignore[misc]
            with log.open("r+b") as file:
                file.truncate(0)
