"""Start a process that outlives the terminal, and end one with all that it started."""

import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from components.domain import Transient
from flows.stack.environment import ROOT
from flows.stack.record import MARK, Part, Role

POLL_SECONDS = 0.2
TAIL_BYTES = 4096


def start(role: Role, command: Sequence[str], variables: Mapping[str, str], log: Path, url: str | None = None) -> Part:
    """A process in a session of its own: closing the terminal does not end it. What it prints is appended to `log`."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as scripts start jobs; a child would be deaf to it, too
        signal.signal(signal.SIGINT, signal.default_int_handler)
    mark = secrets.token_hex(8)
    with log.open("ab") as file:
        made = subprocess.Popen(
            list(command),
            cwd=ROOT,
            env={**variables, MARK: mark},
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    began = psutil.Process(made.pid).create_time()
    return Part(role=role, pid=made.pid, mark=mark, began=began, url=url, log=str(log))


def end(part: Part, patience: float) -> bool:
    """Ask a part to end, and after `patience` seconds end it and its children; whether it had to be forced."""
    process = part.process()
    if process is None:
        return False
    family = [*process.children(recursive=True), process]
    process.terminate()
    _, left = psutil.wait_procs([process], timeout=patience)
    _, late = psutil.wait_procs(family, timeout=2.0 if not left else 0)  # children of one that ended go by themselves
    for one in late:
        one.kill()
    psutil.wait_procs(late, timeout=10)
    return bool(late)


def await_answer(part: Part, answers: Callable[[], bool], patience: float) -> None:
    """Until a part answers.

    Raises
    ------
    Transient
        If it ends before that, or takes longer than `patience` seconds; with the last line of its log.
    """
    give_up = time.monotonic() + patience
    while not answers():
        if part.process() is None:
            raise Transient(f"the {part.role} ended before it was ready: {last_line(Path(part.log))}; see {part.log}")
        if time.monotonic() > give_up:
            raise Transient(
                f"the {part.role} is not ready after {patience:g} s; see {part.log}, or: evercurrent doctor"
            )
        time.sleep(POLL_SECONDS)


def last_line(log: Path) -> str:
    """The last line of a log that says something."""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - TAIL_BYTES))
        lines = file.read().decode(errors="replace").splitlines()
    return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "it printed nothing")
