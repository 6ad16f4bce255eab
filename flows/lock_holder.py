"""Which process has a file locked, by the kernel's own list (Linux)."""

from pathlib import Path

import psutil

LOCKS = Path("/proc/locks")
PID, FILE = 4, 5
"""Columns of a line such as ``1: FLOCK  ADVISORY  WRITE 4242 08:01:1234 0 EOF``."""


def lock_holder(path: Path, locks: Path = LOCKS) -> psutil.Process | None:
    """The process that has `path` locked; None if nobody has, or nobody can tell."""
    try:
        inode, lines = path.stat().st_ino, locks.read_text().splitlines()
    except OSError:
        return None
    for line in lines:
        words = line.split()
        if len(words) > FILE and words[1] != "->" and words[FILE].rpartition(":")[2] == str(inode):
            try:
                return _that_has_open(psutil.Process(int(words[PID])), path)
            except (psutil.Error, ValueError):
                continue
    return None


def _that_has_open(process: psutil.Process, path: Path) -> psutil.Process:
    """The process, if it is the file of this disk that it has locked: another disk has the same numbers.

    Raises
    ------
    psutil.Error
        If it has not, or is gone.
    """
    links = Path(f"/proc/{process.pid}/fd")
    wanted = path.stat()
    for link in links.iterdir():
        try:
            found = link.stat()
        except OSError:
            continue
        if (found.st_dev, found.st_ino) == (wanted.st_dev, wanted.st_ino):
            return process
    raise psutil.NoSuchProcess(process.pid)


def described(process: psutil.Process) -> str:
    """A process in words: its number and what it was started as."""
    try:
        words = " ".join(process.cmdline()) or process.name()
    except psutil.Error:
        return f"process {process.pid}"
    run = _run_of(process)
    return f"process {process.pid} ({words[:80]}{f', run {run}' if run else ''})"


def _run_of(process: psutil.Process) -> str | None:
    """The run of a deployment that a process works on."""
    try:
        return process.environ().get("PREFECT__FLOW_RUN_ID")
    except psutil.Error:
        return None
