"""A command as a process of its own: its seconds, its memory at the most, and what it printed."""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass

from components.domain import EvercurrentError

KIB_IN_GIB = 1 << 20


@dataclass(frozen=True, slots=True)
class Ended:
    """A process that ended well: wall seconds from its start to its end, and the most memory it held, GiB."""

    seconds: float
    peak_gib: float
    said: str


def measured(*words: object) -> Ended:
    """Run ``python -m`` with these words, with this environment, and wait.

    The peak is the largest of the process and of those it waited for, such as Prefect's server, not their sum; and no
    less than this process has held itself, which a child begins as a copy of. So whoever measures stays small.

    Raises
    ------
    EvercurrentError
        If it ends with another code than 0; with the last line it said.
    """
    command = [sys.executable, "-m", *map(str, words)]
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as complained:
        begin = time.perf_counter()
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=said, stderr=complained)
        _, status, used = os.wait4(child.pid, 0)
        seconds = time.perf_counter() - begin
        child.returncode = os.waitstatus_to_exitcode(status)
        said.seek(0)
        complained.seek(0)
        if child.returncode:
            last = (complained.read().decode(errors="replace").strip().splitlines() or ["nothing"])[-1]
            raise EvercurrentError(f"{' '.join(command[1:])} ended with code {child.returncode}; it said: {last}")
        return Ended(seconds, used.ru_maxrss / KIB_IN_GIB, said.read().decode())
