"""How a process that uses DuckDB ends: without pages of its binding's own. Imports no DuckDB: any start may ask."""

import atexit
import os
import sys
from functools import cache


@cache
def end_quietly() -> None:
    """Keep DuckDB's binding from printing pages when the process ends.

    Where a daemon thread outlives the main one (Prefect has some), the interpreter frees no modules, and the binding
    takes what they hold for leaks. It says so after everything else has been said, so the last exit handler of ours
    turns standard error away.
    """
    atexit.register(_turn_stderr_away)


def _turn_stderr_away() -> None:
    sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
