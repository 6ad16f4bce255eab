"""Whether somebody listens already where we are about to."""

import os
import socket

from components.domain import Transient

LOOPBACK = "127.0.0.1"


def check_free(host: str, port: int, option: str) -> None:
    """Refuse an address that nobody can listen on now, in one line instead of a supervisor's traceback.

    Raises
    ------
    Transient
        If it is taken, or is not this machine's; `option` is what names another.
    """
    try:
        with socket.create_server((host, port)):
            pass
    except OSError as error:
        raise Transient(
            f"cannot listen on {host}:{port}: {_why(error)}; end who does, or name another with {option}"
        ) from None


def free_port() -> int:
    """A port of loopback on which nobody listens now."""
    with socket.create_server((LOOPBACK, 0)) as server:
        return int(server.getsockname()[1])


def check_answers(host: str, port: int, what: str) -> None:
    """Refuse to start on something that is away.

    Raises
    ------
    Transient
        If nobody answers there within five seconds.
    """
    try:
        with socket.create_connection((host, port), timeout=5):
            pass
    except OSError as error:
        raise Transient(f"{what} at {host}:{port} does not answer: {_why(error)}; start it, or name another") from None


def _why(error: OSError) -> str:
    """The system's own words; Python adds the address, which is said already."""
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error)
