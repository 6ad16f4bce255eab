"""A Prefect server for one command: started while the command's libraries load, gone with the command.

Prefect starts one by itself at the first call of a flow, and the command waits for it, about ten seconds in a new
home; begun before anything is imported it is there when it is needed.
"""

import atexit
import os
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path

from components.domain import Transient
from flows.stack.join import API
from flows.stack.ports import LOOPBACK, free_port
from flows.workspace import Workspace

PATIENCE_SECONDS = 120.0
"""A new database on a slow disk takes more than 20 s."""
POLL_SECONDS = 0.05
QUIET_SERVER = {"PREFECT_SERVER_UI_ENABLED": "false", "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL"}

_server: "list[subprocess.Popen[bytes]]" = []


def begin(workspace: Workspace) -> None:
    """Start the server; called before Prefect is imported, and without effect where a server is known already."""
    if os.environ.get(API) or "prefect" in sys.modules:
        return
    port = free_port()
    words = [sys.executable, "-m", "flows.stack.beside", str(port), str(os.getpid())]
    log = workspace.root / "prefect" / "beside.log"
    with log.open("wb") as said:
        made = subprocess.Popen(
            words, env={**os.environ, **QUIET_SERVER}, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        )
    _server.append(made)
    os.environ[API] = f"http://{LOOPBACK}:{port}/api"
    atexit.register(_end)  # before Prefect's own: what it still has to say at the end is heard


def await_server() -> None:
    """Until the server answers; at once where `begin` started none.

    Raises
    ------
    Transient
        If it ends, or does not answer in two minutes.
    """
    give_up = time.monotonic() + PATIENCE_SECONDS
    while _server and not _answers(os.environ[API]):
        if _server[0].poll() is not None or time.monotonic() > give_up:
            home = Path(os.environ["EVERCURRENT_HOME"])
            raise Transient(f"Prefect's server did not start; see {home / 'prefect' / 'beside.log'}, and try again")
        time.sleep(POLL_SECONDS)


def is_ours() -> bool:
    """Whether this process talks to a server that ends with it."""
    return bool(_server)


def _answers(api: str) -> bool:
    try:
        with urllib.request.urlopen(f"{api}/health", timeout=POLL_SECONDS * 20) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, TimeoutError, ConnectionError):
        return False


def _end() -> None:
    for server in _server:
        server.terminate()
        try:
            server.wait(5)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
    _server.clear()


def _serve(port: int, parent: int) -> None:
    """Serve until `parent` is gone, however it went."""
    import uvicorn
    from prefect.server.api.server import create_app

    threading.Thread(target=end_without, args=(parent,), daemon=True).start()
    uvicorn.run(create_app(ephemeral=True), host=LOOPBACK, port=port, log_level="critical", lifespan="on")


def end_without(parent: int) -> None:
    """End this process once `parent` is gone; run in a thread."""
    while os.getppid() == parent:
        time.sleep(1.0)
    os._exit(0)


if __name__ == "__main__":
    _serve(int(sys.argv[1]), int(sys.argv[2]))
