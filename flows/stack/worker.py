"""The worker of a stack: Prefect's own, after it has ended the runs that an earlier one left behind.

``python -m flows.stack.worker --pool evercurrent``. Beside its work it keeps the stack's logs small.
"""

import os
import socket
import sys
import time
from datetime import timedelta
from pathlib import Path
from threading import Thread

from prefect.cli import app
from prefect.client.orchestration import get_client

from flows.gone import end_gone_runs
from flows.provision import POOL, provision
from flows.stack.logs import keep_small, log_folder
from flows.workspace import Workspace

LOOK_SECONDS = 300.0
"""How often logs are looked at: a run prints kilobytes."""


def worker_name() -> str:
    """One worker per machine and home; its runs are known by it after it was killed."""
    return f"evercurrent-{socket.gethostname()}"


def main() -> None:
    """End what is gone, then take runs until a signal ends it."""
    provision()
    with get_client(sync_client=True) as client:
        for run in end_gone_runs(client, worker_name(), timedelta(0)):
            sys.stdout.write(f"run {run.name} was ended: its process is gone\n")
    workspace = Workspace(Path(os.environ.get("EVERCURRENT_HOME") or ".evercurrent").resolve())
    Thread(target=_keep_logs_small, args=(log_folder(workspace),), daemon=True).start()
    sys.argv = ["prefect", "worker", "start", "--pool", POOL, "--type", "process", "--name", worker_name()]
    app()


def _keep_logs_small(folder: Path) -> None:
    while True:
        keep_small(folder)
        time.sleep(LOOK_SECONDS)


if __name__ == "__main__":
    main()
